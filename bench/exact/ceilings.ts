/**
 * What one core can do at most in WebAssembly SIMD without the relaxed instructions: multiplications and additions from registers, and
 * bytes copied, in CPU time.
 */
import { openCoreLoops } from '../../src/bench/coreCeilings';
import { boundOf, type Work } from '../../src/bench/roofline';
import { measure } from './measure';

export interface CoreCeilings {
  /** f32 operations in a second of CPU time. */
  peak: number;
  /** Bytes read and written in a second of CPU time. */
  copyBandwidth: number;
}

export async function measureCore(repeat: number): Promise<CoreCeilings> {
  const loops = await openCoreLoops();
  const computing = await measure(loops.compute, repeat);
  const copying = await measure(loops.copy, repeat * 2, 1);
  return {
    peak: loops.operations / computing.cpuSeconds,
    copyBandwidth: loops.bytes / copying.cpuSeconds,
  };
}

/** How much of what one core allows at most was reached: the least time of the work by its CPU time. */
export function shareOf(work: Work[], cpuSeconds: number, core: CoreCeilings): number {
  return work.reduce((sum, one) => sum + boundOf(one, core).seconds, 0) / cpuSeconds;
}
