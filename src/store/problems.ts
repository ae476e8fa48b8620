/** Which runs read which file of problems. */
import type { ProblemsEntry, RunRecord, StoredProblems } from './types';

/** Files as a list shows them, newest first. */
export function problemsEntries(
  files: readonly Pick<StoredProblems, 'sha256' | 'name' | 'created' | 'bytes'>[],
  runs: readonly RunRecord[],
): ProblemsEntry[] {
  return files
    .map(({ sha256, name, created, bytes }) => ({
      sha256,
      name,
      created,
      size: bytes.length,
      runs: runs.filter(({ config }) => config.data?.sha256 === sha256).map(({ id }) => id),
    }))
    .sort((a, b) => b.created - a.created || (a.sha256 < b.sha256 ? -1 : 1));
}
