/** Packed weights: what quantising does to numbers, and that the kernels which read them compute with just those numbers. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device';
import {
  encodeLinear,
  encodeLinearBackwardInput,
  type LoraExpansion,
  type LoraPath,
} from '../../src/engine/gpu/linear';
import { createMatrix, MatrixPacker, matrixLayout, readRows, type WeightMatrix } from '../../src/engine/gpu/matrix';
import { Program } from '../../src/engine/gpu/program';
import { drawUniform } from '../../src/random';
import { f32Matrix, openTestGpu } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

const PACKED = ['f16', 'int8', 'int4'] as const;
let problem = 0;

/** Numbers around zero, as weights are. */
function random(length: number): Float32Array {
  const key = { seed: 11, stream: 0, iteration: 0, agent: 0, problem: problem++, round: 0 };
  return Float32Array.from({ length }, (_, i) => 2 * drawUniform(key, i) - 1);
}

async function pack(dtype: WeightMatrix['dtype'], data: Float32Array, rows: number, columns: number) {
  const packer = new MatrixPacker(gpu);
  const matrix = createMatrix(gpu, 'w', dtype, rows, columns);
  // In two pieces, as a loader does.
  const half = Math.floor(rows / 2) * columns;
  await packer.write('w', matrix, 0, data.subarray(0, half));
  await packer.write('w', matrix, half / columns, data.subarray(half));
  const errors = packer.errors;
  packer.dispose();
  // Zero times a negative scale is −0: the same number.
  return { matrix, errors, values: (await readRows(gpu, matrix, 0, rows)).map((value) => value + 0) };
}

function run(record: (program: Program) => void): void {
  const program = new Program(gpu, 'test');
  record(program);
  program.submit();
}

async function readF32(buffer: GPUBuffer): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer));
}

describe.each(PACKED)('a matrix as %s', (dtype) => {
  it.each([
    [1, 32],
    [5, 4],
    [7, 36],
    [3, 96],
    [130, 100],
    [2, 2084],
  ])('keeps %i rows of %i within half a step, and says how far off they are', async (rows, columns) => {
    const data = random(rows * columns);
    data[1] = 0;
    const { values, errors } = await pack(dtype, data, rows, columns);
    let squares = 0;
    let total = 0;
    let largest = 0;
    for (let r = 0; r < rows; r++) {
      for (let g = 0; g < columns; g += 32) {
        const group = data.subarray(r * columns + g, r * columns + Math.min(g + 32, columns));
        const most = Math.max(...group.map(Math.abs));
        // int4 cannot reach the largest magnitude with the other sign: there the step is a whole one.
        const step = { f16: 0, int8: most / 127, int4: most / 8 }[dtype];
        group.forEach((value, i) => {
          const off = Math.abs(values[r * columns + g + i]! - value);
          const atOtherEnd = dtype === 'int4' && Math.abs(value) > 7.5 * step;
          // The scale itself (f16: the value) is rounded to 11 bits.
          expect(off).toBeLessThanOrEqual((atOtherEnd ? step : step / 2) + Math.abs(value) / 2048 + 1e-7);
          squares += off * off;
          total += value * value;
          largest = Math.max(largest, off);
        });
      }
    }
    expect(errors).toHaveLength(1);
    expect(errors[0]!.values).toBe(rows * columns);
    expect(errors[0]!.relative / Math.sqrt(squares / total)).toBeCloseTo(1, 3);
    expect(errors[0]!.largest).toBeCloseTo(largest, 6);
    expect(errors[0]!.relative).toBeLessThan({ f16: 4e-4, int8: 8e-3, int4: 0.12 }[dtype]);
  });

  it('changes nothing when packed values are packed again', async () => {
    const first = await pack(dtype, random(40 * 100), 40, 100);
    const second = await pack(dtype, first.values, 40, 100);
    expect(second.values).toEqual(first.values);
    expect(second.errors[0]!.relative).toBe(0);
  });

  it('keeps zeros, tiny numbers and outliers finite', async () => {
    const data = new Float32Array(4 * 64);
    data.fill(1e-9, 64, 128);
    data.fill(1e-3, 128);
    data[200] = -5000;
    const { values } = await pack(dtype, data, 4, 64);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(values.subarray(0, 64)).toEqual(new Float32Array(64));
    expect(values[200]! / -5000).toBeCloseTo(1, 2);
  });

  it('takes the bytes that its layout says', () => {
    const bits = { f16: 16, int8: 8.5, int4: 4.5 }[dtype];
    expect((matrixLayout(dtype, 896, 896).bytes * 8) / 896 ** 2).toBe(bits);
    expect(() => matrixLayout(dtype, 3, 6)).toThrow(/multiples of 4/);
  });

  it.each([
    [1, 36, 7],
    [3, 68, 12],
    [9, 64, 70],
    [21, 100, 33],
  ])('multiplies %i tokens of %i by %i outputs as f32 does the unpacked weights, to the bit', async (T, I, O) => {
    const { matrix, values } = await pack(dtype, random(O * I), O, I);
    const [x, rank] = [gpu.upload('x', random(T * I)), 8];
    const slot = gpu.upload(
      'slot',
      Uint32Array.from({ length: T }, (_, t) => (t % 3 === 2 ? 0xffffffff : t % 2)),
    );
    const slotElements = O * rank;
    const lora: LoraExpansion = {
      xa: gpu.upload('xa', random(T * rank)),
      pool: gpu.upload('pool', random(2 * slotElements)),
      slot,
      rank,
      slotElements,
      offset: 0,
    };
    const more = { bias: gpu.upload('bias', random(O)), residual: gpu.upload('residual', random(T * O)), lora };
    for (const extra of [{}, more]) {
      const [packed, plain] = [gpu.buffer('y', T * O * 4), gpu.buffer('y', T * O * 4)];
      const weight = f32Matrix(gpu, values, O, I);
      run((program) => encodeLinear(gpu, program, { tokens: T, x, weight: matrix, y: packed, ...extra }));
      run((program) => encodeLinear(gpu, program, { tokens: T, x, weight, y: plain, ...extra }));
      expect(await readF32(packed)).toEqual(await readF32(plain));
    }
  });

  it.each([
    [4, 36, 8],
    [12, 64, 72],
    [20, 100, 37],
  ])('takes the gradient of %i tokens through [%i ← %i] as f32 does', async (T, I, O) => {
    const { matrix, values } = await pack(dtype, random(O * I), O, I);
    const [dy, start, rank] = [gpu.upload('dy', random(T * O)), random(T * I), 4];
    const slotElements = rank * I;
    const lora: LoraPath = {
      dxa: gpu.upload('dxa', random(T * rank)),
      pool: gpu.upload('pool', random(2 * slotElements)),
      slot: gpu.upload(
        'slot',
        Uint32Array.from({ length: T }, (_, t) => Math.floor(t / 4) % 2),
      ),
      rank,
      slotElements,
      offset: 0,
    };
    const [packed, plain] = [gpu.upload('dx', start), gpu.upload('dx', start)];
    const weight = f32Matrix(gpu, values, O, I);
    const job = { tokens: T, dy, lora, accumulate: true };
    run((program) => encodeLinearBackwardInput(gpu, program, { ...job, weight: matrix, dx: packed }));
    run((program) => encodeLinearBackwardInput(gpu, program, { ...job, weight, dx: plain }));
    const [a, b] = [await readF32(packed), await readF32(plain)];
    // The scalar f32 kernel, for odd widths, may add LoRA's terms in another order.
    if (O % 4 === 0) expect(a).toEqual(b);
    else a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 4));
  });
});
