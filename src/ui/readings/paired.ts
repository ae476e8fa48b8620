/**
 * Methods against each other on the same problems with the same draws. A run's first comparison is its headline: what it compares with
 * is the reference of all others.
 */
import type { Cast, Method } from '../../events';
import { baseLearnerOf } from '../../log/results';
import { pairedComparison, type PairedComparison } from '../../society/statistics';
import type { ChartData } from '../charts/data';
import type { ChartSeries } from '../charts/types';
import { methodLooks, methodText, wayOf } from '../looks';
import { evaluationOf, evaluationsOf } from './evaluations';
import type { LogIndex } from './logIndex';
import { methodStyle } from './results';

/** What the error bars of differences are. */
export const PAIRED_BARS =
  '95 % interval of the paired difference, which goes with the exact McNemar test (Fay and Lumbard 2021)';

/** The two methods of the headline; null where a run compares nothing. */
export function headlineOf({ methods, compare }: Cast): { method: Method; reference: Method } | null {
  const [first, second] = (compare[0] ?? []).map((key) => methods.find((method) => method.key === key));
  return first && second ? { method: first, reference: second } : null;
}

/** "the debate without finetuning" */
export function referenceText(cast: Cast): string {
  const reference = headlineOf(cast)?.reference;
  return reference ? methodText(reference.label) : 'the reference';
}

/** The same where there is little room, without an article: "debate without finetuning". */
export function referenceName(cast: Cast): string {
  const reference = headlineOf(cast)?.reference;
  if (!reference) return 'reference';
  const { noun } = wayOf(reference.answer);
  if (reference.learner === baseLearnerOf(cast) && noun !== null) return `${noun} without finetuning`;
  return methodText(reference.label).replace(/^the /, '');
}

export interface PairedRow extends PairedComparison {
  method: string;
  label: string;
  iteration: number;
  /** Problems that the method, and the reference, have right. */
  right: number;
  rightReference: number;
}

/**
 * Every method against the reference, on the same problems with the same draws, after each iteration. Iteration 0 holds the base's own
 * other ways of answering.
 */
export function pairedToReference(index: LogIndex): PairedRow[] {
  const { cast } = index;
  const reference = headlineOf(cast)?.reference;
  if (!reference) return [];
  return evaluationsOf(index).flatMap(({ learner, iteration, scores }) =>
    cast.methods.flatMap((method): PairedRow[] => {
      const own = scores.find((score) => score.method === method.key);
      const other = evaluationOf(index, reference, iteration);
      if (method.learner !== learner || method.key === reference.key || !own || !other) return [];
      if (own.correct.length !== other.correct.length) return [];
      const { key, label } = method;
      const comparison = pairedComparison(own.correct, other.correct);
      return [{ method: key, label, iteration, right: own.right, rightReference: other.right, ...comparison }];
    }),
  );
}

/** Rows of one iteration, one a method; with what was tested once, before anybody learnt. */
export function pairedAt(index: LogIndex, iteration: number): PairedRow[] {
  const base = baseLearnerOf(index.cast);
  const once = new Set(index.cast.methods.filter(({ learner }) => learner === base).map(({ key }) => key));
  return pairedToReference(index).filter(
    (row) => row.iteration === iteration || (row.iteration === 0 && iteration > 0 && once.has(row.method)),
  );
}

/** Differences to the reference over iterations, with 95 % intervals: methods that answer as the headline does, or are compared with it. */
export function differenceByIteration(index: LogIndex): ChartData {
  const { cast } = index;
  const rows = pairedToReference(index);
  const headline = headlineOf(cast);
  const base = baseLearnerOf(cast);
  const shown = methodLooks(cast).filter(
    ({ key, learner, answer }) =>
      learner !== base &&
      (answer === headline?.method.answer ||
        cast.compare.some(([first, second]) => first === key && second === headline?.reference.key)),
  );
  return {
    title: `Difference from ${referenceText(cast)}`,
    xLabel: 'iteration',
    yLabel: 'paired difference',
    format: 'points',
    errors: PAIRED_BARS,
    include: [0],
    reference: 0,
    integerX: true,
    series: shown
      .map((look): ChartSeries => ({
        id: look.key,
        label: look.label,
        ...methodStyle(look),
        points: rows
          .filter(({ method }) => method === look.key)
          .map(({ iteration, difference, interval: [low, high], p }) => ({
            x: iteration,
            y: difference,
            low,
            high,
            note: formatP(p),
          })),
      }))
      .filter(({ points }) => points.length > 0),
  };
}

/** `p = 0.034`, `p < 0.001` */
export function formatP(p: number): string {
  return p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`;
}
