/**
 * The kernels made for GPUs against a plain computation in 64 bits, on random numbers and odd sizes, and that a token's bits
 * do not depend on its company. They are correct on any device; here a software driver is told to use them.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { encodeAttention, wideShape, type HeadShape } from '../../src/engine/gpu/attention';
import type { Gpu } from '../../src/engine/gpu/device';
import { encodeRmsNorm, encodeRmsNormBackward } from '../../src/engine/gpu/norm';
import { Program } from '../../src/engine/gpu/program';
import { configOf, random, readF32, relativeError } from './backwardFixture';
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

/** Rows of a cache with room for `LENGTH` positions, the last row first, and tokens of all rows mixed. */
const LENGTH = 704;
const ROW_BASE = [2 * LENGTH, 0, LENGTH];
const TOKENS = [
  { row: 0, pos: 0 },
  { row: 2, pos: 700 },
  { row: 1, pos: 63 },
  { row: 0, pos: 1 },
  { row: 1, pos: 64 },
  { row: 2, pos: 5 },
  { row: 0, pos: 130 },
];

interface Attention {
  out: Float32Array;
  lse: Float32Array;
}

/** Heads as models have them: Qwen2.5 14 over 2, SmolLM2 9 over 3, Llama 4 a group, and some that nobody has. */
const SHAPES: HeadShape[] = [
  { numHeads: 14, numKvHeads: 2, headDim: 64 },
  { numHeads: 9, numKvHeads: 3, headDim: 64 },
  { numHeads: 4, numKvHeads: 2, headDim: 128 },
  { numHeads: 2, numKvHeads: 2, headDim: 80 },
  { numHeads: 8, numKvHeads: 1, headDim: 256 },
  { numHeads: 11, numKvHeads: 1, headDim: 8 },
  { numHeads: 4, numKvHeads: 2, headDim: 6 },
  { numHeads: 3, numKvHeads: 1, headDim: 14 },
];

describe('attention of tokens of several rows', () => {
  it.each(SHAPES)('$numHeads heads over $numKvHeads of $headDim', async (shape) => {
    const { numHeads: H, numKvHeads: K, headDim: D } = shape;
    const q = random(TOKENS.length * H * D).map((value) => 3 * value);
    const [k, v] = [random(3 * LENGTH * K * D), random(3 * LENGTH * K * D)];
    // What lies past a row's last position must not matter.
    for (const cache of [k, v]) cache.fill(NaN, (2 * LENGTH + 131) * K * D);
    const [keys, values] = [gpu.upload('k', k), gpu.upload('v', v)];
    const attend = async (tokens: number[]): Promise<Attention> => {
      const queries = tokens.flatMap((t) => [...q.subarray(t * H * D, (t + 1) * H * D)]);
      const upload = (numbers: number[]): GPUBuffer => gpu.upload('list', Uint32Array.from(numbers));
      const list = {
        count: tokens.length,
        row: upload(tokens.map((t) => TOKENS[t]!.row)),
        pos: upload(tokens.map((t) => TOKENS[t]!.pos)),
        rowBase: upload(ROW_BASE),
      };
      const acts = {
        q: gpu.upload('q', Float32Array.from(queries)),
        k: keys,
        v: values,
        attn: gpu.buffer('attn', tokens.length * H * D * 4),
        lse: gpu.buffer('lse', tokens.length * H * 4),
      };
      run((program) => encodeAttention({ gpu, config: configOf(shape) }, program, list, acts));
      return { out: await readF32(gpu, acts.attn), lse: await readF32(gpu, acts.lse) };
    };
    const together = await attend(TOKENS.map((_, t) => t));
    TOKENS.forEach((_, t) => {
      const wanted = exactAttention(q, k, v, shape, t);
      expect(relativeError(together.out.subarray(t * H * D, (t + 1) * H * D), wanted.out), `token ${t}`).toBeLessThan(
        1e-5,
      );
      expect(relativeError(together.lse.subarray(t * H, (t + 1) * H), wanted.lse), `lse ${t}`).toBeLessThan(1e-5);
    });
    for (const t of [1, 4, 6]) {
      const alone = await attend([t]);
      expect(alone.out, `token ${t}`).toEqual(together.out.slice(t * H * D, (t + 1) * H * D));
      expect(alone.lse, `lse ${t}`).toEqual(together.lse.slice(t * H, (t + 1) * H));
    }
  });

  it('takes the largest groups of heads that fit in 16 KiB', () => {
    expect(SHAPES.filter(({ headDim }) => headDim % 4 === 0).map(wideShape)).toEqual([
      { group: 7, splits: 8 },
      { group: 3, splits: 8 },
      { group: 2, splits: 4 },
      { group: 1, splits: 4 },
      { group: 4, splits: 2 },
      { group: 1, splits: 16 },
    ]);
  });
});

/** Attention of token t in 64 bits. */
function exactAttention(q: Float32Array, k: Float32Array, v: Float32Array, shape: HeadShape, t: number) {
  const { numHeads: H, numKvHeads: K, headDim: D } = shape;
  const { row, pos } = TOKENS[t]!;
  const out = new Float64Array(H * D);
  const lse = new Float64Array(H);
  for (let h = 0; h < H; h++) {
    const scores: number[] = [];
    const at = (j: number): number => ((ROW_BASE[row]! + j) * K + Math.floor(h / (H / K))) * D;
    for (let j = 0; j <= pos; j++) {
      let score = 0;
      for (let d = 0; d < D; d++) score += q[(t * H + h) * D + d]! * k[at(j) + d]!;
      scores.push(score / Math.sqrt(D));
    }
    const highest = Math.max(...scores);
    lse[h] = highest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - highest), 0));
    scores.forEach((score, j) => {
      const weight = Math.exp(score - lse[h]!);
      for (let d = 0; d < D; d++) out[h * D + d]! += weight * v[at(j) + d]!;
    });
  }
  return { out, lse };
}
