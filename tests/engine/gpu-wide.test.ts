/**
 * The kernels made for GPUs against a plain computation in 64 bits, on random numbers and odd sizes, and that a token's bits
 * do not depend on its company. They are correct on any device; here a software driver is told to use them.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import {
  attentionTile,
  encodeAttention,
  encodeAttentionBackward,
  wideShape,
  type HeadShape,
} from '../../src/engine/gpu/attention';
import type { BackwardParts } from '../../src/engine/gpu/backward';
import type { Gpu } from '../../src/engine/gpu/device';
import type { LayerActivations } from '../../src/engine/gpu/forward';
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

/** Lengths of rows in training: several tiles, a tile and one token, less than a tile. */
const ROW_LENGTHS = [71, 33, 5];

describe('attention backward of rows of several tiles', () => {
  it.each([
    { numHeads: 7, numKvHeads: 1, headDim: 64 },
    { numHeads: 4, numKvHeads: 2, headDim: 128 },
    { numHeads: 2, numKvHeads: 2, headDim: 80 },
    { numHeads: 2, numKvHeads: 1, headDim: 256 },
    { numHeads: 4, numKvHeads: 2, headDim: 6 },
  ])('$numHeads heads over $numKvHeads of $headDim', async (shape) => {
    const { numHeads: H, numKvHeads: K, headDim: D } = shape;
    const T = ROW_LENGTHS.reduce((a, b) => a + b);
    const q = random(T * H * D).map((value) => 2 * value);
    const [dout, k, v] = [random(T * H * D), random(T * K * D), random(T * K * D)];
    const rows = ROW_LENGTHS.map((length, r) => ({
      first: ROW_LENGTHS.slice(0, r).reduce((a, b) => a + b, 0),
      length,
    }));
    const gradients = async (chosen: typeof rows): Promise<Float32Array[]> => {
      const part = (data: ArrayLike<number>, width: number): GPUBuffer =>
        gpu.upload(
          'rows',
          Float32Array.from(
            chosen.flatMap(({ first, length }) =>
              Array.from({ length: length * width }, (_, i) => data[first * width + i]!),
            ),
          ),
        );
      const wanted = rows.map(({ first, length }) => exactBackward({ q, k, v, dout }, shape, first, length));
      const [out, lse] = (['out', 'lse'] as const).map((name) => wanted.flatMap((row) => [...row[name]]));
      const count = chosen.reduce((sum, { length }) => sum + length, 0);
      const { parts, result } = backwardParts(
        shape,
        chosen.map(({ length }) => length),
        part(dout, H * D),
      );
      const saved = {
        q: part(q, H * D),
        k: part(k, K * D),
        v: part(v, K * D),
        attn: part(out!, H * D),
        lse: part(lse!, H),
      };
      run((program) => encodeAttentionBackward(parts, program, saved as LayerActivations));
      const found = [await readF32(gpu, result.q), await readF32(gpu, result.k), await readF32(gpu, result.v)];
      let at = 0;
      for (const { first, length } of chosen) {
        const exact = wanted[rows.findIndex((row) => row.first === first)]!;
        [exact.dq, exact.dk, exact.dv].forEach((numbers, i) => {
          const width = i === 0 ? H * D : K * D;
          const slice = found[i]!.subarray(at * width, (at + length) * width);
          expect(relativeError(slice, numbers), `${'qkv'[i]} of the row at ${first}`).toBeLessThan(1e-5);
        });
        at += length;
      }
      expect(at).toBe(count);
      return found;
    };
    const together = await gradients(rows);
    const alone = await gradients(rows.slice(1, 2));
    const { first, length } = rows[1]!;
    alone.forEach((numbers, i) => {
      const width = i === 0 ? H * D : K * D;
      expect(numbers).toEqual(together[i]!.slice(first * width, (first + length) * width));
    });
  });
});

/** Rows of these lengths as a training batch; RoPE turns by nothing. */
function backwardParts(shape: HeadShape, lengths: number[], dout: GPUBuffer) {
  const tile = attentionTile(gpu);
  const tiles: number[] = [];
  const pos: number[] = [];
  for (const length of lengths) {
    const first = pos.length;
    for (let t = 0; t < length; t++) {
      if (t % tile === 0) tiles.push(first + t, first, first + length, 0);
      pos.push(t);
    }
  }
  tiles.push(0, 0, 0, 0);
  const { numHeads: H, numKvHeads: K, headDim: D } = shape;
  const make = (width: number): GPUBuffer => gpu.buffer('gradient', pos.length * width * 4);
  const result = { q: make(H * D), k: make(K * D), v: make(K * D) };
  const longest = Math.max(...lengths);
  const parts = {
    gpu,
    config: configOf(shape),
    tokens: {
      count: pos.length,
      pos: gpu.upload('pos', Uint32Array.from(pos)),
      tiles: gpu.upload('tiles', Uint32Array.from(tiles)),
      tileCount: tiles.length / 4,
    },
    gradients: { ...result, attn: dout, stats: make(2 * H) },
    turns: gpu.upload(
      'turns',
      Float32Array.from({ length: longest * D }, (_, i) => 1 - (i % 2)),
    ),
  };
  return { parts: parts as unknown as BackwardParts, result };
}

interface BackwardInputs {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  dout: Float32Array;
}

/** Output, lse and gradients of the tokens first … first + length − 1, a row, in 64 bits. */
function exactBackward({ q, k, v, dout }: BackwardInputs, shape: HeadShape, first: number, length: number) {
  const { numHeads: H, numKvHeads: K, headDim: D } = shape;
  const [out, dq] = [new Float64Array(length * H * D), new Float64Array(length * H * D)];
  const [dk, dv] = [new Float64Array(length * K * D), new Float64Array(length * K * D)];
  const lse = new Float64Array(length * H);
  const dot = (a: Float32Array, i: number, b: Float32Array, j: number): number => {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += a[i * D + d]! * b[j * D + d]!;
    return sum;
  };
  for (let t = 0; t < length; t++) {
    for (let h = 0; h < H; h++) {
      const query = (first + t) * H + h;
      const keyOf = (j: number): number => j * K + Math.floor(h / (H / K));
      const scores = Array.from({ length: t + 1 }, (_, j) => dot(q, query, k, first * K + keyOf(j)) / Math.sqrt(D));
      const highest = Math.max(...scores);
      const denominator = scores.reduce((sum, score) => sum + Math.exp(score - highest), 0);
      const weights = scores.map((score) => Math.exp(score - highest) / denominator);
      lse[t * H + h] = highest + Math.log(denominator);
      const dp = weights.map((_, j) => dot(dout, query, v, first * K + keyOf(j)));
      const delta = weights.reduce((sum, weight, j) => sum + weight * dp[j]!, 0);
      weights.forEach((weight, j) => {
        const ds = (weight * (dp[j]! - delta)) / Math.sqrt(D);
        for (let d = 0; d < D; d++) {
          const [mine, theirs] = [(t * H + h) * D + d, keyOf(j) * D + d];
          out[mine]! += weight * v[first * K * D + theirs]!;
          dv[theirs]! += weight * dout[query * D + d]!;
          dq[mine]! += ds * k[first * K * D + theirs]!;
          dk[theirs]! += ds * q[query * D + d]!;
        }
      });
    }
  }
  return { out, lse, dq, dk, dv };
}
