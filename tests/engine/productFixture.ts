/** What the tests of products on GPUs share: adapters in a pool, tokens of several slots, a projection in 64 bits. */

import type { Gpu } from '../../src/engine/gpu/device';
import { NO_SLOT } from '../../src/engine/gpu/layout';
import { Program } from '../../src/engine/gpu/program';
import { random } from './backwardFixture';

/** Sums in 32 bits of up to some thousand terms, against sums in 64. */
export const CLOSE = 3e-6;
export const SLOTS = 3;

export async function runOn(gpu: Gpu, record: (program: Program) => void): Promise<void> {
  const program = new Program(gpu, 'test');
  record(program);
  program.submit();
  await gpu.finished();
  program.dispose();
}

export interface Lora {
  rank: number;
  inputs: number;
  outputs: number;
  slots: Uint32Array;
  pool: Float32Array;
  slotElements: number;
  /** Of B; A is at 0. */
  offset: number;
  scales: Float32Array;
}

export function loraOf(rank: number, inputs: number, outputs: number, slots: ArrayLike<number>): Lora {
  const slotElements = Math.ceil((rank * (inputs + outputs)) / 64) * 64;
  const scales = Float32Array.of(0.5, 2, 0.25);
  const pool = random(SLOTS * slotElements);
  return { rank, inputs, outputs, slots: Uint32Array.from(slots), pool, slotElements, offset: rank * inputs, scales };
}

/** Slots that change in the middle of everything, some tokens without one. */
export function mixedSlots(tokens: number): number[] {
  return Array.from({ length: tokens }, (_, t) => [1, 1, 0, NO_SLOT, 2, 2, 2][Math.floor(t / 3) % 7] as number);
}

export interface Product {
  x: Float32Array;
  values: Float32Array;
  outputs: number;
  bias?: Float32Array | undefined;
  residual?: Float32Array | undefined;
  lora?: (Lora & { xa: Float32Array }) | undefined;
}

/** residual + bias + W x + B xa of some tokens. */
export function product({ x, values, outputs, bias, residual, lora }: Product, tokens: number): Float64Array {
  const inputs = values.length / outputs;
  const y = new Float64Array(tokens * outputs);
  for (let t = 0; t < tokens; t++) {
    for (let o = 0; o < outputs; o++) {
      const at = t * outputs + o;
      let sum = (residual?.[at] ?? 0) + (bias?.[o] ?? 0);
      for (let k = 0; k < inputs; k++) sum += x[t * inputs + k]! * values[o * inputs + k]!;
      const slot = lora?.slots[t] ?? NO_SLOT;
      if (lora && slot !== NO_SLOT) {
        const b = slot * lora.slotElements + lora.offset + o * lora.rank;
        for (let r = 0; r < lora.rank; r++) sum += lora.xa[t * lora.rank + r]! * lora.pool[b + r]!;
      }
      y[at] = sum;
    }
  }
  return y;
}
