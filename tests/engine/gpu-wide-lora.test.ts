/** The small products of LoRA as GPUs compute them, against plain sums in 64 bits. */

import { beforeAll, describe, expect, it } from 'vitest';
import { TRACK_WORDS } from '../../src/engine/buffers';
import type { Gpu } from '../../src/engine/gpu/device';
import { NO_SLOT } from '../../src/engine/gpu/layout';
import { encodeLoraBackwardShrink, encodeLoraShrink, encodeLoraWeights } from '../../src/engine/gpu/lora';
import type { Program } from '../../src/engine/gpu/program';
import { random, relativeError } from './backwardFixture';
import { openTestGpu } from './gpu';
import { CLOSE, loraOf, mixedSlots, runOn, type Lora } from './productFixture';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu({ tiles: 'gpu' });
});

const run = (record: (program: Program) => void): Promise<void> => runOn(gpu, record);

async function readF32(buffer: GPUBuffer, count: number): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer, 0, count * 4));
}

describe('the small products of LoRA', () => {
  /** A x of every token, scaled; zeros without an adapter. */
  function shrunk(x: Float32Array, { inputs, rank, slots, pool, slotElements, scales }: Lora): Float64Array {
    return Float64Array.from({ length: slots.length * rank }, (_, i) => {
      const [t, r] = [Math.floor(i / rank), i % rank];
      const slot = slots[t]!;
      if (slot === NO_SLOT) return 0;
      let sum = 0;
      for (let k = 0; k < inputs; k++) sum += pool[slot * slotElements + r * inputs + k]! * x[t * inputs + k]!;
      return scales[slot]! * sum;
    });
  }

  it.each([
    [20, 4],
    [516, 12],
  ])('A x of %i inputs at rank %i, the same bits in a step and in a batch', async (inputs, rank) => {
    const tokens = 50;
    const x = random(tokens * inputs);
    const lora = loraOf(rank, inputs, 8, mixedSlots(tokens));
    const a = { pool: gpu.upload('pool', lora.pool), rank, slotElements: lora.slotElements, offset: 0 };
    const scale = gpu.upload('scale', lora.scales);
    const shrink = async (count: number): Promise<Float32Array> => {
      const xa = gpu.buffer('xa', count * rank * 4);
      const buffers = { x: gpu.upload('x', x), slot: gpu.upload('slot', lora.slots), scale, xa };
      await run((program) => encodeLoraShrink(gpu, program, { tokens: count, width: inputs, a, ...buffers }));
      return readF32(xa, count * rank);
    };
    const all = await shrink(tokens);
    expect(relativeError(all, shrunk(x, lora))).toBeLessThan(CLOSE);
    for (const count of [1, 5, 16, 17, 33]) expect(await shrink(count)).toEqual(all.slice(0, count * rank));
  });

  it.each([
    [37, 4],
    [260, 16],
  ])('dY B of %i outputs at rank %i', async (outputs, rank) => {
    const tokens = 12;
    const slots = [2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1];
    const dy = random(tokens * outputs);
    const lora = loraOf(rank, 8, outputs, slots);
    const b = { pool: gpu.upload('pool', lora.pool), rank, slotElements: lora.slotElements, offset: lora.offset };
    const buffers = { dy: gpu.upload('dy', dy), slot: gpu.upload('slot', lora.slots) };
    const dxa = gpu.buffer('dxa', tokens * rank * 4);
    const job = { tokens, width: outputs, b, ...buffers, scale: gpu.upload('scale', lora.scales), dxa };
    await run((program) => encodeLoraBackwardShrink(gpu, program, job));
    const wanted = Float64Array.from({ length: tokens * rank }, (_, i) => {
      const [t, r] = [Math.floor(i / rank), i % rank];
      let sum = 0;
      const at = slots[t]! * lora.slotElements + lora.offset + r;
      for (let o = 0; o < outputs; o++) sum += dy[t * outputs + o]! * lora.pool[at + o * rank]!;
      return lora.scales[slots[t]!]! * sum;
    });
    expect(relativeError(await readF32(dxa, wanted.length), wanted)).toBeLessThan(CLOSE);
  });

  it.each([
    [true, 36, 4],
    [false, 36, 8],
    [true, 200, 16],
    [false, 132, 12],
  ])('gradients of B (%s) or A, %i columns, rank %i, on top of what is there', async (expand, width, rank) => {
    const tracks = [
      { slot: 2, first: 0, count: 40 },
      { slot: 0, first: 40, count: 4 },
    ];
    const tokens = 48;
    const lists = new Uint32Array(tracks.length * TRACK_WORDS);
    tracks.forEach(({ slot, first, count }, g) => lists.set([slot, first, count], g * TRACK_WORDS));
    const [wide, narrow] = [random(tokens * width), random(tokens * rank)];
    const lora = loraOf(rank, width, width, []);
    const offset = expand ? lora.offset : 0;
    const pool = gpu.upload('gradients', lora.pool);
    const wanted = Float64Array.from(lora.pool);
    for (const { slot, first, count } of tracks) {
      for (let t = first; t < first + count; t++) {
        for (let c = 0; c < width; c++) {
          for (let r = 0; r < rank; r++) {
            const at = slot * lora.slotElements + offset + (expand ? c * rank + r : r * width + c);
            wanted[at]! += wide[t * width + c]! * narrow[t * rank + r]!;
          }
        }
      }
    }
    await run((program) =>
      encodeLoraWeights(gpu, program, {
        expand,
        width,
        wide: gpu.upload('wide', wide),
        narrow: gpu.upload('narrow', narrow),
        tracks: gpu.upload('tracks', lists),
        trackCount: tracks.length,
        gradient: { pool, rank, slotElements: lora.slotElements, offset },
      }),
    );
    expect(relativeError(await readF32(pool, wanted.length), wanted)).toBeLessThan(CLOSE);
  });
});
