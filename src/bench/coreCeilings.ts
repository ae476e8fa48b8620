/** What one core can do at most in WebAssembly SIMD without the relaxed instructions. The loops are among the exact engine's kernels. */
import { makeKernels } from '../engine/exact/kernels';
import { EXACT_DEVICE } from '../engine/exact/device';
import type { Ceilings } from './roofline';

/** Sums that do not wait for each other, four lanes each; a multiplication with an addition is two operations. */
const OPERATIONS_A_LOOP = 2 * 12 * 4;
/** Loops of one execution: about 60 ms. */
const LOOPS = 20_000_000;
export const COPY_BYTES = 64 << 20;

export interface CoreLoops {
  /** One execution; operations in it. */
  compute(): void;
  readonly operations: number;
  /** One copy; bytes read and written by it. */
  copy(): void;
  readonly bytes: number;
}

/** @throws DeviceError without WebAssembly SIMD */
export async function openCoreLoops(): Promise<CoreLoops> {
  const page = 65536;
  const memory = new WebAssembly.Memory({ initial: (2 * COPY_BYTES) / page + 1 });
  const kernels = await makeKernels(memory);
  kernels.multiplyAdds(LOOPS / 10);
  kernels.copyBytes(COPY_BYTES, 0, COPY_BYTES);
  return {
    compute: () => kernels.multiplyAdds(LOOPS),
    operations: OPERATIONS_A_LOOP * LOOPS,
    copy: () => kernels.copyBytes(COPY_BYTES, 0, COPY_BYTES),
    bytes: 2 * COPY_BYTES,
  };
}

/**
 * Ceilings of the exact engine: one core's arithmetic times its threads, and one core's copy, which the threads share. By the clock, the
 * best of several.
 * @param budget seconds that each of the two may take
 */
export async function measureCoreCeilings(threads: number, budget: number): Promise<Ceilings> {
  const loops = await openCoreLoops();
  return {
    device: EXACT_DEVICE,
    software: false,
    copyBandwidth: loops.bytes / bestSeconds(loops.copy, budget),
    copyBytes: COPY_BYTES,
    peak: (threads * loops.operations) / bestSeconds(loops.compute, budget),
    gemm: null,
  };
}

function bestSeconds(work: () => void, budget: number): number {
  let best = Infinity;
  for (let spent = 0; spent < budget;) {
    const start = performance.now();
    work();
    const seconds = (performance.now() - start) / 1000;
    best = Math.min(best, seconds);
    spent += seconds;
  }
  return best;
}
