/** A larger model beside the run's own: as the strong student of EnsemW2S, and as the teacher of the preference loop. */
import type { ComparedMethod } from '../../src/log/comparison';
import { difference, row, withSpread, type Committed } from './tables';
import { pooledComparison, spreadOf } from '../../src/society/statistics';

/** Who answers in EnsemW2S, by the key of the method. */
const WHO: readonly [string, string][] = [
  ['ensem-w2s/teacher', 'one weak teacher'],
  ['ensem-w2s/ensemble', 'boosted ensemble'],
  ['ensem-w2s/bagging', 'uniform bagging'],
  ['ensem-w2s/strong', 'the larger model as it is'],
  ['ensem-w2s/studentOfTeacher', 'student of one teacher'],
  ['ensem-w2s/student', 'student of the ensemble'],
  ['ensem-w2s/studentOfBagging', 'student of bagging'],
  ['ensem-w2s/studentOfGold', 'student of true labels'],
];
const POLICY = 'preference-loop/policySingle';
const VOTE = 'preference-loop/policyMajority';

/** A teacher of the preference loop, and the comparison in which it taught. */
export interface Taught {
  teacher: string;
  from: Committed;
}

const runsOf = ({ methods }: Committed, key: string): ComparedMethod['runs'] =>
  methods.find((method) => method.key === key)?.runs ?? [];
const shares = (from: Committed, key: string): string => withSpread(runsOf(from, key).map(({ right, n }) => right / n));

/** Right answers of one sample, students with a larger model and with that of the experts. */
export function weakToStrong(larger: Committed, same: Committed): string {
  const base = ['base/single', 'the untouched model of the experts'] as const;
  return [
    row('who answers', 'students of a larger model', 'students of the same model'),
    row('---', '---:', '---:'),
    ...[base, ...WHO].map(([key, name]) => row(name, shares(larger, key), shares(same, key))),
  ].join('\n');
}

/** Right answers of the policy, one sample and the vote of its samples, by teacher. */
export function teachers(taught: readonly Taught[]): string {
  const [first] = taught;
  const untouched = first ? row('nobody', shares(first.from, 'base/single'), shares(first.from, 'base/majority')) : '';
  return [
    row('teacher', 'one sample', 'majority of four'),
    row('---', '---:', '---:'),
    untouched,
    ...taught.map(({ teacher, from }) => row(teacher, shares(from, POLICY), shares(from, VOTE))),
  ].join('\n');
}

/** Differences that the section speaks of: problem by problem, seed by seed. */
export function largerDifferences(larger: Committed, same: Committed, taught: readonly Taught[]): string {
  const pairs: [string, Committed, string, Committed, string][] = [
    ['student of the ensemble, larger minus same model', larger, 'ensem-w2s/student', same, 'ensem-w2s/student'],
    ['larger model: student of the ensemble minus as it is', larger, 'ensem-w2s/student', larger, 'ensem-w2s/strong'],
    [
      'larger model: student of the ensemble minus of one teacher',
      larger,
      'ensem-w2s/student',
      larger,
      'ensem-w2s/studentOfTeacher',
    ],
    ...taught
      .slice(1)
      .map(({ teacher, from }): [string, Committed, string, Committed, string] => [
        `policy: ${taught[0]?.teacher ?? ''} minus ${teacher}`,
        taught[0]?.from ?? from,
        POLICY,
        from,
        POLICY,
      ]),
  ];
  return [
    row('difference', 'points', '95 %, these problems', 'p, adjusted', '95 %, another seed', 'p', 'resolves'),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:'),
    ...pairs.map(([name, a, one, b, other]) => difference(name, paired(a, one, b, other))),
  ].join('\n');
}

/** @throws Error where the held-out problems of a seed are not the same */
function paired(a: Committed, one: string, b: Committed, other: string): Parameters<typeof difference>[1] {
  const both = runsOf(a, one).flatMap((run) => {
    const found = runsOf(b, other).find(({ seed }) => seed === run.seed);
    const [here, there] = [a, b].map((from) => runsOf(from, 'base/single').find(({ seed }) => seed === run.seed));
    if (found && here?.correct !== there?.correct) throw new Error(`seed ${run.seed} has other held-out problems`);
    return found ? [{ run, found }] : [];
  });
  return {
    ...pooledComparison(both.map(({ run, found }) => [run.correct, found.correct] as const)),
    spread: spreadOf(both.map(({ run, found }) => (run.right - found.right) / run.n)),
  };
}
