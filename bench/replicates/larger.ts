/** A larger model beside the run's own: as the strong student of EnsemW2S, and as the teacher of the preference loop. */
import { between, difference, row, runsOf, withSpread, type Committed } from './tables';

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
  const student = 'ensem-w2s/student';
  const minus = (name: string, one: [Committed, string], other: [Committed, string]): string =>
    difference(name, between(one, other, 'base/single'));
  const [model, ...others] = taught;
  return [
    row('difference', 'points', '95 %, these problems', 'p, adjusted', '95 %, another seed', 'p', 'resolves'),
    row('---', '---:', '---:', '---:', '---:', '---:', '---:'),
    minus('student of the ensemble, larger minus same model', [larger, student], [same, student]),
    minus('larger model: student of the ensemble minus as it is', [larger, student], [larger, 'ensem-w2s/strong']),
    minus(
      'larger model: student of the ensemble minus of one teacher',
      [larger, student],
      [larger, 'ensem-w2s/studentOfTeacher'],
    ),
    ...others.map(({ teacher, from }) =>
      model ? minus(`policy: ${model.teacher} minus ${teacher}`, [model.from, POLICY], [from, POLICY]) : '',
    ),
  ].join('\n');
}
