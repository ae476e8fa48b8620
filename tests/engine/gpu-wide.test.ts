/**
 * The kernels made for GPUs against a plain computation in 64 bits, on random numbers and odd sizes, and that a token's bits
 * do not depend on its company. They are correct on any device; here a software driver is told to use them.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/device';
import { encodeRmsNorm, encodeRmsNormBackward } from '../../src/engine/gpu/norm';
import { Program } from '../../src/engine/gpu/program';
import { random, readF32, relativeError } from './backwardFixture';
import { openTestGpu } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu({ tiles: 'gpu' });
});

function run(record: (program: Program) => void): void {
  const program = new Program(gpu, 'test');
  record(program);
  program.submit();
}

/** Widths of the norm per head and of hidden states; more rows than one workgroup has. */
const NORMS = [
  { rows: 9, width: 6 },
  { rows: 7, width: 64 },
  { rows: 5, width: 80 },
  { rows: 6, width: 128 },
  { rows: 3, width: 257 },
  { rows: 2, width: 2048 },
  { rows: 1, width: 896 },
];

describe('rmsnorm_forward_wide', () => {
  it.each(NORMS)('is the norm, the same for a row alone: $rows × $width', async ({ rows, width }) => {
    const eps = 1e-3;
    const x = random(rows * width).map((value, i) => value * (1 + Math.floor(i / width)));
    const gain = random(width);
    const norm = async (input: Float32Array, count: number): Promise<Float32Array> => {
      const y = gpu.buffer('y', input.length * 4);
      const buffers = { x: gpu.upload('x', input), gain: gpu.upload('gain', gain), y };
      run((program) => encodeRmsNorm(gpu, program, { rows: count, width, eps }, buffers));
      return readF32(gpu, y);
    };
    const together = await norm(x, rows);
    for (let row = 0; row < rows; row++) {
      const line = x.subarray(row * width, (row + 1) * width);
      const squares = line.reduce((sum, value) => sum + value * value, 0);
      const wanted = Array.from(line, (value, i) => (gain[i]! * value) / Math.sqrt(squares / width + eps));
      const found = together.subarray(row * width, (row + 1) * width);
      expect(relativeError(found, wanted), `row ${row}`).toBeLessThan(1e-5);
    }
    const last = rows - 1;
    expect(await norm(x.slice(last * width), 1)).toEqual(together.slice(last * width));
  });
});

describe('rmsnorm_backward_wide', () => {
  it.each(NORMS)('is the gradient by the input, added or not: $rows × $width', async ({ rows, width }) => {
    const eps = 1e-3;
    const [x, dy, before] = [rows * width, rows * width, rows * width].map(random) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const gain = random(width);
    const wanted = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      let squares = 0;
      let product = 0;
      for (let i = 0; i < width; i++) {
        squares += x[row * width + i]! ** 2;
        product += gain[i]! * dy[row * width + i]! * x[row * width + i]!;
      }
      const r = 1 / Math.sqrt(squares / width + eps);
      for (let i = 0; i < width; i++) {
        const at = row * width + i;
        wanted[at] = r * gain[i]! * dy[at]! - (r ** 3 * x[at]! * product) / width;
      }
    }
    const [input, weight, gradient] = [gpu.upload('x', x), gpu.upload('gain', gain), gpu.upload('dy', dy)];
    for (const accumulate of [false, true]) {
      const dx = gpu.upload('dx', before);
      const buffers = { x: input, gain: weight, dy: gradient, dx };
      run((program) => encodeRmsNormBackward(gpu, program, { rows, width, eps }, buffers, accumulate));
      const sum = wanted.map((value, i) => value + (accumulate ? before[i]! : 0));
      expect(relativeError(await readF32(gpu, dx), sum)).toBeLessThan(1e-5);
    }
  });
});
