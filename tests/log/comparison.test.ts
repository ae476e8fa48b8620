/** Comparisons of several recipes and seeds, on logs whose numbers can be counted by hand. */
import { describe, expect, it } from 'vitest';
import type { Episode, EvaluationDone, RunEvent, RunStarted } from '../../src/events';
import { comparisonOf, type ComparedLog } from '../../src/log/comparison';
import { comparisonCsv } from '../../src/share/comparisonOut';
import { comparisonMarkdown } from '../../tools/cli/comparisonReport';
import { comparisonSvg } from '../../tools/cli/comparisonPlot';
import { heldBy } from '../society/handmade';

type Started = Pick<RunStarted, 'agents' | 'learners' | 'methods' | 'compare'>;
const agent = (id: string, adapter: string | null) => ({ id, label: id, role: id, seat: null, adapter });
const CAST: Started = {
  agents: [agent('base', null), agent('g', 'g'), agent('m', 'm'), agent('d', 'd')],
  learners: [
    { key: 'base', label: 'Base', name: 'base', agents: [] },
    { key: 'society', label: 'Society', name: 'society', agents: ['g'] },
    { key: 'merged', label: 'Merged', name: 'merged', agents: ['m'] },
    { key: 'distilled', label: 'Distilled', name: 'distilled', agents: ['d'] },
  ],
  methods: [
    { key: 'single', label: 'Single', learner: 'base', answer: 'single', calls: 1 },
    { key: 'debate', label: 'Debate', learner: 'society', answer: 'debate', calls: 6 },
    { key: 'merged', label: 'Merged', learner: 'merged', answer: 'single', calls: 1 },
    { key: 'distilled', label: 'Distilled', learner: 'distilled', answer: 'single', calls: 1 },
  ],
  compare: [['debate', 'single']],
};

function evaluation(iteration: number, learner: string, method: string, correct: string): EvaluationDone {
  const right = correct.split('1').length - 1;
  const score = { method, calls: 1, turns: [0], right, unreadable: 0, n: correct.length, correct };
  return { type: 'evaluation', iteration, learner, scores: [score], layers: [] };
}

const step = (job: string, adapter: string, tokens: number): RunEvent => ({
  type: 'training-step',
  iteration: 1,
  job,
  step: 0,
  totalSteps: 1,
  tracks: [{ adapter, loss: 1, gradNorm: 1, lr: 1, tokens }],
});

const learnt = (adapter: string, learner: string, part?: string): RunEvent => ({
  type: 'dataset',
  iteration: 1,
  job: 'finetune/1',
  adapter,
  objective: { kind: 'sft' },
  from: { purpose: 'train', learner, iteration: 1, ...(part !== undefined && { part }) },
  examples: [],
  available: {},
  dropped: [],
});

/** A run: of the untouched model and the society in iterations 1 and 2, and of what is made of the society. */
function log(
  recipe: string,
  seed: number,
  base: string,
  society: [string, string],
  after: [string, string],
): ComparedLog {
  const problems = Array.from(base, (_, id) => ({ id, question: `${seed}+${id}`, gold: '0' }));
  const episode: Episode = heldBy({ purpose: 'train', learner: 'society', iteration: 1 }, 9, ['1', '2', '1']);
  const events: RunEvent[] = [
    { type: 'run-started', config: { preset: 'tiny' }, ...CAST } as unknown as RunEvent,
    { type: 'problems', split: 'evaluation', iteration: 0, problems },
    evaluation(0, 'base', 'single', base),
    episode,
    learnt('g', 'society'),
    step('finetune/1', 'g', 100),
    evaluation(1, 'society', 'debate', society[0]),
    evaluation(2, 'society', 'debate', society[1]),
    { type: 'adapter', iteration: 2, adapter: 'm', hash: '0', from: { merge: ['g'], rule: 'ties' } },
    evaluation(2, 'merged', 'merged', after[0]),
    // A debate that only the distilled model learns from.
    heldBy({ purpose: 'train', learner: 'society', iteration: 1, part: 'distil' }, 9, ['1', '1']),
    learnt('d', 'society', 'distil'),
    step('distil/2', 'd', 7),
    evaluation(2, 'distilled', 'distilled', after[1]),
  ];
  return { recipe, seed, events };
}

const LOGS = [
  log('one', 1, '1000', ['1100', '1110'], ['1000', '1111']),
  log('one', 2, '0000', ['1100', '1100'], ['0001', '1111']),
  log('two', 1, '1000', ['1111', '0000'], ['1000', '1111']),
  log('two', 2, '0000', ['1111', '0011'], ['0001', '1111']),
];

describe('comparisonOf', () => {
  const { methods, pairs } = comparisonOf(LOGS);
  const by = new Map(methods.map((method) => [method.key, method]));

  it('pools each method where it was tested last, and makes one row of what recipes have alike', () => {
    // The untouched, merged and distilled models are alike in both recipes; the societies are not.
    expect(methods.map(({ key }) => key)).toEqual([
      'base/single',
      'one/debate',
      'one/merged',
      'one/distilled',
      'two/debate',
    ]);
    expect(by.get('one/debate')).toMatchObject({ accuracy: 5 / 8, spread: { runs: 2, mean: 5 / 8 }, calls: 6 });
    expect(by.get('one/debate')?.spread.deviation).toBeCloseTo(0.25 / Math.SQRT2, 12);
    expect(by.get('one/debate')?.runs.map(({ iteration, correct }) => [iteration, correct])).toEqual([
      [2, '1110'],
      [2, '1100'],
    ]);
  });

  it('counts what weights are made of: own training, that of merged adapters, that of the learner whose turns were learnt', () => {
    const tokens = (key: string) => [by.get(key)?.trainedTokens, by.get(key)?.trainedGenerations];
    expect(tokens('base/single')).toEqual([0, 0]);
    expect(tokens('one/debate')).toEqual([100, 3]);
    expect(tokens('one/merged')).toEqual([100, 3]);
    expect(tokens('one/distilled')).toEqual([107, 5]);
  });

  it('pairs headlines and what recipes compare, problem by problem, seeds pooled and apart', () => {
    expect(pairs.map(({ first, second }) => `${first} ${second}`)).toEqual([
      'one/debate two/debate',
      'one/debate base/single',
      'two/debate base/single',
    ]);
    // Seed 1: 1110 against 0000, three alone; seed 2: 1100 against 0011, two and two.
    expect(pairs[0]).toMatchObject({ n: 8, onlyFirst: 5, onlySecond: 2, difference: 3 / 8, seeds: [1, 2] });
    expect(pairs[0]?.spread.mean).toBeCloseTo((3 / 4 + 0) / 2, 12);
    // 1110 against 1000 and 1100 against 0000: 4 to 0, p = 2/16; Holm over three pairs.
    expect(pairs[1]).toMatchObject({ onlyFirst: 4, onlySecond: 0, p: 0.125 });
    expect(pairs[1]?.adjusted).toBeCloseTo(0.375, 12);
  });

  it('compares nothing where the problems differ', () => {
    const other = log('two', 3, '1000', ['1111', '0000'], ['1000', '1111']);
    const alone = comparisonOf([LOGS[0]!, other]);
    expect(alone.pairs.map(({ first, second }) => `${first} ${second}`)).toEqual([
      'one/debate base/single',
      'two/debate two/single',
    ]);
  });

  it('has one untouched model over the seeds of all recipes where none contradicts', () => {
    const third = log('two', 3, '1111', ['1111', '1111'], ['1000', '1111']);
    const [base, ...others] = comparisonOf([LOGS[0]!, LOGS[2]!, third]).methods.filter(({ key }) =>
      key.endsWith('/single'),
    );
    expect(others).toEqual([]);
    // Seed 1 from both, 1 of 4; seed 3 from the second alone, 4 of 4.
    expect(base?.runs.map(({ seed, right }) => [seed, right])).toEqual([
      [1, 1],
      [3, 4],
    ]);
    expect(base?.accuracy).toBe(5 / 8);
  });

  it('keeps untouched models apart that contradict each other, each with a key of its own', () => {
    // The same seed and problems, and another model: 1100 where the first has 1000.
    const other = log('two', 1, '1100', ['1111', '0000'], ['1000', '1111']);
    const { methods: rows, pairs: found, learners } = comparisonOf([LOGS[0]!, other]);
    const keys = rows.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(
      rows.filter(({ label }) => label === 'Single').map(({ key, recipe, runs }) => [key, recipe, runs[0]?.right]),
    ).toEqual([
      ['base/single', 'base', 1],
      ['two/single', 'two', 2],
    ]);
    expect(found.map(({ first, second }) => `${first} ${second}`)).toEqual([
      'one/debate two/debate',
      'one/debate base/single',
      'two/debate two/single',
    ]);
    expect(learners.map(({ key }) => key)).toEqual(expect.arrayContaining(['base', 'two/base']));
  });

  it('is written as a table, raw numbers and a picture', () => {
    const comparison = comparisonOf(LOGS);
    const table = comparisonMarkdown('A & B', comparison);
    expect(table).toContain('| one | Debate | 6 | 100 | 3 | 62.5 |');
    expect(table).toContain('| one: Debate − two: Debate | +37.5 |');
    const csv = comparisonCsv(comparison).trimEnd().split('\n');
    expect(csv).toHaveLength(1 + 5 * 2);
    expect(csv[3]).toBe('one,debate,Debate,6,1,2,3,4,0,100,3');
    const hostile = { ...comparison.methods[0]!, label: '=HYPERLINK("http://x")|<b>', recipe: '@one' };
    const other = { ...comparison, methods: [hostile] };
    expect(comparisonCsv(other).split('\n')[1]).toMatch(/^'@one,\w+,"'=HYPERLINK\(""http:\/\/x""\)\|<b>",/);
    expect(comparisonMarkdown('A & B', other)).toContain('| @one | =HYPERLINK("http://x") b |');
    const svg = comparisonSvg('A & B', comparison);
    expect(svg).toContain('A &amp; B');
    expect(svg.match(/<title>/g)).toHaveLength(2 * 5);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});
