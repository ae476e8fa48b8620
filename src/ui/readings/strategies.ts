/** Charts of strategies by iteration, for tasks whose responses show one: collapse and specialisation as they happen. */
import { baseLearnerOf } from '../../log/results';
import { countStrategies, sumStrategies, type StrategyCount } from '../../society/strategies';
import { agentLook } from '../agents';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartSeries } from '../charts/types';
import { learnerLook, trainedLearners, wayOf } from '../looks';
import { groupKey, type DebateGroup, type LogIndex } from './logIndex';
import { methodStyle } from './results';
import { SHARE_BARS, sharePoint } from './share';

/**
 * For each strategy the share of each agent's first answers on held-out problems that show it. Iteration 0 is the start: the untouched
 * model, or agents that start apart. Empty for tasks whose responses show none.
 */
export function strategyShares(index: LogIndex, learner: string): ChartData[] {
  const tests = testsOf(index, learner);
  const { label } = learnerLook(index.cast, learner);
  return (index.task?.strategies?.names ?? []).map(({ key, label: strategy }) => ({
    title: `${label}: answers by ${strategy}`,
    xLabel: 'iteration',
    yLabel: 'share of the agent’s answers',
    format: 'percent' as const,
    errors: SHARE_BARS,
    integerX: true,
    include: [0, 1],
    series: Array.from({ length: Math.max(0, ...tests.map(({ counts }) => counts.length)) }, (_, n): ChartSeries => ({
      id: `agent-${n}`,
      label: `Agent ${agentLook(n).letter}`,
      ...styleAt(n),
      points: tests.flatMap(({ iteration, counts }) => {
        const { answers = 0, shown = {} } = counts[n] ?? {};
        return answers === 0 ? [] : [{ x: iteration, ...sharePoint(shown[key] ?? 0, answers) }];
      }),
    })).filter(({ points }) => points.length > 0),
  }));
}

/** Of all agents' first answers on held-out problems, the share of each strategy; null for tasks whose responses show none. */
export function strategyMix(index: LogIndex, learner: string): ChartData | null {
  const names = index.task?.strategies?.names ?? [];
  if (names.length === 0) return null;
  const tests = testsOf(index, learner).map(({ iteration, counts }) => ({ iteration, ...sumStrategies(counts) }));
  return {
    title: 'Share of each strategy',
    xLabel: 'iteration',
    yLabel: 'share of all first answers',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    include: [0, 1],
    series: names.map(({ key, label }, n): ChartSeries => ({
      id: key,
      label,
      ...styleAt(n),
      points: tests.flatMap(({ iteration, answers, shown }) =>
        answers === 0 ? [] : [{ x: iteration, ...sharePoint(shown[key] ?? 0, answers) }],
      ),
    })),
  };
}

/** Of the held-out first answers whose strategy goes wrong on the problem, the share that is right; null for other tasks. */
export function repairByIteration(index: LogIndex): ChartData | null {
  if (!index.task?.strategies) return null;
  return {
    title: 'Repair: right answers inside one’s own gap',
    xLabel: 'iteration',
    yLabel: 'share that is right',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    include: [0, 1],
    series: trainedLearners(index.cast)
      .map(({ key, label, color }): ChartSeries => ({
        id: key,
        label,
        ...methodStyle({ ...wayOf('debate'), color }),
        points: testsOf(index, key).flatMap(({ iteration, counts }) => {
          const { inside, repaired } = sumStrategies(counts);
          return inside === 0 ? [] : [{ x: iteration, ...sharePoint(repaired, inside) }];
        }),
      }))
      .filter(({ points }) => points.length > 0),
  };
}

interface Test {
  iteration: number;
  counts: StrategyCount[];
}

/** Counts of groups that are whole or grow: a group counts anew when it has more episodes. */
const known = new WeakMap<DebateGroup, { rows: number; counts: StrategyCount[] }>();

/** Held-out answers of a learner by iteration, with the base's as iteration 0 where it has none of its own. */
function testsOf(index: LogIndex, learner: string): Test[] {
  const strategies = index.task?.strategies;
  if (!strategies) return [];
  const groups = [...index.groups.values()].filter(({ purpose }) => purpose === 'evaluation');
  const own = groups.filter((group) => group.learner === learner);
  const base = index.groups.get(groupKey('evaluation', baseLearnerOf(index.cast), 0));
  const all = base && !own.some(({ iteration }) => iteration === 0) ? [base, ...own] : own;
  return all.map((group) => {
    let found = known.get(group);
    if (found?.rows !== group.rows.length) {
      const episodes = group.rows.map(({ debate }) => debate.episode);
      const counts = countStrategies(strategies, (id) => index.problems.get(id), episodes);
      found = { rows: group.rows.length, counts };
      known.set(group, found);
    }
    return { iteration: group.iteration, counts: found.counts };
  });
}
