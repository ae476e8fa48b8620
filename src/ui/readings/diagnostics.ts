/** Charts of what lies behind the accuracies: single agents, pseudo-labels, diversity. */
import type { EvaluationDone, LayerScore } from '../../events';
import { baseLearnerOf } from '../../log/results';
import { agentLook } from '../agents';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartPoint, type ChartSeries } from '../charts/types';
import { headlineLearner, learnerLook, learnerName, trainedLearners, wayOf } from '../looks';
import { evaluationsOf } from './evaluations';
import { groupKey, type LogIndex } from './logIndex';
import { methodStyle } from './results';
import { SHARE_BARS, sharePoint } from './share';

/** Accuracy of every seat by iteration, one chart for each layer that the learner has (m = round m + 1). Iteration 0 is the base. */
export function accuracyByAgent(index: LogIndex, learner: string): ChartData[] {
  const evaluations = evaluationsFor(index, learner);
  const { label } = learnerLook(index.cast, learner);
  const seatsIn = (m: number) => Math.max(0, ...evaluations.map(({ layers }) => layers[m]?.seats.length ?? 0));
  return Array.from({ length: ownLayers(index, learner) }, (_, m) => ({
    title: `${label}: accuracy of each agent in round ${m + 1}`,
    xLabel: 'iteration',
    yLabel: 'accuracy',
    format: 'percent' as const,
    errors: SHARE_BARS,
    integerX: true,
    series: Array.from({ length: seatsIn(m) }, (_seat, n): ChartSeries => ({
      id: `agent-${n}`,
      label: `Agent ${agentLook(n).letter}`,
      ...styleAt(n),
      points: evaluations.flatMap((evaluation) => {
        const seat = evaluation.layers[m]?.seats[n];
        const answers = answersOfSeat(index, evaluation, m, n);
        if (!seat || answers === 0) return [];
        const unreadable = seat.unreadable > 0 ? `, ${seat.unreadable} unreadable` : '';
        const { note, ...point } = sharePoint(seat.right, answers);
        return [{ x: evaluation.iteration, ...point, note: `${note} right${unreadable}` }];
      }),
    })).filter(({ points }) => points.length > 0),
  }));
}

/** Nothing in the first answers can differ: there is one of each problem. */
function answersOnce({ layers: [first] }: EvaluationDone): boolean {
  return (first?.seats.length ?? 0) <= 1 && (first?.distinctAnswers ?? 1) <= 1 && (first?.distinctTexts ?? 1) <= 1;
}

/** How many answers a seat gave in a layer: one a problem, or as many as in the first episode, since all have one shape. */
function answersOfSeat(index: LogIndex, { learner, iteration, scores }: EvaluationDone, m: number, n: number): number {
  const problems = scores[0]?.n ?? 0;
  const first = index.groups.get(groupKey('evaluation', learner, iteration))?.rows[0];
  return problems * (first?.debate.responses[m]?.filter(({ seat }) => seat === n).length ?? 1);
}

/** Share of training problems whose vote was accepted as a label, and how many of those labels were right. */
export function labelsByIteration(index: LogIndex): ChartData {
  const points: Record<string, ChartPoint[]> = {};
  for (const event of index.summary) {
    if (event.type !== 'pseudo-labels' || event.problems === 0) continue;
    const { iteration: x, learner, accepted, acceptedRight, problems } = event;
    (points[`${learner} coverage`] ??= []).push({ x, ...sharePoint(accepted, problems) });
    if (accepted > 0) (points[`${learner} precision`] ??= []).push({ x, ...sharePoint(acceptedRight, accepted) });
  }
  return {
    title: 'Pseudo-labels: coverage and precision',
    xLabel: 'iteration',
    yLabel: 'share',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    include: [0, 1],
    series: trainedLearners(index.cast)
      .flatMap(({ key, color }) =>
        (['precision', 'coverage'] as const).map((what) => ({
          id: `${key}-${what}`,
          label: `${what === 'precision' ? 'Precision' : 'Coverage'}, ${learnerName(index.cast, key)}`,
          ...methodStyle({ ...wayOf(what === 'precision' ? 'debate' : 'majority'), color }),
          points: points[`${key} ${what}`] ?? [],
        })),
      )
      .filter((one) => one.points.length > 0),
  };
}

/** Precision of the vote as a label by the number of agreeing agents, in one iteration; 95 % Wilson intervals. */
export function precisionByVotes(index: LogIndex, iteration: number): ChartData {
  const series = trainedLearners(index.cast).flatMap((learner): ChartSeries[] => {
    const labels = index.summary.find(
      (event) => event.type === 'pseudo-labels' && event.iteration === iteration && event.learner === learner.key,
    );
    if (labels?.type !== 'pseudo-labels') return [];
    const points = labels.byVotes
      .filter(({ problems }) => problems > 0)
      .map(({ votes, problems, right }): ChartPoint => {
        const { note, ...point } = sharePoint(right, problems);
        return { x: votes, ...point, note: `${note} labels right` };
      });
    // Where one agent answers, nobody agrees with anybody.
    if (points.every(({ x }) => x === 1)) return [];
    return [{ id: learner.key, label: learner.label, ...solid(learner), points }];
  });
  return {
    title: `Precision by number of agreeing agents, iteration ${iteration}`,
    xLabel: 'agreeing agents',
    yLabel: 'labels that are right',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    include: [0, 1],
    series,
  };
}

/**
 * Consensus, distinct answers and distinct texts on the held-out problems; iteration 0 is the base. A measure that no evaluation has,
 * such as consensus where nobody votes, is left out, and so is a learner that answers once: it cannot differ from itself.
 */
export function diversityCharts(index: LogIndex): ChartData[] {
  const common = { xLabel: 'iteration', integerX: true } as const;
  const headline = headlineLearner(index.cast);
  const learners = trainedLearners(index.cast).filter(({ key }) => {
    const evaluations = evaluationsFor(index, key);
    return evaluations.length === 0 || !evaluations.every(answersOnce);
  });
  const last = layersOf(evaluationsOf(index)) - 1;
  const chart = (title: string, yLabel: string, value: (layers: LayerScore[]) => number | undefined): ChartData[] => {
    const evaluations = evaluationsOf(index);
    if (evaluations.length > 0 && evaluations.every(({ layers }) => value(layers) === undefined)) return [];
    const series = learners
      .map((learner): ChartSeries => ({
        id: learner.key,
        label: learner.label,
        ...solid(learner),
        points: evaluationsFor(index, learner.key).flatMap(({ iteration, layers }) => {
          const y = value(layers.slice(0, ownLayers(index, learner.key)));
          return y === undefined ? [] : [{ x: iteration, y }];
        }),
      }))
      .filter(({ id, points }) => points.length > 1 || (id === headline && points.length === 1));
    if (evaluations.length > 0 && series.length === 0) return [];
    return [{ ...common, title, yLabel, format: yLabel === MAJORITY ? 'percent' : 'number', series }];
  };
  return [
    ...chart('Consensus in round 1', MAJORITY, ([first]) => first?.consensus),
    ...(last > 0 ? chart(`Consensus in round ${last + 1}`, MAJORITY, (layers) => layers[last]?.consensus) : []),
    ...chart('Distinct answers in round 1', 'distinct answers', ([first]) => first?.distinctAnswers),
    ...chart('Distinct texts in round 1', 'distinct texts', ([first]) => first?.distinctTexts),
  ];
}

/** Axis of a consensus. */
const MAJORITY = 'agents in the majority';

/** A line of a learner that stands for no single method. */
function solid({ color }: { color: string }) {
  return methodStyle({ ...wayOf('debate'), color });
}

/** Evaluations of a learner by iteration, with the base's as iteration 0 where it has none: a fresh adapter answers as the base does. */
function evaluationsFor(index: LogIndex, learner: string): EvaluationDone[] {
  const base = baseLearnerOf(index.cast);
  const all = evaluationsOf(index);
  const own = all.filter((event) => event.learner === learner);
  return own.some(({ iteration }) => iteration === 0)
    ? own
    : all.filter((event) => event.learner === learner || event.learner === base);
}

/** Layers of a learner's own tests; before there are any, the base's. */
function ownLayers(index: LogIndex, learner: string): number {
  const own = evaluationsOf(index).filter((event) => event.learner === learner);
  return layersOf(own.length > 0 ? own : evaluationsFor(index, learner));
}

function layersOf(evaluations: readonly EvaluationDone[]): number {
  return Math.max(0, ...evaluations.map(({ layers }) => layers.length));
}
