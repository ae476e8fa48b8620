/** The kernels for attention's gradients made for GPUs against a plain computation in 64 bits, on rows of several tiles. */

import { beforeAll, describe, expect, it } from 'vitest';
import type { LayerActivations } from '../../src/engine/gpu/activations';
import { attentionTile, encodeAttentionBackward, type HeadShape } from '../../src/engine/gpu/attention';
import type { BackwardParts } from '../../src/engine/gpu/backward';
import type { Gpu } from '../../src/engine/gpu/device';
import { Program } from '../../src/engine/gpu/program';
import { configOf, random, readF32, relativeError } from './backwardFixture';
import { openTestGpu } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu({ tiles: 'gpu' });
});

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
      const program = new Program(gpu, 'test');
      encodeAttentionBackward(parts, program, saved as LayerActivations);
      program.submit();
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
