/** Charts of accuracies, each a function of a log's index. */
import type { Method } from '../../events';
import type { ChartData } from '../charts/data';
import type { ChartPoint, ChartSeries, SeriesStyle } from '../charts/types';
import { learnerLooks, methodLooks, wayOf, type MethodLook } from '../looks';
import { evaluationOf, runResults } from './evaluations';
import type { LogIndex } from './logIndex';

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
  const ways = [...new Set(drawn.map(({ answer }) => answer))].map(wayOf);
  return (
    `Colour says who learnt: ${who.join(', ')}. The line says how a problem is answered: ` +
    `${ways.map(({ how, line }) => `${how} (${line})`).join(', ')}.`
  );
}

/** Accuracy on the held-out problems after each iteration, every method, with binomial standard error. */
export function accuracyByIteration(index: LogIndex): ChartData {
  const { cast } = index;
  const { iterations } = runResults(index);
  const series = methodLooks(cast)
    .map((method): ChartSeries => ({
      id: method.key,
      label: method.label,
      ...methodStyle(method),
      points: iterations.flatMap(({ iteration, methods }) => {
        const score = methods[method.key];
        return score ? [{ x: iteration, ...scorePoint(score) }] : [];
      }),
    }))
    .filter(({ points }) => points.length > 0);
  const n = Object.values(iterations[0]?.methods ?? {})[0]?.n;
  const ways = new Set(cast.methods.map(({ answer }) => answer)).size;
  return {
    title: 'Accuracy by iteration',
    xLabel: 'iteration',
    yLabel: n === undefined ? 'accuracy' : `accuracy on ${n} held-out problems`,
    format: 'percent',
    errors: '± standard error',
    integerX: true,
    ...(ways > 1 && { legendColumns: ways }),
    ...(series.length > 0 && { reading: readingOf(index, series) }),
    series,
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
    errors: '± standard error',
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

function scorePoint(
  { accuracy, standardError, right, n }: { accuracy: number; standardError: number; right: number; n: number },
  name?: string,
): Omit<ChartPoint, 'x'> {
  const note = `${right} of ${n}`;
  return {
    y: accuracy,
    low: accuracy - standardError,
    high: accuracy + standardError,
    note: name === undefined ? note : `${name}, ${note}`,
  };
}
