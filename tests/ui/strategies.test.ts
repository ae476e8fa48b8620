import { describe, expect, it } from 'vitest';
import type { Episode, EvaluationDone, RunEvent } from '../../src/events';
import { resolveConfig } from '../../src/recipes/resolve';
import { strategies, sumOf } from '../../src/tasks/strategies';
import { accuracyByAgent } from '../../src/ui/readings/diagnostics';
import { evaluationOf } from '../../src/ui/readings/evaluations';
import { indexLog } from '../../src/ui/readings/logIndex';
import { pairedAt } from '../../src/ui/readings/paired';
import { repairByIteration, strategyShares } from '../../src/ui/readings/strategies';
import { heldBy } from '../society/handmade';
import { evaluation, started } from './logs';

const PROBLEM = sumOf(47, 28); // in the gap of T

function tested(learner: string, iteration: number, ...texts: string[]): Episode {
  const group = { purpose: 'evaluation', learner, iteration } as const;
  const held = heldBy(
    group,
    PROBLEM.id,
    texts.map((text) => strategies.extractAnswer(text)),
  );
  const turns = held.turns.map((turn, at) => ({
    ...turn,
    text: texts[at] as string,
    right: turn.answer === PROBLEM.gold,
  }));
  return { ...held, turns };
}

const log = (preset: string, ...events: RunEvent[]) => {
  const first = started();
  const config = resolveConfig(preset, {});
  return indexLog([
    { ...first, config, task: { id: config.task, revision: 1 } },
    { type: 'problems', split: 'evaluation', iteration: 0, problems: [PROBLEM] },
    ...events,
  ]);
};
const base = tested('base', 0, 'T60,5#65', 'T60,5#65', 'R77-2#75');
const start = tested('society', 0, 'T60,5#65', 'R77-2#75', 'B50+25#75');
const later = tested('society', 1, 'T60,15#75', 'T60,5#65', 'B50+25#75');
const points = (chart?: { series: { id: string; points: { x: number; y: number }[] }[] } | null) =>
  Object.fromEntries((chart?.series ?? []).map(({ id, points }) => [id, points.map(({ x, y }) => [x, y])]));

describe('strategies of a run', () => {
  it('draws each agent’s share of each strategy, beginning with the untouched model', () => {
    const charts = strategyShares(log('strategies-tiny', base, later), 'society');
    expect(charts.map(({ title }) => title.split(': ')[1])).toEqual([
      'answers by tens and units',
      'answers by round and adjust',
      'answers by bridge to ten',
    ]);
    expect(points(charts[0])).toEqual({
      'agent-0': [
        [0, 1],
        [1, 1],
      ],
      'agent-1': [
        [0, 1],
        [1, 1],
      ],
      'agent-2': [
        [0, 0],
        [1, 0],
      ],
    });
    expect(points(charts[2])['agent-2']).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  it('begins with the agents themselves where they start apart', () => {
    const index = log('strategies-apart-tiny', base, start, later);
    expect(points(strategyShares(index, 'society')[1])).toEqual({
      'agent-0': [
        [0, 0],
        [1, 0],
      ],
      'agent-1': [
        [0, 1],
        [1, 0],
      ],
      'agent-2': [
        [0, 0],
        [1, 0],
      ],
    });
    // Inside the gap of T: one wrong at the start, one of two right later.
    expect(points(repairByIteration(index))['society']).toEqual([
      [0, 0],
      [1, 0.5],
    ]);
  });

  it('has nothing to draw for other tasks', () => {
    const index = log('arithmetic-tiny', base);
    expect(strategyShares(index, 'society')).toEqual([]);
    expect(repairByIteration(index)).toBeNull();
  });

  it('gives a method one row in the table of differences, also where it was tested before anybody learnt', () => {
    const tests = [
      evaluation('base', 0, ['1000', '1000', '1000']),
      evaluation('society', 0, ['1110', '1110', '1110']),
      evaluation('society', 1, ['1111', '1110', '1110']),
    ];
    const index = log('strategies-apart-tiny', ...tests);
    for (const iteration of [0, 1]) {
      const methods = pairedAt(index, iteration).map(({ method }) => method);
      expect(methods.filter((method) => method.startsWith('society')).length, `${iteration}`).toBeGreaterThan(1);
      expect(new Set(methods).size, `${iteration}`).toBe(methods.length);
    }
  });

  it('takes what agents that start apart were before the first iteration as theirs, and not the base’s', () => {
    const apart = [evaluation('base', 0, ['1000', '1000', '1000']), evaluation('society', 0, ['1110', '1110', '1110'])];
    const alike = apart.slice(0, 1);
    const right = (...events: EvaluationDone[]) => {
      const index = log('strategies-tiny', ...events);
      const method = index.cast.methods.find(({ key }) => key === 'societySingle');
      return method && evaluationOf(index, method, 0)?.right;
    };
    expect([right(...alike), right(...apart)]).toEqual([1, 3]);
    const [chart] = accuracyByAgent(log('strategies-apart-tiny', ...apart), 'society');
    expect(chart?.series.map(({ points: own }) => own.map(({ x }) => x))).toEqual([[0], [0]]);
  });
});
