/** The results view's charts and tables, each a function of a log's index. */
import type { EvaluationDone, Team } from '../../events';
import { METHODS, resultsOf, type MethodKey, type RunResults } from '../../log/results';
import { pairedComparison, type PairedComparison } from '../../society/statistics';
import type { ChartData } from '../charts/data';
import type { ChartPoint, ChartSeries, SeriesStyle } from '../charts/types';
import { MEASURES, TEAM_LOOKS, type Measure } from '../methods';
import type { LogIndex } from './logIndex';

export const TEAM_LABEL: Record<Team, string> = {
  base: 'Base, no finetuning',
  single: 'Single-agent finetuning',
  society: 'Society finetuning',
};

/** Colour says whose weights, marker and dash say how they answer. */
export function methodStyle(team: Team, measure: Measure): SeriesStyle {
  const { shape, dash } = MEASURES.find((entry) => entry.measure === measure) ?? MEASURES[0]!;
  return { colour: TEAM_LOOKS[team].color, marker: shape, dash };
}

const LEARNERS: Record<Team, string> = {
  base: 'nobody (grey)',
  single: 'one model (orange)',
  society: 'the society (blue)',
};

/** How up to nine curves are told apart. */
function readingOf(series: readonly ChartSeries[]): string {
  const teams = new Set(METHODS.filter(({ key }) => series.some(({ id }) => id === key)).map(({ team }) => team));
  return (
    `Colour says who learnt: ${[...teams].map((team) => LEARNERS[team]).join(', ')}. The line says how a problem is answered: by one ` +
    'sample (dotted), by the majority of all agents (dashed), after a debate (solid).'
  );
}

const cache = new WeakMap<LogIndex, RunResults>();

/** `resultsOf` on an index, computed once. */
export function runResults(index: LogIndex): RunResults {
  let results = cache.get(index);
  if (!results) cache.set(index, (results = resultsOf(index.summary)));
  return results;
}

/** The last iteration that the finetuned society was evaluated after; 0 before there is one. */
export function lastEvaluated(index: LogIndex): number {
  let last = 0;
  for (const event of index.summary) {
    if (event.type === 'evaluation' && event.team === 'society') last = Math.max(last, event.iteration);
  }
  return last;
}

/** Accuracy on the held-out problems after each iteration, every method, with binomial standard error. */
export function accuracyByIteration(results: RunResults): ChartData {
  const series = METHODS.map(({ key, label, team, measure }): ChartSeries => ({
    id: key,
    label,
    ...methodStyle(team, measure),
    points: results.iterations.flatMap(({ iteration, methods }) => {
      const score = methods[key];
      return score ? [{ x: iteration, ...scorePoint(score) }] : [];
    }),
  })).filter(({ points }) => points.length > 0);
  const n = results.iterations[0]?.methods.single?.n;
  return {
    title: 'Accuracy by iteration',
    xLabel: 'iteration',
    yLabel: n === undefined ? 'accuracy' : `accuracy on ${n} held-out problems`,
    format: 'percent',
    errors: '± standard error',
    integerX: true,
    legendColumns: MEASURES.length,
    ...(series.length > 0 && { reading: readingOf(series) }),
    series,
  };
}

/**
 * The same scores against the number of generations a problem costs: 1 for a single sample, N for the majority, N·M for the
 * debate. Points above each other cost the same.
 */
export function accuracyByGenerations(results: RunResults, iteration: number): ChartData {
  const agents = results.config?.agents ?? 1;
  const rounds = results.config?.rounds ?? 1;
  const calls: Record<Measure, number> = { single: 1, majority: agents, debate: agents * rounds };
  const methods = results.iterations[iteration]?.methods ?? {};
  const series = (['base', 'single', 'society'] as const)
    .map((team): ChartSeries => ({
      id: team,
      label: TEAM_LABEL[team],
      ...methodStyle(team, team === 'base' ? 'single' : team === 'single' ? 'majority' : 'debate'),
      points: METHODS.filter((method) => method.team === team).flatMap(({ key, measure }) => {
        const score = methods[key];
        // With one round the debate is the majority.
        if (!score || (measure === 'debate' && rounds === 1)) return [];
        return [{ x: calls[measure], ...scorePoint(score, MEASURE_LABEL[measure]) }];
      }),
    }))
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

export const MEASURE_LABEL: Record<Measure, string> = { single: 'one sample', majority: 'majority', debate: 'debate' };

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

export interface PairedRow extends PairedComparison {
  method: MethodKey;
  label: string;
  iteration: number;
  /** Problems that the method, and the debate without finetuning, have right. */
  right: number;
  rightBase: number;
}

/**
 * Every method against the debate without finetuning, on the same problems with the same draws, after each iteration. Iteration 0
 * holds the base's own other ways of answering.
 */
export function pairedToBase(index: LogIndex): PairedRow[] {
  const evaluations = evaluationsOf(index);
  const base = evaluations.get('base 0');
  if (!base) return [];
  const rows: PairedRow[] = [];
  for (const evaluation of evaluations.values()) {
    for (const { key, label, team, measure } of METHODS) {
      if (team !== evaluation.team || key === 'debate') continue;
      const correct = evaluation[measure].correct;
      if (correct.length !== base.debate.correct.length) continue;
      const comparison = pairedComparison(correct, base.debate.correct);
      rows.push({
        method: key,
        label,
        iteration: evaluation.iteration,
        right: evaluation[measure].right,
        rightBase: base.debate.right,
        ...comparison,
      });
    }
  }
  return rows;
}

/** Society debate against single-agent debate after an iteration: equal calls; null while one is missing. */
export function societyAgainstSingle(index: LogIndex, iteration: number): PairedComparison | null {
  const evaluations = evaluationsOf(index);
  const society = evaluations.get(`society ${iteration}`);
  const single = evaluations.get(`single ${iteration}`);
  if (!society || !single) return null;
  return pairedComparison(society.debate.correct, single.debate.correct);
}

/** The debates' differences to the base debate over iterations, with 95 % intervals. */
export function differenceByIteration(index: LogIndex): ChartData {
  const rows = pairedToBase(index);
  const shown = METHODS.filter(({ key }) => key === 'societyDebate' || key === 'singleAgentDebate');
  return {
    title: 'Difference to the debate without finetuning',
    xLabel: 'iteration',
    yLabel: 'paired difference in accuracy',
    format: 'points',
    errors: '95 % interval',
    include: [0],
    reference: 0,
    integerX: true,
    series: shown
      .map(({ key, label, team, measure }): ChartSeries => ({
        id: key,
        label,
        ...methodStyle(team, measure),
        points: rows
          .filter(({ method }) => method === key)
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
  const iteration = lastEvaluated(index);
  const row = pairedToBase(index).find((one) => one.method === 'societyDebate' && one.iteration === iteration);
  if (!row) return null;
  const [low, high] = row.interval;
  const points = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value * 100).toFixed(1)}`;
  // With few problems the interval, which takes differences for normal, is too narrow: the exact test has to agree.
  const verdict =
    low > 0 && row.p < 0.05
      ? 'Chance alone seldom does that.'
      : high < 0 && row.p < 0.05
        ? 'Finetuning made it worse, by more than chance alone does.'
        : 'That may be chance: this run alone does not show a difference.';
  return (
    `After iteration ${iteration} the society's debate is right on ${row.right} of ${row.n} held-out problems, without finetuning on ` +
    `${row.rightBase}: ${points(row.difference)} points (95 % interval ${points(low)} to ${points(high)}, McNemar ${formatP(row.p)}). ${verdict}`
  );
}

function evaluationsOf(index: LogIndex): Map<string, EvaluationDone> {
  const evaluations = new Map<string, EvaluationDone>();
  for (const event of index.summary) {
    if (event.type === 'evaluation') evaluations.set(`${event.team} ${event.iteration}`, event);
  }
  return evaluations;
}
