/** Memory of the process over the time of a soak. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { MemoryFigures } from './result';

/** Growth that is no growth: allocators keep some pages more or less. */
const SLACK_MIB = 24;

let collect: (() => void) | null = null;

/** Resident memory in MiB after the garbage was collected. */
export function residentMiB(): number {
  collectGarbage();
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}

/** What the program itself holds, in MiB: heap and buffers, without what drivers keep. */
export function heldMiB(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 2 ** 20);
}

/** Collects garbage now. */
export function collectGarbage(): void {
  if (collect === null) {
    setFlagsFromString('--expose_gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}

/** Figures of samples taken at even distances: the second fifth beside the last. */
export function memoryFigures(samples: readonly number[]): MemoryFigures | null {
  const fifth = Math.floor(samples.length / 5);
  if (fifth === 0) return null;
  const early = Math.max(...samples.slice(fifth, 2 * fifth));
  const late = Math.max(...samples.slice(-fifth));
  return { early, late, flat: late <= early + Math.max(SLACK_MIB, early * 0.05) };
}
