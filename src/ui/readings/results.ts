/** Charts of accuracies, each a function of a log's index. */
import type { Method } from '../../events';
import { baseLearnerOf, type Score } from '../../log/results';
import type { ChartData } from '../charts/data';
import type { ChartPoint, ChartSeries, SeriesStyle } from '../charts/types';
import { learnerLooks, methodLooks, wayOf, type MethodLook } from '../looks';
import { evaluationOf, runResults } from './evaluations';
import type { LogIndex } from './logIndex';
import { SHARE_BARS, sharePoint } from './share';

/** Colour says whose weights, marker and dash say how they answer. */
export function methodStyle({ color, shape, dash }: Pick<MethodLook, 'color' | 'shape' | 'dash'>): SeriesStyle {
  return { colour: color, marker: shape, dash };
}

/** How many curves are told apart. */
function readingOf({ cast }: LogIndex, series: readonly ChartSeries[]): string {
  const drawn = cast.methods.filter(({ key }) => series.some(({ id }) => id === key));
  const who = learnerLooks(cast)
    .filter(({ key }) => drawn.some(({ learner }) => learner === key))
    .map(({ name, agents, colorName }) => `${agents.length === 0 ? 'nobody' : name} (${colorName})`);
  const ways = [...new Set(drawn.map(({ answer }) => answer))].map((answer) => wayOf(answer, cast.methods));
  return (
    `Colour says who learnt: ${who.join(', ')}. The line says how a problem is answered: ` +
    `${ways.map(({ how, line }) => `${how} (${line})`).join(', ')}.`
  );
}

/** As many lines as are drawn unless a reader asks for more. */
const MOST_LINES = 3;

/**
 * Accuracy on the held-out problems after each iteration, every method with its interval. What does not learn is tested once and drawn as a
 * line across; an iteration without a test is a gap. Drawn by default are the methods that answer as the headline does.
 */
export function accuracyByIteration(index: LogIndex): ChartData {
  const { cast } = index;
  const { iterations } = runResults(index);
  const base = baseLearnerOf(cast);
  const series = methodLooks(cast)
    .map((method): ChartSeries => {
      const baseline = method.learner === base;
      const tested = iterations.filter(
        ({ iteration, methods }) => methods[method.key] && (iteration === 0 || !baseline),
      );
      const points = tested.map(({ iteration, methods }): ChartPoint => {
        const gap = iteration > 0 && !tested.some((one) => one.iteration === iteration - 1);
        return { x: iteration, ...scorePoint(methods[method.key] as Score), ...(gap && { start: true }) };
      });
      return { id: method.key, label: method.label, ...methodStyle(method), points, ...(baseline && { baseline }) };
    })
    .filter(({ points }) => points.length > 0);
  const [headline, reference] = cast.compare[0] ?? [];
  const answer = cast.methods.find(({ key }) => key === headline)?.answer;
  const asHeadline = new Set(cast.methods.filter((method) => method.answer === answer).map(({ key }) => key));
  const n = Object.values(iterations[0]?.methods ?? {})[0]?.n;
  return {
    title: 'Accuracy by iteration',
    xLabel: 'iteration',
    yLabel: n === undefined ? 'accuracy' : `accuracy on ${n} held-out problems`,
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    ...(series.length > 0 && { reading: readingOf(index, series) }),
    series: series.map((one) => {
      const further = series.length > MOST_LINES && !asHeadline.has(one.id) && one.id !== reference;
      return further ? { ...one, further } : one;
    }),
  };
}

/** The same scores against the number of generations that a problem costs. Points above each other cost the same. */
export function accuracyByGenerations(index: LogIndex, iteration: number): ChartData {
  const { cast } = index;
  const scores = runResults(index).iterations[iteration]?.methods ?? {};
  const series = learnerLooks(cast)
    .map((learner): ChartSeries => {
      const methods = cast.methods.filter((method) => method.learner === learner.key);
      const points = methods.flatMap((method, n) => {
        const score = scores[method.key];
        if (!score || methods.slice(0, n).some((earlier) => sameAnswers(index, earlier, method, iteration))) return [];
        return [{ x: method.calls, ...scorePoint(score, wayOf(method.answer).label) }];
      });
      return { id: learner.key, label: learner.label, ...methodStyle(learner), points };
    })
    .filter(({ points }) => points.length > 0);
  return {
    title: `Accuracy by generations per problem, iteration ${iteration}`,
    xLabel: 'generations per problem',
    yLabel: 'accuracy',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    series,
  };
}

/** Two methods that are made from the same turns are one: with a single round a debate is a majority. */
function sameAnswers(index: LogIndex, first: Method, second: Method, iteration: number): boolean {
  const [a, b] = [evaluationOf(index, first, iteration), evaluationOf(index, second, iteration)];
  if (!a || !b || first.calls !== second.calls || a.correct !== b.correct) return false;
  return a.turns.length === b.turns.length && a.turns.every((turn, i) => turn === b.turns[i]);
}

function scorePoint({ right, n }: { right: number; n: number }, name?: string): Omit<ChartPoint, 'x'> {
  const { note, ...point } = sharePoint(right, n);
  return { ...point, note: name === undefined ? note : `${name}, ${note}` };
}
