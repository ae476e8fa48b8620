/** What the tests of the backward kernels share: random numbers, a small batch of two adapters, attention in 64 bits. */

import { expect } from 'vitest';
import { attentionTile } from '../../src/engine/gpu/attention';
import { TRACK_WORDS } from '../../src/engine/buffers';
import type { BackwardParts } from '../../src/engine/gpu/backward';
import type { Gpu } from '../../src/engine/gpu/device';
import { AdapterLayout } from '../../src/engine/gpu/layout';
import { PROJECTIONS, type ModelConfig } from '../../src/engine/types';
import { drawUniform } from '../../src/random';

let stream = 0;
/** `count` numbers in (−1, 1), other ones at every call. */
export function random(count: number): Float32Array {
  const name = { seed: 5, stream: ++stream };
  return Float32Array.from({ length: count }, (_, i) => 2 * drawUniform(name, i) - 1);
}

export async function readF32(gpu: Gpu, buffer: GPUBuffer): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer));
}

/** Largest difference as a share of the largest expected magnitude. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBeGreaterThanOrEqual(expected.length);
  let difference = 0;
  let magnitude = 1e-30;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i] - expected[i]);
    difference = Math.max(difference, Number.isFinite(distance) ? distance : Infinity);
    magnitude = Math.max(magnitude, Math.abs(expected[i]));
  }
  return difference / magnitude;
}

export function configOf(changes: Partial<ModelConfig>): ModelConfig {
  return {
    modelType: 'llama',
    hiddenSize: 20,
    intermediateSize: 28,
    numLayers: 1,
    numHeads: 4,
    numKvHeads: 2,
    headDim: 6,
    vocabSize: 11,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: null,
    qkvBias: false,
    qkNorm: false,
    tieWordEmbeddings: true,
    maxPositions: 64,
    bosTokenId: null,
    eosTokenIds: [],
    ...changes,
  };
}

/** Two tracks (slots 2 and 0 of 3) of 16 and 8 tokens; rows of 16, 5 and 3 tokens. */
export const SLOTS = 3;
export const T = 24;
const ROW_LENGTHS = [16, 5, 3];
const TRACKS = [
  { slot: 2, first: 0, count: 16, firstTarget: 0, targets: 3 },
  { slot: 0, first: 16, count: 8, firstTarget: 3, targets: 2 },
];
export const SLOT_OF = Uint32Array.from({ length: T }, (_, t) => (t < 16 ? 2 : 0));
export const SCALE = Float32Array.from([0.5, 1, 2]);

export interface Fixture {
  parts: BackwardParts;
  pool: Float32Array;
  pos: number[];
  /** first token and end of each token's row */
  rows: [number, number][];
}

export function makeParts(gpu: Gpu, config: ModelConfig, rank: number): Fixture {
  const layout = new AdapterLayout(config, rank);
  const pool = random(SLOTS * layout.slotElements);
  const zeros = () => gpu.upload('zeros', new Float32Array(pool.length));
  const rows: [number, number][] = [];
  for (const length of ROW_LENGTHS) {
    const first = rows.length;
    for (let i = 0; i < length; i++) rows.push([first, first + length]);
  }
  const tile = attentionTile(gpu);
  const tiles = rows.flatMap(([first, end], t) => ((t - first) % tile === 0 ? [[t, first, end, 0]] : []));
  tiles.push([0, 0, 0, 0]);
  const pos = rows.map(([first], t) => t - first);
  const tracks = new Uint32Array(TRACKS.length * TRACK_WORDS);
  TRACKS.forEach((t, g) => tracks.set([t.slot, t.first, t.count, t.firstTarget, t.targets], g * TRACK_WORDS));
  const queries = config.numHeads * config.headDim;
  const keys = config.numKvHeads * config.headDim;
  const make = (width: number) => gpu.upload('gradient', random(T * width));
  const half = config.headDim / 2;
  const turns = new Float32Array(config.maxPositions * config.headDim);
  for (let position = 0; position < config.maxPositions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * config.ropeTheta ** (-i / half);
      turns.set([Math.cos(angle), Math.sin(angle)], (position * half + i) * 2);
    }
  }
  const parts: BackwardParts = {
    gpu,
    config,
    pool: {
      layout,
      dtype: 'f32',
      weights: gpu.upload('pool', pool),
      gradients: zeros(),
      m: zeros(),
      v: zeros(),
      scale: gpu.upload('scale', SCALE),
    },
    tokens: {
      count: T,
      slot: gpu.upload('slot', SLOT_OF),
      pos: gpu.upload('pos', Uint32Array.from(pos)),
      tiles: gpu.upload('tiles', Uint32Array.from(tiles.flat())),
      tileCount: tiles.length,
      trackCount: TRACKS.length,
      tracks: gpu.upload('tracks', tracks),
      results: gpu.upload('results', new Float32Array(TRACKS.length * 3)),
    },
    gradients: {
      hidden: make(config.hiddenSize),
      normed: make(config.hiddenSize),
      attn: make(queries),
      q: make(queries),
      k: make(keys),
      v: make(keys),
      qRaw: null,
      kRaw: null,
      gate: make(config.intermediateSize),
      up: make(config.intermediateSize),
      dxa: make(layout.rank),
      stats: make(config.numHeads * 2),
    },
    turns: gpu.upload('turns', turns),
    targets: new Set(PROJECTIONS),
  };
  return { parts, pool, pos, rows };
}

/** Causal attention with RoPE in 64 bits: q, k before RoPE. Returns Σ weights · output and what the kernels are given. */
export function attentionForward(
  config: ModelConfig,
  fixture: Fixture,
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
) {
  const { numHeads: H, numKvHeads: K, headDim: D } = config;
  const turn = (x: Float64Array, heads: number) => {
    const y = new Float64Array(x.length);
    for (let t = 0; t < T; t++)
      for (let h = 0; h < heads; h++)
        for (let i = 0; i < D / 2; i++) {
          const angle = fixture.pos[t] * config.ropeTheta ** ((-2 * i) / D);
          const at = (t * heads + h) * D + i;
          y[at] = x[at] * Math.cos(angle) - x[at + D / 2] * Math.sin(angle);
          y[at + D / 2] = x[at + D / 2] * Math.cos(angle) + x[at] * Math.sin(angle);
        }
    return y;
  };
  const [rq, rk] = [turn(q, H), turn(k, K)];
  const out = new Float64Array(T * H * D);
  const lse = new Float64Array(T * H);
  for (let t = 0; t < T; t++)
    for (let h = 0; h < H; h++) {
      const kv = Math.floor(h / (H / K));
      const [first] = fixture.rows[t];
      const scores: number[] = [];
      for (let j = first; j <= t; j++) {
        let score = 0;
        for (let d = 0; d < D; d++) score += rq[(t * H + h) * D + d] * rk[(j * K + kv) * D + d];
        scores.push(score / Math.sqrt(D));
      }
      lse[t * H + h] = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0));
      scores.forEach((score, i) => {
        const p = Math.exp(score - lse[t * H + h]);
        for (let d = 0; d < D; d++) out[(t * H + h) * D + d] += p * v[((first + i) * K + kv) * D + d];
      });
    }
  return { rq, rk, out, lse };
}
