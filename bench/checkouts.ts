/** Two checkouts beside each other: which they are, and what is printed of them. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { resolve } from 'node:path';

/** Slower by more than this share is a loss. */
const TOLERANCE = 0.05;

export interface Folders {
  base: string;
  head: string;
}

export type Which = keyof Folders;

/** The checkout that is given, and the one that the command runs in. */
export function foldersOf(base: string): Folders {
  return { base: resolve(base), head: process.cwd() };
}

/** Processes that wait for a core, before the measurements begin. */
export function loadNow(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1));
}

/**
 * Prints one JSON object and ends the program: with 1 where a measurement's ratio (head by base) is below 1 by more than the tolerance.
 * @param about what was measured, and how; @param loadBefore from `loadNow`
 */
export function reportAndExit(
  folders: Folders,
  about: object,
  loadBefore: number,
  measurements: readonly { name: string; ratio: number }[],
): never {
  const slower = measurements.filter(({ ratio }) => ratio < 1 - TOLERANCE).map(({ name }) => name);
  const commits = { base: commitOf(folders.base), head: commitOf(folders.head) };
  const machine = { commits, cores: availableParallelism(), loadBefore };
  console.log(JSON.stringify({ ...about, ...machine, tolerance: TOLERANCE, slower, measurements }, null, 2));
  process.exit(slower.length > 0 ? 1 : 0);
}

function commitOf(folder: string): string {
  return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: folder, encoding: 'utf8' }).trim();
}
