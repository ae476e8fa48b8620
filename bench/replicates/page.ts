/** The page with its tables: what stands between `<!-- table KIND NAME -->` and `<!-- end -->` comes from a committed comparison. */
import { existsSync } from 'node:fs';
import { bases, basesDifferences, type OnBase } from './bases';
import { critics, criticsDifferences, twoRounds } from './critics';
import { largerDifferences, teachers, weakToStrong, type Taught } from './larger';
import { revisions } from './revisions';
import { collapse, committed, differences, FOLDER, outcomes, type Beside } from './tables';

const TABLE = /<!-- table (\S+) (\S+) -->[\s\S]*?<!-- end -->/g;
const GUARDS = [
  { name: 'none', of: 'collapse-none' },
  { name: '`guard.stop`', of: 'collapse-stop' },
  { name: '`guard.majority`', of: 'collapse-majority' },
  { name: '`guard.ladder`', of: 'collapse-ladder' },
];

const taught = (): Taught[] => [
  { teacher: 'a larger model', from: committed('teacher-model') },
  { teacher: 'the vote of the samples', from: committed('teacher-vote') },
  { teacher: 'the true answer', from: committed('teacher-checker') },
];

/** The embedded model's pretraining has seed 1. */
const basesOf = (start: string): OnBase[] => [
  { seed: 1, from: committed(`${start}-2-votes`) },
  ...[2, 3, 4].map((seed) => ({ seed, from: committed(`${start}-base-${seed}`) })),
];

const STARTS = ['alike', 'apart'];
const withAndWithout = (start: string) => ({
  start,
  on: committed(`${start}-critics`),
  off: existsSync(`${FOLDER}/${start}-no-critics`) ? committed(`${start}-no-critics`) : null,
});

/** @param page Markdown with marks @throws Error for a kind of table that there is not */
export function written(page: string): string {
  return page.replace(
    TABLE,
    (_, kind: string, name: string) => `<!-- table ${kind} ${name} -->\n\n${table(kind, name)}\n\n<!-- end -->`,
  );
}

/** Tables that a page has, by kind and name. */
export function marksOf(page: string): string[] {
  return [...page.matchAll(TABLE)].map(([, kind, name]) => `${kind} ${name}`);
}

/** Isolated agents with as many training tokens as the society, where they were played. */
function besideOf(name: string): Beside[] {
  const other = name.replace('2-votes', 'isolated-equal-tokens');
  if (other === name || !existsSync(`${FOLDER}/${other}`)) return [];
  const isolated = { learner: 'isolated/society', method: 'isolated/societyMajority' };
  return [{ name: 'isolated agents, a third of the steps', from: committed(other), ...isolated }];
}

function table(kind: string, name: string): string {
  if (kind === 'outcomes') return outcomes(committed(name), besideOf(name));
  if (kind === 'differences') return differences(committed(name), besideOf(name));
  if (kind === 'collapse') return collapse(GUARDS.map(({ name: guard, of }) => ({ name: guard, from: committed(of) })));
  if (kind === 'critics') return critics(STARTS.map(withAndWithout));
  if (kind === 'critics-differences') return criticsDifferences(STARTS.map(withAndWithout));
  if (kind === 'two-rounds') return twoRounds(committed(name));
  if (kind === 'revisions') return revisions(name);
  if (kind === 'bases') return bases(basesOf(name));
  if (kind === 'bases-differences') return basesDifferences(basesOf(name));
  if (kind === 'weak-to-strong') return weakToStrong(committed('students-larger'), committed('students-same'));
  if (kind === 'teachers') return teachers(taught());
  if (kind === 'larger-differences')
    return largerDifferences(committed('students-larger'), committed('students-same'), taught());
  throw new Error(
    `docs/what-replicates.md: there is no table "${kind}"; use outcomes, differences, collapse, critics, critics-differences, two-rounds, revisions, bases, bases-differences, weak-to-strong, teachers or larger-differences`,
  );
}
