/** The products as GPUs compute them, in every format of the weights, against plain sums in 64 bits, on odd sizes. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OUTPUT_SPLITS, TRACK_WORDS } from '../../src/engine/buffers';
import { RequestError } from '../../src/engine/errors';
import { Gpu } from '../../src/engine/gpu/device';
import { NO_SLOT } from '../../src/engine/gpu/layout';
import {
  encodeLinear,
  encodeLinearBackwardInput,
  type LinearJob,
  type LoraExpansion,
} from '../../src/engine/gpu/linear';
import { encodeLoraBackwardShrink, encodeLoraShrink, encodeLoraWeights } from '../../src/engine/gpu/lora';
import { createMatrix, MatrixPacker, readRows, type WeightMatrix } from '../../src/engine/gpu/matrix';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { Program } from '../../src/engine/gpu/program';
import { WEIGHT_DTYPES, type WeightDtype } from '../../src/engine/types';
import { random, relativeError } from './backwardFixture';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.open(await openNodeGpu(), { tiles: 'gpu', arithmetic: 'f32' });
});
afterAll(() => gpu.destroy());

/** Sums in 32 bits of up to some thousand terms, against sums in 64. */
const CLOSE = 3e-6;
const SLOTS = 3;

async function run(record: (program: Program) => void): Promise<void> {
  const program = new Program(gpu, 'test');
  record(program);
  program.submit();
  await gpu.finished();
  program.dispose();
}

async function readF32(buffer: GPUBuffer, count: number): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer, 0, count * 4));
}

/** A random matrix on the device, and the numbers it stands for there. */
async function matrixOf(dtype: WeightDtype, rows: number, columns: number) {
  const matrix = createMatrix(gpu, `${dtype} ${rows} × ${columns}`, dtype, rows, columns);
  const packer = new MatrixPacker(gpu);
  await packer.write('matrix', matrix, 0, random(rows * columns));
  packer.dispose();
  return { matrix, values: await readRows(gpu, matrix, 0, rows) };
}

interface Lora {
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

function loraOf(rank: number, inputs: number, outputs: number, slots: ArrayLike<number>): Lora {
  const slotElements = Math.ceil((rank * (inputs + outputs)) / 64) * 64;
  const scales = Float32Array.of(0.5, 2, 0.25);
  const pool = random(SLOTS * slotElements);
  return { rank, inputs, outputs, slots: Uint32Array.from(slots), pool, slotElements, offset: rank * inputs, scales };
}

/** Slots that change in the middle of everything, some tokens without one. */
function mixedSlots(tokens: number): number[] {
  return Array.from({ length: tokens }, (_, t) => [1, 1, 0, NO_SLOT, 2, 2, 2][Math.floor(t / 3) % 7] as number);
}

interface Product {
  x: Float32Array;
  values: Float32Array;
  outputs: number;
  bias?: Float32Array | undefined;
  residual?: Float32Array | undefined;
  lora?: (Lora & { xa: Float32Array }) | undefined;
}

/** residual + bias + W x + B xa of some tokens. */
function product({ x, values, outputs, bias, residual, lora }: Product, tokens: number): Float64Array {
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

/** Runs y = W x for the first `tokens` tokens. */
async function multiply(matrix: WeightMatrix, job: Omit<LinearJob, 'weight' | 'y'>): Promise<Float32Array> {
  const size = job.tokens * matrix.rows;
  const y = gpu.buffer('y', size * 4);
  await run((program) => encodeLinear(gpu, program, { ...job, weight: matrix, y }));
  const result = await readF32(y, size);
  gpu.destroyBuffer(y);
  return result;
}

function expansion(lora: Lora, xa: Float32Array): LoraExpansion {
  const { rank, slotElements, offset } = lora;
  return {
    rank,
    slotElements,
    offset,
    xa: gpu.upload('xa', xa),
    pool: gpu.upload('pool', lora.pool),
    slot: gpu.upload('slot', lora.slots),
  };
}

describe.each(WEIGHT_DTYPES)('products with %s weights', { timeout: 180_000 }, (dtype) => {
  it.each([
    [37, 36, 1],
    [37, 36, 40],
    [130, 100, 3],
    [70, 1000, 67],
    [576, 192, 13],
    [9, 2000, 130],
    [6144, 64, 1],
  ])('%i outputs of %i inputs for %i tokens', async (outputs, inputs, tokens) => {
    const { matrix, values } = await matrixOf(dtype, outputs, inputs);
    const x = random(tokens * inputs);
    const y = await multiply(matrix, { tokens, x: gpu.upload('x', x) });
    expect(relativeError(y, product({ x, values, outputs }, tokens))).toBeLessThan(CLOSE);
  });

  it.each([
    [4, 6],
    [12, 33],
    [16, 70],
  ])('with bias, residual and adapters of rank %i for %i tokens', async (rank, tokens) => {
    const [outputs, inputs] = [101, 44];
    const { matrix, values } = await matrixOf(dtype, outputs, inputs);
    const x = random(tokens * inputs);
    const device = { tokens, x: gpu.upload('x', x) };
    const [bias, residual, xa] = [random(outputs), random(tokens * outputs), random(tokens * rank)];
    const lora = loraOf(rank, inputs, outputs, mixedSlots(tokens));
    const same = { ...lora, slots: new Uint32Array(tokens).fill(1) };
    const none = { ...lora, slots: new Uint32Array(tokens).fill(NO_SLOT) };
    const biased = await multiply(matrix, { ...device, bias: gpu.upload('bias', bias) });
    expect(relativeError(biased, product({ x, values, outputs, bias }, tokens))).toBeLessThan(CLOSE);
    const added = { bias: gpu.upload('bias', bias), residual: gpu.upload('residual', residual) };
    for (const adapters of [lora, same, none]) {
      const y = await multiply(matrix, { ...device, ...added, lora: expansion(adapters, xa) });
      const wanted = product({ x, values, outputs, bias, residual, lora: { ...adapters, xa } }, tokens);
      expect(relativeError(y, wanted)).toBeLessThan(CLOSE);
    }
  });

  it.each([
    [75, 132],
    [37, 1800],
  ])('gives a token the same bits among any number of others (%i outputs of %i inputs)', async (outputs, inputs) => {
    const most = 200;
    const { matrix } = await matrixOf(dtype, outputs, inputs);
    const x = random(most * inputs);
    const lora = loraOf(8, inputs, outputs, mixedSlots(most));
    const xa = random(most * 8);
    const parts = { bias: gpu.upload('bias', random(outputs)), lora: expansion(lora, xa) };
    const all = await multiply(matrix, { tokens: most, x: gpu.upload('x', x), ...parts });
    for (const tokens of [1, 3, 8, 17, 32, 33, 64, 100]) {
      const some = await multiply(matrix, { tokens, x: gpu.upload('x', x.slice(0, tokens * inputs)), ...parts });
      expect(some, `${tokens} tokens`).toEqual(all.slice(0, tokens * outputs));
    }
    // The same rows at other places, the last first.
    const turned = new Float32Array(x.length);
    for (let t = 0; t < most; t++) turned.set(x.subarray(t * inputs, (t + 1) * inputs), (most - 1 - t) * inputs);
    const plain = await multiply(matrix, { tokens: most, x: gpu.upload('x', x) });
    const other = await multiply(matrix, { tokens: 19, x: gpu.upload('x', turned.slice(0, 19 * inputs)) });
    for (let t = 0; t < 19; t++) {
      const place = most - 1 - t;
      expect(other.slice(t * outputs, (t + 1) * outputs)).toEqual(plain.slice(place * outputs, (place + 1) * outputs));
    }
  });

  it.each([
    [36, 36, 4, 0],
    [64, 132, 72, 8],
    [152, 68, 132, 16],
  ])('gradient by the input: %i outputs, %i inputs, %i tokens, rank %i', async (outputs, inputs, tokens, rank) => {
    const { matrix, values } = await matrixOf(dtype, outputs, inputs);
    const dy = random(tokens * outputs);
    const [before, dxa] = [random(tokens * inputs), random(Math.max(1, tokens * rank))];
    const slots = Array.from({ length: tokens }, (_, t) => [2, 2, 0, 1, 1][Math.floor(t / 4) % 5] as number);
    const lora = loraOf(rank, inputs, outputs, slots);
    const wanted = new Float64Array(tokens * inputs);
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < inputs; i++) {
        let sum = 0;
        for (let o = 0; o < outputs; o++) sum += dy[t * outputs + o]! * values[o * inputs + i]!;
        const a = slots[t]! * lora.slotElements + i;
        for (let r = 0; r < rank; r++) sum += dxa[t * rank + r]! * lora.pool[a + r * inputs]!;
        wanted[t * inputs + i] = sum;
      }
    }
    const dx = gpu.upload('dx', before);
    const path = { ...expansion(lora, dxa), dxa: gpu.upload('dxa', dxa), offset: 0 };
    const job = { tokens, dy: gpu.upload('dy', dy), weight: matrix, dx, lora: rank === 0 ? null : path };
    await run((program) => encodeLinearBackwardInput(gpu, program, { ...job, accumulate: true }));
    const added = wanted.map((value, i) => value + before[i]!);
    expect(relativeError(await readF32(dx, added.length), added)).toBeLessThan(CLOSE);
    await run((program) => encodeLinearBackwardInput(gpu, program, { ...job, accumulate: false }));
    expect(relativeError(await readF32(dx, wanted.length), wanted)).toBeLessThan(CLOSE);
  });
});

const adapter = await (await openNodeGpu()).requestAdapter();
/** With tokens for either kernel; formats differ in how they are unpacked only, and software drivers compile long. */
const PACKED = [
  ['f16', 12],
  ['int8', 12],
  ['int4', 12],
  ['int4', 70],
] as const;

describe.runIf(adapter?.features.has('shader-f16'))('products in f16', { timeout: 180_000 }, () => {
  let f32: Gpu;
  beforeAll(async () => {
    f32 = gpu;
    gpu = await Gpu.open(await openNodeGpu(), { tiles: 'gpu' });
  });
  afterAll(() => {
    gpu.destroy();
    gpu = f32;
  });

  it('is what a GPU does that can, unless f32 is asked for', async () => {
    expect(gpu.arithmetic).toBe('f16');
    expect(f32.arithmetic).toBe('f32');
    await expect(Gpu.open(await openNodeGpu(), { tiles: 'cpu', arithmetic: 'f16' })).rejects.toThrow(RequestError);
  });

  it.each(PACKED)('%s: within what rounding to f16 explains, for %i tokens', async (dtype, tokens) => {
    const [outputs, inputs] = [75, 300];
    const { matrix, values } = await matrixOf(dtype, outputs, inputs);
    const x = random(tokens * inputs);
    const wanted = product({ x, values, outputs }, tokens);
    const y = await multiply(matrix, { tokens, x: gpu.upload('x', x) });
    let squares = 0;
    let furthest = 0;
    for (let t = 0; t < tokens; t++) {
      for (let o = 0; o < outputs; o++) {
        let terms = 0;
        for (let k = 0; k < inputs; k++) terms += (x[t * inputs + k]! * values[o * inputs + k]!) ** 2;
        const off = Math.abs(y[t * outputs + o]! - wanted[t * outputs + o]!) / (2 ** -11 * Math.sqrt(terms));
        squares += off ** 2;
        furthest = Math.max(furthest, off);
      }
    }
    // An input rounded once, 2^-11 / √3 of it at most; eight sums rounded, over four terms each in the mean.
    const typical = Math.sqrt(squares / y.length);
    expect(typical).toBeLessThan(Math.sqrt((1 + 4) / 3));
    expect(furthest).toBeLessThan(8);
    // Products in f32 would be closer.
    expect(typical).toBeGreaterThan(0.1);
  });

  it('gives a token the same bits among any number of others, with adapters', async () => {
    const [outputs, inputs, most] = [75, 1800, 70];
    const { matrix } = await matrixOf('int4', outputs, inputs);
    const x = random(most * inputs);
    const lora = loraOf(8, inputs, outputs, mixedSlots(most));
    const xa = random(most * 8);
    const parts = { bias: gpu.upload('bias', random(outputs)), lora: expansion(lora, xa) };
    const all = await multiply(matrix, { tokens: most, x: gpu.upload('x', x), ...parts });
    for (const tokens of [1, 8, 17, 64]) {
      const some = await multiply(matrix, { tokens, x: gpu.upload('x', x.slice(0, tokens * inputs)), ...parts });
      expect(some, `${tokens} tokens`).toEqual(all.slice(0, tokens * outputs));
    }
  });

  it.each(PACKED)('%s: inputs up to the largest of f16 do not overflow, for %i tokens', async (dtype, tokens) => {
    const [outputs, inputs] = [40, 96];
    const { matrix, values } = await matrixOf(dtype, outputs, inputs);
    const x = Float32Array.from({ length: tokens * inputs }, () => 65000);
    const y = await multiply(matrix, { tokens, x: gpu.upload('x', x) });
    expect(relativeError(y, product({ x, values, outputs }, tokens))).toBeLessThan(3e-3);
  });
});

describe('gradient through the head', { timeout: 180_000 }, () => {
  it('splits an odd vocabulary over workgroups, the same bits in every block', async () => {
    const [V, inputs, tokens] = [20011, 20, 9];
    const { matrix, values } = await matrixOf('int4', V, inputs);
    const dy = random(tokens * V);
    const splits = gpu.buffer('splits', OUTPUT_SPLITS * tokens * inputs * 4);
    const through = async (from: number, count: number): Promise<Float32Array> => {
      const block = gpu.upload('dy', dy.slice(from * V, (from + count) * V));
      const dx = gpu.buffer('dx', count * inputs * 4);
      const job = { tokens: count, dy: block, weight: matrix, dx, lora: null, accumulate: false, splits };
      await run((program) => encodeLinearBackwardInput(gpu, program, job));
      return readF32(dx, count * inputs);
    };
    const wanted = new Float64Array(tokens * inputs);
    for (let t = 0; t < tokens; t++) {
      for (let o = 0; o < V; o++) {
        for (let i = 0; i < inputs; i++) wanted[t * inputs + i]! += dy[t * V + o]! * values[o * inputs + i]!;
      }
    }
    const dx = await through(0, tokens);
    expect(relativeError(dx, wanted)).toBeLessThan(CLOSE);
    expect(await through(6, 3)).toEqual(dx.slice(6 * inputs));
  });
});

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
