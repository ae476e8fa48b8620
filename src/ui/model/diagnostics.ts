/** Charts of what lies behind the accuracies: single agents, losses, pseudo-labels, diversity. */
import type { EvaluationDone, Team } from '../../events';
import { binomialStandardError, wilsonInterval } from '../../society/statistics';
import { adapterLook, agentLook } from '../agents';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartPoint, type ChartSeries } from '../charts/types';
import type { LogIndex } from './logIndex';
import { methodStyle, runResults, TEAM_LABEL } from './results';

const FINETUNED = ['society', 'single'] as const;

/** Accuracy of every slot by iteration, one chart a round (index m = round m + 1). Iteration 0 is the base. */
export function accuracyByAgent(index: LogIndex, team: Exclude<Team, 'base'>): ChartData[] {
  const evaluations = evaluationsFor(index, team);
  const rounds = evaluations[0]?.perAgent.length ?? 0;
  return Array.from({ length: rounds }, (_, m) => ({
    title: `${TEAM_LABEL[team]}: accuracy of each agent in round ${m + 1}`,
    xLabel: 'iteration',
    yLabel: 'accuracy',
    format: 'percent',
    errors: '± standard error',
    integerX: true,
    series: (evaluations[0]?.perAgent[m] ?? []).map((_slot, n): ChartSeries => ({
      id: `agent-${n}`,
      label: `Agent ${agentLook(n).letter}`,
      ...styleAt(n),
      points: evaluations.flatMap(({ iteration, perAgent, single }) => {
        const slot = perAgent[m]?.[n];
        if (!slot) return [];
        const error = binomialStandardError(slot.right, single.n);
        const y = slot.right / single.n;
        const unreadable = slot.unreadable > 0 ? `, ${slot.unreadable} unreadable` : '';
        return [
          { x: iteration, y, low: y - error, high: y + error, note: `${slot.right} of ${single.n} right${unreadable}` },
        ];
      }),
    })),
  }));
}

/** Training loss of every adapter, the iterations one after the other on one axis of optimiser steps. */
export function lossCurves(index: LogIndex): ChartData {
  const series = new Map<string, ChartSeries>();
  const marks: { x: number; label: string }[] = [];
  let offset = 0;
  let iteration = 0;
  let longest = 0;
  for (const event of index.summary) {
    if (event.type !== 'training-step') continue;
    if (event.iteration !== iteration) {
      offset += longest;
      longest = 0;
      iteration = event.iteration;
      marks.push({ x: offset, label: `iteration ${iteration}` });
    }
    longest = Math.max(longest, event.step + 1);
    for (const { adapter, loss } of event.tracks) {
      let own = series.get(adapter);
      if (!own) {
        const { label, color, dash } = adapterLook(adapter);
        const slot = Number(adapter.split('-')[1] ?? Number.NaN);
        const marker = Number.isNaN(slot) ? 'hexagon' : agentLook(slot).shape;
        own = { id: adapter, label, colour: color, dash, marker, points: [] };
        series.set(adapter, own);
      }
      // Tracks have different lengths: a line over the rest of an iteration would show losses that never were.
      own.points.push({ x: offset + event.step, y: loss, ...(event.step === 0 ? { start: true } : {}) });
    }
  }
  return {
    title: 'Loss while training',
    xLabel: 'optimiser step',
    yLabel: 'loss, nats per token',
    reading: 'How badly an adapter foretells the answers that it learns from; a falling curve is learning.',
    format: 'number',
    include: [0],
    integerX: true,
    marks,
    series: [...series.values()],
  };
}

/** Share of training problems whose vote was accepted as a label, and how many of those labels were right. */
export function labelsByIteration(index: LogIndex): ChartData {
  const points: Record<string, ChartPoint[]> = {};
  for (const event of index.summary) {
    if (event.type !== 'pseudo-labels' || event.problems === 0) continue;
    const { iteration: x, team, accepted, acceptedRight, problems } = event;
    (points[`${team} coverage`] ??= []).push({ x, y: accepted / problems, note: `${accepted} of ${problems}` });
    if (accepted > 0) (points[`${team} precision`] ??= []).push({ x, ...share(acceptedRight, accepted) });
  }
  return {
    title: 'Pseudo-labels: coverage and precision',
    xLabel: 'iteration',
    yLabel: 'share',
    format: 'percent',
    errors: '± standard error',
    integerX: true,
    include: [0, 1],
    series: FINETUNED.flatMap((team) => [
      {
        id: `${team}-precision`,
        label: `Precision, ${teamName(team)}`,
        ...methodStyle(team, 'debate'),
        points: points[`${team} precision`] ?? [],
      },
      {
        id: `${team}-coverage`,
        label: `Coverage, ${teamName(team)}`,
        ...methodStyle(team, 'majority'),
        points: points[`${team} coverage`] ?? [],
      },
    ]).filter((one) => one.points.length > 0),
  };
}

/** Precision of the vote as a label by the number of agreeing agents, in one iteration; 95 % Wilson intervals. */
export function precisionByVotes(index: LogIndex, iteration: number): ChartData {
  const series = FINETUNED.flatMap((team): ChartSeries[] => {
    const labels = index.summary.find(
      (event) => event.type === 'pseudo-labels' && event.iteration === iteration && event.team === team,
    );
    if (labels?.type !== 'pseudo-labels') return [];
    const points = labels.byVotes
      .filter(({ problems }) => problems > 0)
      .map(({ votes, problems, right }): ChartPoint => {
        const [low, high] = wilsonInterval(right, problems);
        return { x: votes, y: right / problems, low, high, note: `${right} of ${problems} labels right` };
      });
    return [{ id: team, label: TEAM_LABEL[team], ...methodStyle(team, 'debate'), points }];
  });
  return {
    title: `Precision by number of agreeing agents, iteration ${iteration}`,
    xLabel: 'agreeing agents',
    yLabel: 'labels that are right',
    format: 'percent',
    errors: '95 % Wilson interval',
    integerX: true,
    include: [0, 1],
    series,
  };
}

/** Consensus, distinct answers and distinct texts on the held-out problems; iteration 0 is the base. */
export function diversityCharts(index: LogIndex): ChartData[] {
  const common = { xLabel: 'iteration', integerX: true } as const;
  const chart = (value: (evaluation: EvaluationDone) => number | undefined): ChartSeries[] =>
    FINETUNED.map((team): ChartSeries => ({
      id: team,
      label: TEAM_LABEL[team],
      ...methodStyle(team, 'debate'),
      points: evaluationsFor(index, team).flatMap((evaluation) => {
        const y = value(evaluation);
        return y === undefined ? [] : [{ x: evaluation.iteration, y }];
      }),
    })).filter(({ id, points }) => points.length > 1 || (id === 'society' && points.length === 1));
  const rounds = index.started?.config.rounds ?? 1;
  const charts: ChartData[] = [
    {
      ...common,
      title: 'Consensus in round 1',
      yLabel: 'agents in the majority',
      format: 'percent',
      series: chart(({ consensus }) => consensus[0]),
    },
    {
      ...common,
      title: 'Distinct answers in round 1',
      yLabel: 'distinct answers',
      format: 'number',
      series: chart(({ distinctAnswers }) => distinctAnswers[0]),
    },
    {
      ...common,
      title: 'Distinct texts in round 1',
      yLabel: 'distinct texts',
      format: 'number',
      series: chart(({ distinctTexts }) => distinctTexts),
    },
  ];
  if (rounds > 1) {
    charts.splice(1, 0, {
      ...common,
      title: `Consensus in round ${rounds}`,
      yLabel: 'agents in the majority',
      format: 'percent',
      series: chart(({ consensus }) => consensus.at(-1)),
    });
  }
  return charts;
}

function share(right: number, n: number): Omit<ChartPoint, 'x'> {
  const y = right / n;
  const error = binomialStandardError(right, n);
  return { y, low: y - error, high: y + error, note: `${right} of ${n}` };
}

function teamName(team: Exclude<Team, 'base'>): string {
  return team === 'society' ? 'society' : 'single agent';
}

/** Evaluations of a team by iteration, with the base's as iteration 0: a fresh adapter answers as the base does. */
function evaluationsFor(index: LogIndex, team: Exclude<Team, 'base'>): EvaluationDone[] {
  if (team === 'single' && runResults(index).config?.singleAgentBaseline === false) return [];
  return index.summary.filter(
    (event): event is EvaluationDone => event.type === 'evaluation' && (event.team === team || event.team === 'base'),
  );
}
