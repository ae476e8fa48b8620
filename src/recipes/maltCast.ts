/** Who takes part in MALT, what is measured, and what it costs. */
import type { Cast, Method } from '../events';
import { baseAgent, baseLearner } from './casts';
import { learningOf, prefers, ROLES, type Role } from './maltData';
import type { Config } from './maltSettings';
import { loopWork } from './need';
import type { Need, Work } from './types';

/** Keys of the methods of a learner: the generator alone, one pass, and the votes on either. */
export const METHODS = {
  base: { answer: 'single', answers: 'majority', pass: 'pipeline', passes: 'pipelineVote' },
  malt: { answer: 'maltGenerator', answers: 'maltGeneratorMajority', pass: 'maltPass', passes: 'maltVote' },
} as const;
export type LearnerKey = keyof typeof METHODS;

export function cast(config: Config): Cast {
  const { votes } = config;
  const roles = learningOf(config).map(({ adapter }) => adapter);
  const methods = (learner: LearnerKey, labels: string[]): Method[] => {
    const keys = METHODS[learner];
    const [answer = '', answers = '', pass = '', passes = ''] = labels;
    return [
      { key: keys.answer, label: answer, learner, answer: 'single', calls: 1 },
      ...(votes > 1 ? [{ key: keys.answers, label: answers, learner, answer: 'majority', calls: votes }] : []),
      { key: keys.pass, label: pass, learner, answer: 'refinement', calls: 3 },
      ...(votes > 1
        ? [{ key: keys.passes, label: passes, learner, answer: 'vote of refinements', calls: 3 * votes }]
        : []),
    ];
  };
  const calls = 3 * votes;
  const [before, after] = [METHODS.base, METHODS.malt];
  return {
    agents: [baseAgent(), ...roles.map((role) => ({ id: role, label: role, role, seat: null, adapter: role }))],
    learners: [baseLearner(), { key: 'malt', label: 'MALT', name: 'the three roles', agents: roles }],
    methods: [
      ...methods('base', [
        'Single sample',
        `Majority of ${votes}`,
        'Three roles, untouched',
        `Three roles, untouched, vote of ${votes}`,
      ]),
      { key: 'majorityEqualCalls', label: `Majority of ${calls}`, learner: 'base', answer: 'majority-equal', calls },
      ...methods('malt', [
        'MALT, generator alone',
        `MALT, majority of ${votes} generators`,
        'MALT, one pass',
        `MALT, vote of ${votes}`,
      ]),
    ],
    compare: [
      ...(votes > 1
        ? ([
            [after.passes, before.passes],
            [after.passes, 'majorityEqualCalls'],
          ] as [string, string][])
        : []),
      [after.pass, before.pass],
      ...(votes > 1 ? [] : ([[after.pass, 'majorityEqualCalls']] as [string, string][])),
      [after.answer, before.answer],
    ],
  };
}

export function cost(config: Config): Need {
  const {
    branches: n,
    votes,
    credit,
    prefer,
    perProblem,
    trainProblems,
    evaluationProblems,
    iterations,
    chunk,
  } = config;
  const tree = credit === 'tree';
  const widths = tree ? [n, n ** 2, n ** 3] : [n, n, n];
  const learning = learningOf(config);
  const roles = (kind: 'answers' | 'reads') =>
    learning.filter(({ adapter }) => (adapter === 'generator') === (kind === 'answers'));
  // Half of the turns are wanted; a pair is two sequences.
  const share = (role: number) => Math.min(perProblem ?? Infinity, (widths[role] ?? 0) / 2);
  const learnt = (some: typeof learning) => trainProblems * some.reduce((sum, { role }) => sum + share(role), 0);
  const both = (keep: (adapter: Role) => boolean, sequences: number) => ({
    solve: sequences * learnt(roles('answers').filter(({ adapter }) => keep(adapter))),
    revise: sequences * learnt(roles('reads').filter(({ adapter }) => keep(adapter))),
  });
  const calls = trainProblems * widths.reduce((sum, width) => sum + width, 0);
  const test = { problems: evaluationProblems, calls: evaluationProblems * 3 * votes };
  const first = { problems: 2 * test.problems, calls: 2 * test.calls };
  const examples = both(() => true, 1);
  const work = loopWork(iterations, { problems: trainProblems, calls }, examples, (iteration) =>
    iteration === 0 ? first : test,
  );
  const preferences = both((adapter) => prefers(config, adapter), 2);
  return {
    rows: Math.max(Math.min(chunk, trainProblems) * (widths[2] ?? 0), Math.min(chunk, evaluationProblems) * 3 * votes),
    seats: Math.max(n, votes),
    quotes: { others: 1, summarised: false },
    adapters: ROLES.length,
    rank: config.adapter.rank,
    tracks: { solve: roles('answers').length, revise: roles('reads').length },
    work:
      tree && prefer !== 'none'
        ? work.flatMap((one): Work[] => (one.kind === 'train' ? [one, { ...one, ...preferences }] : [one]))
        : work,
  };
}
