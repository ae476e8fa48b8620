/**
 * Methods against each other on the same problems with the same draws. A run's first comparison is its headline: what it compares with
 * is the reference of all others.
 */
import type { Cast, Method } from '../../events';
import { baseLearnerOf } from '../../log/results';
import { pairedComparison, type PairedComparison } from '../../society/statistics';
import type { ChartData } from '../charts/data';
import type { ChartSeries } from '../charts/types';
import { inSentence, learnerLook, methodLooks, wayOf } from '../looks';
import { evaluationOf, evaluationsOf, lastEvaluated } from './evaluations';
import type { LogIndex } from './logIndex';
import { methodStyle } from './results';

/** The two methods of the headline; null where a run compares nothing. */
export function headlineOf({ methods, compare }: Cast): { method: Method; reference: Method } | null {
  const [first, second] = (compare[0] ?? []).map((key) => methods.find((method) => method.key === key));
  return first && second ? { method: first, reference: second } : null;
}

/** "the debate without finetuning" */
export function referenceText(cast: Cast): string {
  const reference = headlineOf(cast)?.reference;
  return reference ? `the ${inSentence(reference.label)}` : 'the reference';
}

/** The same where there is little room: "base debate". */
export function referenceName(cast: Cast): string {
  const reference = headlineOf(cast)?.reference;
  if (!reference) return 'reference';
  const { noun } = wayOf(reference.answer);
  return reference.learner === baseLearnerOf(cast) && noun !== null ? `base ${noun}` : inSentence(reference.label);
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

export interface Beside extends PairedComparison {
  /** "society finetuning against single-agent finetuning (debate)" */
  text: string;
  /** Both cost the same number of generations. */
  equalCalls: boolean;
}

/** The run's other comparisons after an iteration: those of methods that both have learnt. */
export function besides(index: LogIndex, iteration: number): Beside[] {
  const { cast } = index;
  const base = baseLearnerOf(cast);
  const reference = headlineOf(cast)?.reference;
  return cast.compare.flatMap(([first, second]): Beside[] => {
    const [a, b] = [first, second].map((key) => cast.methods.find((method) => method.key === key));
    if (!a || !b || second === reference?.key || a.learner === base || b.learner === base) return [];
    const [own, other] = [evaluationOf(index, a, iteration), evaluationOf(index, b, iteration)];
    if (iteration === 0 || !own || !other || own.correct.length !== other.correct.length) return [];
    const [who, whom] = [a, b].map(({ learner }) => inSentence(learnerLook(cast, learner).label));
    const text =
      a.answer === b.answer && a.learner !== b.learner
        ? `${who} against ${whom} (${wayOf(a.answer).label})`
        : `${inSentence(a.label)} against ${inSentence(b.label)}`;
    return [{ text, equalCalls: a.calls === b.calls, ...pairedComparison(own.correct, other.correct) }];
  });
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
    title: `Difference to ${referenceText(cast)}`,
    xLabel: 'iteration',
    yLabel: 'paired difference in accuracy',
    format: 'points',
    errors: '95 % interval',
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

/** The outcome in a sentence that does not claim more than the interval allows; null before iteration 1 was evaluated. */
export function headline(index: LogIndex): string | null {
  const { cast } = index;
  const compared = headlineOf(cast);
  const iteration = lastEvaluated(index);
  const row = pairedToReference(index).find(
    (one) => one.method === compared?.method.key && one.iteration === iteration,
  );
  if (!row || !compared) return null;
  const [low, high] = row.interval;
  const points = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value * 100).toFixed(1)}`;
  const { method, reference } = compared;
  const untrained = reference.learner === baseLearnerOf(cast);
  // With few problems the interval, which takes differences for normal, is too narrow: the exact test has to agree.
  const verdict =
    low > 0 && row.p < 0.05
      ? 'Chance alone seldom does that.'
      : high < 0 && row.p < 0.05
        ? `${untrained ? 'Finetuning made it worse' : 'It is worse'}, by more than chance alone does.`
        : 'That may be chance: this run alone does not show a difference.';
  const { noun } = wayOf(method.answer);
  const who = noun === null ? `“${method.label}”` : `${learnerLook(cast, method.learner).name}'s ${noun}`;
  const other = untrained && method.answer === reference.answer ? 'without finetuning' : referenceText(cast);
  return (
    `After iteration ${iteration} ${who} is right on ${row.right} of ${row.n} held-out problems, ${other} on ` +
    `${row.rightReference}: ${points(row.difference)} points (95 % interval ${points(low)} to ${points(high)}, McNemar ${formatP(row.p)}). ${verdict}`
  );
}
