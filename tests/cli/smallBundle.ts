/** The bundle of a run of a few problems, for tests of the commands that read one. */
import { expect } from 'vitest';
import { polylogue } from './program';

/** Plays the run on the exact engine, seed 3. @param path of the bundle that is written */
export function writeSmallBundle(path: string): void {
  const few = ['trainProblems=4', 'evaluationProblems=3', 'iterations=1', 'chunk=2', 'finetune.batchSize=4'];
  const { code } = polylogue(
    ...['run', '--preset', 'arithmetic-tiny', '--seed', '3', '--engine', 'exact', '--workers', '1', '--out', path],
    ...few.flatMap((setting) => ['--set', setting]),
  );
  expect(code).toBe(0);
}
