import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { chartSummary, chartTable, describePoint } from '../../src/ui/charts/data';
import { niceDomain, integerTicks, thinned, ticks } from '../../src/ui/charts/scale';
import { formatValue } from '../../src/ui/charts/types';
import { finalDifference, pooledDifference, settingDifferences } from '../../src/ui/readings/compare';
import { datasetExamples, datasetView, toJsonl } from '../../src/ui/readings/datasets';
import {
  accuracyByAgent,
  diversityCharts,
  labelsByIteration,
  precisionByVotes,
} from '../../src/ui/readings/diagnostics';
import { indexLog } from '../../src/ui/readings/logIndex';
import { lossCurves } from '../../src/ui/readings/losses';
import { headline, headlines, leadByIteration } from '../../src/ui/readings/headline';
import { differenceByIteration, pairedToReference } from '../../src/ui/readings/paired';
import { accuracyByGenerations, accuracyByIteration } from '../../src/ui/readings/results';
import { fileName } from '../../src/share/exports/names';
import { toCsv, toRecords } from '../../src/share/exports/table';
import { LOGPROB_SCALE, MARGIN_SCALE, packNumbers } from '../../src/pack';
import { describeToken, numbersGiven, splitKnown, tokensOf, type Sampled } from '../../src/ui/readings/tokens';
import { dataset, debate, evaluation, problems, started, won } from './logs';

function evaluated(seed = 0): RunEvent[] {
  return [
    started({ agents: 2, rounds: 2, minimumVotes: 1, seed }),
    evaluation('base', 0, ['1000', '1000', '1100']),
    { type: 'iteration-started', iteration: 1 },
    {
      type: 'pseudo-labels',
      iteration: 1,
      learner: 'society',
      problems: 10,
      byVotes: [
        { votes: 0, problems: 0, right: 0 },
        { votes: 1, problems: 6, right: 2 },
        { votes: 2, problems: 4, right: 3 },
      ],
      accepted: 4,
      acceptedRight: 3,
    },
    step(1, 0, 0.5),
    step(1, 1, 0.25),
    evaluation('society', 1, ['1100', '1110', '1110']),
    evaluation('single', 1, ['1100', '1110', '1010']),
    { type: 'iteration-started', iteration: 2 },
    step(2, 0, 0.125),
  ];
}

function step(iteration: number, number: number, loss: number): RunEvent {
  const tracks = [{ adapter: 'generator-0', loss, gradNorm: 1, lr: 1e-3, tokens: 8 }];
  return { type: 'training-step', iteration, job: `finetune/${iteration}`, step: number, totalSteps: 2, tracks };
}

describe('results', () => {
  const index = indexLog(evaluated());

  it('draws every method with its interval, the base as a line across, and those that answer as the headline does first', () => {
    const { series } = accuracyByIteration(index);
    expect(series.length).toBe(9);
    const society = series.find(({ id }) => id === 'societyDebate');
    expect(society?.points.map(({ x, y, note }) => [x, y, note])).toEqual([
      [0, 0.5, '2 of 4'],
      [1, 0.75, '3 of 4'],
    ]);
    // Wilson, 3 of 4: (0.75 + z²/8 ± z·√(0.75·0.25/4 + z²/64)) / (1 + z²/4).
    expect(society?.points[1]?.low).toBeCloseTo(0.3006, 4);
    expect(society?.points[1]?.high).toBeCloseTo(0.9544, 4);
    const debate = series.find(({ id }) => id === 'debate');
    expect([debate?.baseline, debate?.points.map(({ x, y }) => [x, y])]).toEqual([true, [[0, 0.5]]]);
    expect(series.filter(({ further }) => !further).map(({ id }) => id)).toEqual([
      'debate',
      'singleAgentDebate',
      'societyDebate',
    ]);
  });

  it('leaves a gap where an iteration was not tested', () => {
    const log = [
      ...evaluated().slice(0, 2),
      ...[1, 2].map((iteration): RunEvent => ({ type: 'iteration-started', iteration })),
      evaluation('society', 2, ['1100', '1110', '1110']),
    ];
    const society = accuracyByIteration(indexLog(log)).series.find(({ id }) => id === 'societyDebate');
    expect(society?.points.map(({ x, start = false }) => [x, start])).toEqual([
      [0, false],
      [2, true],
    ]);
  });

  it('says how to read the curves that there are', () => {
    const { reading } = accuracyByIteration(index);
    expect(reading).toContain('nobody (grey), one model (orange), the society (blue)');
    expect(accuracyByIteration(indexLog([started()])).reading).toBeUndefined();
  });

  it('puts equal calls above each other', () => {
    const { series } = accuracyByGenerations(index, 1);
    expect(series.map(({ id, points }) => [id, points.map(({ x, y }) => [x, y])])).toEqual([
      ['base', [[1, 0.25], [2, 0.25], [4, 0.5]]],
      ['single', [[1, 0.5], [2, 0.75], [4, 0.5]]],
      ['society', [[1, 0.5], [2, 0.75], [4, 0.75]]],
    ]); // prettier-ignore
  });

  it('pairs every method with the base debate', () => {
    const rows = pairedToReference(index);
    const row = rows.find(({ method }) => method === 'societyDebate');
    // Only the third problem differs.
    expect(row).toMatchObject({ onlyFirst: 1, onlySecond: 0, difference: 0.25, p: 1 });
    expect(rows.filter(({ iteration }) => iteration === 0).map(({ method }) => method)).toEqual(['single', 'majority']);
    expect(leadByIteration(index)?.series).toMatchObject([
      { label: 'against single-agent finetuning', points: [{ x: 1, y: 0.25, note: 'p = 1.000' }] },
    ]);
    expect(differenceByIteration(index).series.map(({ id }) => id)).toEqual(['singleAgentDebate', 'societyDebate']);
  });

  it('does not claim more than the interval allows', () => {
    // First the claim, society against single-agent finetuning; then against the untouched model.
    const [claim, gain] = headlines(index);
    expect(claim).toContain(
      "the society's debate is right on 3 of 4 held-out problems, single-agent finetuning on 2 at equal calls: +25.0 points",
    );
    expect(claim).toContain('does not show a difference');
    expect(gain).toContain('Without finetuning 2 of 4 were right: +25.0 points');
    // Four of four turned: by lot that happens once in eight times.
    const alike = (correct: string): [string, string, string] => [correct, correct, correct];
    const few = (rescued: number) =>
      indexLog([
        started(),
        evaluation('base', 0, alike('0'.repeat(rescued) + '1'.repeat(20))),
        evaluation('society', 1, alike('1'.repeat(rescued + 20))),
      ]);
    expect(pairedToReference(few(4)).find(({ method }) => method === 'societyDebate')?.interval[0]).toBeLessThan(0);
    expect(headline(few(4))).toContain('p = 0.125');
    expect(headline(few(4))).toContain('does not show a difference');
    expect(headline(few(12))).toContain('Chance alone seldom does that');
    expect(headline(indexLog([started()]))).toBeNull();
  });
});

describe('diagnostics', () => {
  const index = indexLog(evaluated());

  it('shows each agent in each round', () => {
    const [first, second] = accuracyByAgent(index, 'society');
    expect(first?.series.map(({ points }) => points.map(({ y }) => y))).toEqual([
      [0.25, 0.25],
      [0.75, 0.75],
    ]);
    expect(second?.series[1]?.points[0]?.note).toBe('4 of 4 right');
    expect(first?.series[1]?.points[0]?.note).toBe('3 of 4 right, 1 unreadable');
  });

  it('lays the iterations of training one after the other', () => {
    const { series, marks } = lossCurves(index);
    expect(series[0]?.points).toEqual([
      { x: 0, y: 0.5, start: true },
      { x: 1, y: 0.25 },
      { x: 2, y: 0.125, start: true },
    ]);
    expect(marks).toEqual([
      { x: 0, label: 'iteration 1' },
      { x: 2, label: 'iteration 2' },
    ]);
  });

  it('shows coverage and precision, and precision by votes', () => {
    const { series } = labelsByIteration(index);
    expect(series.map(({ id, points }) => [id, points[0]?.y])).toEqual([
      ['society-precision', 0.75],
      ['society-coverage', 0.4],
    ]);
    const [society] = precisionByVotes(index, 1).series;
    expect(society?.points.map(({ x, y }) => [x, y])).toEqual([
      [1, 1 / 3],
      [2, 3 / 4],
    ]);
  });

  it('shows diversity from the base on', () => {
    const charts = diversityCharts(index);
    expect(charts.map(({ title }) => title)).toEqual([
      'Consensus in round 1',
      'Consensus in round 2',
      'Distinct answers in round 1',
      'Distinct texts in round 1',
    ]);
    expect(charts[1]?.series[0]?.points.map(({ x, y }) => [x, y])).toEqual([
      [0, 0.75],
      [1, 0.75],
    ]);
  });
});

describe('datasets', () => {
  function trained(): RunEvent[] {
    const vote = [won('5', 2), won('5', 2)];
    const held = (problem: number, iteration: number, answers: string[][]) =>
      debate({ problem, iteration, answers, votes: vote });
    const set = (iteration: number, ...ids: number[]): RunEvent =>
      dataset(2, {
        iteration,
        adapter: 'critic-0',
        entries: ids.map((problem) => ({ problem, kind: 'C+', agent: 0, round: 2 })),
        available: { 'C-': 0, 'C+': ids.length },
        dropped: [{ reason: 'answer differs from the label', count: 1 }],
      });
    return [
      started({ agents: 2, minimumVotes: 1 }),
      problems({ 1: '5', 2: '5', 3: '5', 4: '5' }),
      held(1, 1, [['5', '4'], ['5', '5']]),
      held(2, 1, [['5', '4'], ['5', '5']]),
      held(3, 1, [['5', '4'], ['5', '5']]),
      set(1, 1, 2, 3),
      held(1, 2, [['5', '4'], ['5', '5']]),
      held(2, 2, [['5', '6'], ['5', '5']]),
      held(4, 2, [['5', '4'], ['5', '5']]),
      set(2, 1, 2, 4),
    ]; // prettier-ignore
  }

  it('rebuilds prompts and completions and compares with the iteration before', () => {
    const index = indexLog(trained());
    const first = datasetView(index, 'critic-0', 1);
    expect(first?.compared).toBe(false);
    expect(first?.rows[0]).toMatchObject({ prompt: 'q1@5~4', completion: '?#5', change: 'added' });
    const second = datasetView(index, 'critic-0', 2);
    // 1 is the same, 2 was asked with another summary, 4 is new, 3 is gone.
    expect(second?.rows.map(({ problem, change }) => [problem.id, change])).toEqual([
      [1, 'kept'],
      [2, 'changed'],
      [4, 'added'],
      [3, 'removed'],
    ]);
    expect(second?.counts).toEqual({ added: 1, removed: 1, kept: 1, changed: 1 });
    expect(datasetView(index, 'critic-1', 1)).toBeNull();
  });

  it('writes what the train command reads', () => {
    const examples = datasetExamples(indexLog(trained()), 'critic-0', 2) ?? [];
    const lines = toJsonl(examples).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { prompt: 'q1@5~4', completion: '?#5' },
      { prompt: 'q2@5~6', completion: '?#5' },
      { prompt: 'q4@5~4', completion: '?#5' },
    ]);
    expect(toJsonl([])).toBe('');
  });
});

describe('compare', () => {
  const run = (seed: number, id: string) => {
    const events = evaluated(seed);
    const config = events[0]?.type === 'run-started' ? events[0].config : null;
    return { record: { id, name: id, config: config!, status: 'finished' as const }, events };
  };

  it('names only the settings that differ', () => {
    const a = run(1, 'a').record.config;
    const b = { ...a, seed: 2, finetune: { ...a.finetune, lr: 1e-4, clip: null } };
    expect(settingDifferences([a, b])).toEqual([
      { key: 'seed', values: ['1', '2'] },
      { key: 'finetune.lr', values: ['0.003', '0.0001'] },
      { key: 'finetune.clip', values: ['1', 'none'] },
    ]);
    expect(settingDifferences([a])).toEqual([]);
  });

  it('pools runs that differ in the seed only', () => {
    expect(pooledDifference([run(1, 'a'), run(2, 'b')], 'societyDebate')).toMatchObject({ n: 8, onlyFirst: 2 });
    expect(pooledDifference([run(1, 'a'), run(1, 'b')], 'societyDebate')).toBeNull();
    expect(pooledDifference([run(1, 'a')], 'societyDebate')).toBeNull();
    expect(finalDifference(indexLog(run(1, 'a').events), 'societyDebate')?.difference).toBe(0.25);
  });
});

describe('tokens', () => {
  const sampled = (text: string, logprobs: number[], margins: number[], end = 1): Sampled => ({
    text,
    finish: end === 1 ? 'stop' : 'length',
    tokens: logprobs.length,
    logprobs: packNumbers(logprobs, LOGPROB_SCALE),
    margins: packNumbers(margins, MARGIN_SCALE),
  });

  it('shows tokens in the text where every token is one character', () => {
    const tokens = tokensOf(sampled('?#4', [Math.log(0.5), 0, 0, 0], [0.1, 9, 9, 9]));
    expect(tokens.map(({ text, end }) => [text, end])).toEqual([
      ['?', false],
      ['#', false],
      ['4', false],
      [null, true],
    ]);
    expect(splitKnown(tokens)).toBe(true);
    expect(describeToken(tokens[0]!)).toBe('“?”: probability 50 %, margin 0.10, near-tie');
    expect(describeToken(tokens[3]!)).toBe('end of the response: probability 100 %, margin 9.00');
  });

  it('does not guess the split of longer tokens', () => {
    const tokens = tokensOf(sampled('hello', [-1, -2], [1, 1]));
    expect(splitKnown(tokens)).toBe(false);
    expect(tokens.map(({ text }) => text)).toEqual([null, null]);
    const cut = tokensOf(sampled('abc', [0, 0, 0], [3, 3, 3], 0));
    expect(cut.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  it('does not make up numbers that a runtime did not give', () => {
    const tokens = tokensOf({ text: '4', finish: 'stop', tokens: 2 });
    expect(numbersGiven(tokens)).toBe(false);
    expect(tokens.map(({ probability, margin, nearTie }) => [probability, margin, nearTie])).toEqual([
      [null, null, false],
      [null, null, false],
    ]);
    expect(describeToken(tokens[0]!)).toBe('“4”: probability not given, margin not given');
  });
});

describe('tables and charts', () => {
  it('writes CSV that no spreadsheet runs', () => {
    const table = {
      columns: ['a', 'b'],
      rows: [
        ['=1+1', -2],
        ['say "x", y', Number.NaN],
        [null, 0.5],
      ],
    };
    expect(toCsv(table)).toBe('a,b\r\n\'=1+1,-2\r\n"say ""x"", y",\r\n,0.5\r\n');
    expect(toRecords(table)[1]).toEqual({ a: 'say "x", y', b: null });
    expect(fileName('Accuracy by iteration: 100 %!', 'csv')).toBe('accuracy-by-iteration-100.csv');
  });

  it('chooses round ticks and domains', () => {
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(integerTicks(0, 5, 6)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(integerTicks(0, 100, 5)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(
      niceDomain([
        { x: 0, y: 0.31 },
        { x: 1, y: 0.58, low: 0.5, high: 0.66 },
      ]),
    ).toEqual([0.3, 0.7]);
    expect(niceDomain([])).toEqual([0, 1]);
    // Values that differ by their last bit: counting up in such steps never arrives.
    expect(ticks(0.3, 0.30000000000000004, 5).length).toBeLessThan(20);
    expect(integerTicks(2 ** 53 - 1, 2 ** 53 + 1, 5).length).toBeLessThan(20);
    const near = [0.3, 0.1 + 0.2].map((y, x) => ({ x, y }));
    expect(niceDomain(near).map((value) => Number(value.toFixed(6)))).toEqual([0.27, 0.33]);
    // Shares end at 0 and 1, also when all are the same.
    const none = { x: 0, y: 0 };
    expect(niceDomain([none], [], [0, 1])).toEqual([0, 0.1]);
    expect(niceDomain([{ x: 0, y: 1 }], [], [0, 1])).toEqual([0.9, 1]);
    expect(niceDomain([none])).toEqual([-0.1, 0.1]);
  });

  it('keeps spikes when it thins a curve', () => {
    const points = Array.from({ length: 1000 }, (_, x) => ({ x, y: x === 555 ? 100 : 0 }));
    const kept = thinned(points, 50);
    expect(kept.length).toBeLessThanOrEqual(100);
    expect(kept.some(({ y }) => y === 100)).toBe(true);
  });

  it('says charts in words', () => {
    const chart = differenceByIteration(indexLog(evaluated()));
    expect(chartSummary(chart)).toContain('Society finetuning, debate: +25.0 points.');
    expect(describePoint(chart, chart.series[1]!, 0)).toMatch(/iteration 1: \+25\.0 points, −.* p = 1\.000/);
    expect(chartTable(chart).rows[1]?.slice(0, 3)).toEqual(['Society finetuning, debate', 1, 0.25]);
    expect(formatValue(0.4567, 'percent')).toBe('45.7 %');
    expect(formatValue(-0.01, 'points')).toBe('−1.0 points');
    expect(formatValue(Number.NaN, 'number')).toBe('–');
  });
});
