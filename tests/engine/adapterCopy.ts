/** Reads the copy of an adapter in f16, for tests. */

import type { AdapterStore } from '../../src/engine/gpu/adapters';
import type { Gpu } from '../../src/engine/gpu/device';

/** Room of the stores that are read. */
export const COPY_LIMITS = { maxAdapters: 3, maxRank: 8 };

/** An f16 from its bits. */
function half(bits: number): number {
  const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

export interface CopyRead {
  /** As they lie there. */
  weights: Float64Array;
  scale: number;
  /** The power of two that weights are times. */
  factor: number;
  master: Float32Array;
}

/** A slot of the copy and of the pool. */
export async function readCopy(gpu: Gpu, store: AdapterStore, slot: number): Promise<CopyRead> {
  const { slotElements } = store.layout;
  const { decoding } = store;
  const bits = new Uint16Array(await gpu.read(decoding.weights, slot * slotElements * 2, slotElements * 2));
  const [scale = 0] = new Float32Array(await gpu.read(decoding.scale, slot * 4, 4));
  const [own = 0] = new Float32Array(await gpu.read(store.scale, slot * 4, 4));
  const master = new Float32Array(await gpu.read(store.weights, slot * slotElements * 4, slotElements * 4));
  return { weights: Float64Array.from(bits, half), scale, factor: Math.sqrt(own / scale), master };
}
