/** What lies behind the accuracies of a comparison, on a log whose counts were made by hand. */
import { expect, it } from 'vitest';
import type { Episode, RunEvent } from '../../src/events';
import { comparedLearners } from '../../src/log/comparedLearners';
import { comparisonOf } from '../../src/log/comparison';
import type { Strategies } from '../../src/tasks/types';
import { comparisonMarkdown } from '../../tools/cli/comparisonReport';
import { heldBy } from '../society/handmade';

/** The first letter is the strategy; x goes wrong on problem 2. */
const STRATEGIES: Strategies = {
  names: [
    { key: 'x', label: 'by x' },
    { key: 'y', label: 'by y' },
  ],
  of: (text) => (['x', 'y'].includes(text[0] ?? '') ? (text[0] as string) : null),
  wrongOn: ({ question }) => (question === 'two' ? ['x'] : []),
};

/** Two seats; `said[n]`: strategy and whether it is right. */
function tested(iteration: number, problem: number, said: readonly [string, boolean][]): Episode {
  const group = { purpose: 'evaluation', learner: 'society', iteration } as const;
  const episode = heldBy(
    group,
    problem,
    said.map(([, right]) => (right ? '1' : '0')),
  );
  return { ...episode, turns: episode.turns.map((turn, n) => ({ ...turn, text: said[n]![0], right: said[n]![1] })) };
}

const evaluation = (iteration: number, learner: string, right: number[], consensus: number): RunEvent => ({
  type: 'evaluation',
  iteration,
  learner,
  scores: [{ method: learner, calls: 1, turns: [0], right: 1, unreadable: 0, n: 2, correct: '10' }],
  layers: [{ seats: right.map((one) => ({ right: one, unreadable: 0 })), distinctAnswers: 1, consensus }],
});

const LOG: RunEvent[] = [
  {
    type: 'run-started',
    agents: [],
    learners: [
      { key: 'base', label: 'Base', name: 'base', agents: [] },
      { key: 'society', label: 'Society', name: 'society', agents: [] },
    ],
    methods: [
      { key: 'base', label: 'Base', learner: 'base', answer: 'single', calls: 1 },
      { key: 'society', label: 'Society', learner: 'society', answer: 'single', calls: 1 },
    ],
    compare: [],
  } as unknown as RunEvent,
  {
    type: 'problems',
    split: 'evaluation',
    iteration: 0,
    problems: [
      { id: 1, question: 'one', gold: '1' },
      { id: 2, question: 'two', gold: '1' },
    ],
  },
  evaluation(0, 'base', [1, 1], 0.5),
  // Seat 0 says x twice, seat 1 x and y: their most frequent strategies have shares 1 and ½. Inside the gap are seat 0 and 1 on problem two.
  tested(1, 1, [
    ['x', true],
    ['y', true],
  ]),
  tested(1, 2, [
    ['x', false],
    ['x', true],
  ]),
  // Episodes of another part do not count.
  { ...tested(1, 2, [['x', false]]), part: 'samples' },
  evaluation(1, 'society', [1, 2], 0.75),
  {
    type: 'pseudo-labels',
    iteration: 1,
    learner: 'society',
    problems: 4,
    byVotes: [],
    accepted: 3,
    acceptedRight: 2,
  },
];

it('counts seats, strategies, repair and labels by learner and test', () => {
  const logs = [3, 4].map((seed) => ({ recipe: 'r', seed, events: LOG }));
  const [base, society, ...more] = comparedLearners(logs, STRATEGIES);
  expect(more).toEqual([]);
  expect(base).toMatchObject({ key: 'base', recipe: 'base' });
  expect(base?.runs.map(({ seed, tests }) => [seed, tests.length])).toEqual([
    [3, 1],
    [4, 1],
  ]);
  expect(society?.key).toBe('r/society');
  expect(society?.runs[0]).toEqual({
    seed: 3,
    tests: [
      {
        iteration: 1,
        n: 2,
        seats: [1, 2],
        right: { society: 1 },
        consensus: 0.75,
        strategies: { top: 0.75, inside: 2, repaired: 1 },
      },
    ],
    labels: [{ iteration: 1, problems: 4, accepted: 3, right: 2 }],
  });
  // The same log under another name: its own society, the same untouched model.
  expect(
    comparedLearners([...logs, { recipe: 'q', seed: 3, events: LOG }]).map(({ key, runs }) => [key, runs.length]),
  ).toEqual([
    ['base', 2],
    ['r/society', 2],
    ['q/society', 1],
  ]);
});

it('says nothing of strategies where responses show none', () => {
  const [, society] = comparedLearners([{ recipe: 'r', seed: 1, events: LOG }]);
  expect(society?.runs[0]?.tests[0]).not.toHaveProperty('strategies');
});

it('is a table below the pairs', () => {
  const table = comparisonMarkdown('t', comparisonOf([{ recipe: 'r', seed: 1, events: LOG }], STRATEGIES));
  // Of two problems and two seats 3 of 4 right, the best seat 2 of 2; 2 of 3 accepted labels right.
  expect(table).toContain('| r/society | 1 | 75.0 | 100.0 | 75.0 | 75.0 | 50.0 | 66.7 |');
});
