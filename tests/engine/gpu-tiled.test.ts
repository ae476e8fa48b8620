/** The products as GPUs compute them, in every format of the weights, against plain sums in 64 bits, on odd sizes. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OUTPUT_SPLITS } from '../../src/engine/buffers';
import { RequestError } from '../../src/engine/errors';
import { Gpu } from '../../src/engine/gpu/device';
import { NO_SLOT } from '../../src/engine/gpu/layout';
import {
  encodeLinear,
  encodeLinearBackwardInput,
  type LinearJob,
  type LoraExpansion,
} from '../../src/engine/gpu/linear';
import { createMatrix, MatrixPacker, readRows, type WeightMatrix } from '../../src/engine/gpu/matrix';
import { openNodeGpu } from '../../src/engine/gpu/node';
import type { Program } from '../../src/engine/gpu/program';
import { WEIGHT_DTYPES, type WeightDtype } from '../../src/engine/types';
import { random, relativeError } from './backwardFixture';
import { CLOSE, loraOf, mixedSlots, product, runOn, type Lora } from './productFixture';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.open(await openNodeGpu(), { tiles: 'gpu', arithmetic: 'f32' });
});
afterAll(() => gpu.destroy());

const run = (record: (program: Program) => void): Promise<void> => runOn(gpu, record);

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

describe.each(WEIGHT_DTYPES)('products with %s weights', { timeout: 600_000 }, (dtype) => {
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

describe.runIf(adapter?.features.has('shader-f16'))('products in f16', { timeout: 600_000 }, () => {
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

describe('gradient through the head', { timeout: 600_000 }, () => {
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
