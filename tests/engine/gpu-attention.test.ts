/**
 * Attention in both kinds of kernels over both formats of the cache, against a plain computation in 64 bits on the keys and values that
 * the format keeps; and that a token's bits do not depend on its company. The kernels are correct on any device.
 */

import { beforeAll, describe, expect, it } from 'vitest';
import { encodeAttention, hasWide, wideShape, type HeadShape, type SplitKeys } from '../../src/engine/gpu/attention';
import type { Gpu } from '../../src/engine/gpu/device';
import { Program } from '../../src/engine/gpu/program';
import { quantiseValues } from '../../src/engine/reference/quantise';
import { CACHE_DTYPES, type CacheDtype } from '../../src/engine/types';
import { configOf, random, readF32, relativeError } from './backwardFixture';
import { openTestGpu } from './gpu';
import { halves } from './halves';

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
  // The last of a segment, and the first of the next.
  { row: 2, pos: 255 },
  { row: 2, pos: 256 },
  { row: 1, pos: 513 },
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

describe.each(['cpu', 'gpu'] as const)('attention of tokens of several rows, %s kernels', (tiles) => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await openTestGpu({ tiles });
  });
  describe.each(CACHE_DTYPES)('over a cache in %s', (cache) => {
    it.each(SHAPES)('$numHeads heads over $numKvHeads of $headDim', async (shape) => {
      const { numHeads: H, numKvHeads: K, headDim: D } = shape;
      const q = random(TOKENS.length * H * D).map((value) => 3 * value);
      const [k, v] = [random(3 * LENGTH * K * D), random(3 * LENGTH * K * D)];
      // What lies past a row's last position must not matter.
      for (const numbers of [k, v]) numbers.fill(NaN, (2 * LENGTH + 131) * K * D);
      const upload = (numbers: Float32Array): GPUBuffer =>
        gpu.upload('cache', cache === 'f16' ? halves(numbers) : numbers);
      const [keys, values] = [upload(k), upload(v)];
      const attend = async (tokens: number[], segments = 0): Promise<Attention> => {
        const queries = tokens.flatMap((t) => [...q.subarray(t * H * D, (t + 1) * H * D)]);
        const list = (numbers: number[]): GPUBuffer => gpu.upload('list', Uint32Array.from(numbers));
        const positions = {
          count: tokens.length,
          row: list(tokens.map((t) => TOKENS[t]!.row)),
          pos: list(tokens.map((t) => TOKENS[t]!.pos)),
          rowBase: list(ROW_BASE),
        };
        const acts = {
          q: gpu.upload('q', Float32Array.from(queries)),
          k: keys,
          v: values,
          cache,
          attn: gpu.buffer('attn', tokens.length * H * D * 4),
          lse: gpu.buffer('lse', tokens.length * H * 4),
        };
        const program = new Program(gpu, 'test');
        const split = segments === 0 ? null : splitKeys(gpu, tokens.length * H * segments, D, segments);
        encodeAttention({ gpu, config: configOf(shape) }, program, positions, acts, H * D, split);
        program.submit();
        return { out: await readF32(gpu, acts.attn), lse: await readF32(gpu, acts.lse) };
      };
      const [keptKeys, keptValues] = [kept(k, cache), kept(v, cache)];
      const together = await attend(TOKENS.map((_, t) => t));
      TOKENS.forEach((_, t) => {
        const wanted = exactAttention(q, keptKeys, keptValues, shape, t);
        const out = together.out.subarray(t * H * D, (t + 1) * H * D);
        expect(relativeError(out, wanted.out), `token ${t}`).toBeLessThan(1e-5);
        expect(relativeError(together.lse.subarray(t * H, (t + 1) * H), wanted.lse), `lse ${t}`).toBeLessThan(1e-5);
      });
      for (const t of [1, 4, 6]) {
        const alone = await attend([t]);
        expect(alone.out, `token ${t}`).toEqual(together.out.slice(t * H * D, (t + 1) * H * D));
        expect(alone.lse, `lse ${t}`).toEqual(together.lse.slice(t * H, (t + 1) * H));
      }
      // Keys split over workgroups, with room for more segments than there are.
      if (hasWide(gpu, D)) {
        for (const segments of [3, 4])
          expect(
            await attend(
              TOKENS.map((_, t) => t),
              segments,
            ),
          ).toEqual(together);
        expect((await attend([4], 1)).out).toEqual(together.out.slice(4 * H * D, 5 * H * D));
      }
      for (const buffer of [keys, values]) gpu.destroyBuffer(buffer);
    });
  });
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

function splitKeys(gpu: Gpu, parts: number, headDim: number, segments: number): SplitKeys {
  return {
    segments,
    sums: gpu.buffer('sums', parts * headDim * 4),
    softmax: gpu.buffer('softmax', parts * 8),
  };
}

/** What a cache in this format keeps. */
function kept(numbers: Float32Array, cache: CacheDtype): Float32Array {
  return cache === 'f32' ? numbers : quantiseValues(numbers, numbers.length, cache);
}

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
