/** Every backward kernel against a plain computation in 64 bits, on random numbers and odd sizes. */

import { beforeAll, describe, expect, it } from 'vitest';
import type { LayerActivations } from '../../src/engine/gpu/activations';
import { encodeAttentionBackward } from '../../src/engine/gpu/attention';
import {
  encodeCrossEntropy,
  encodeProjectionBackward,
  encodeSwigluBackward,
  encodeTrackLoss,
  TOKEN_TILE,
} from '../../src/engine/gpu/backward';
import type { Gpu } from '../../src/engine/gpu/device';
import { encodeLinearBackwardInput } from '../../src/engine/gpu/linear';
import { encodeRmsNormBackward } from '../../src/engine/gpu/norm';
import { NORM_CHUNKS } from '../../src/engine/buffers';
import { projectionShape } from '../../src/engine/config';
import { encodeAdamW, encodeGradientNorm, packSteps } from '../../src/engine/gpu/optimiser';
import { Program } from '../../src/engine/gpu/program';
import { DEFAULT_OPTIMISER, type ModelConfig, type Projection } from '../../src/engine/types';
import {
  attentionForward,
  configOf,
  makeParts,
  random,
  readF32,
  relativeError,
  SCALE,
  SLOT_OF,
  T,
} from './backwardFixture';
import { f32Matrix, openTestGpu } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

function run(record: (program: Program) => void): void {
  const program = new Program(gpu, 'test');
  record(program);
  program.submit();
}

describe('linear_backward_input', () => {
  it.each([
    { in: 4, out: 4 },
    { in: 36, out: 20 },
    { in: 300, out: 8 },
    { in: 7, out: 13 },
    { in: 36, out: 37 },
    { in: 70, out: 4 },
  ])('is dY · W and adds where asked: $in ← $out', async (shape) => {
    const tokens = 2 * TOKEN_TILE;
    const dy = random(tokens * shape.out);
    const weight = random(shape.out * shape.in);
    const dx = random(tokens * shape.in);
    const matrix = f32Matrix(gpu, weight, shape.out, shape.in);
    const buffers = { dy: gpu.upload('dy', dy), weight: matrix, dx: gpu.upload('dx', dx) };
    run((program) => {
      encodeLinearBackwardInput(gpu, program, { tokens, ...buffers, lora: null, accumulate: true });
    });
    const expected = Array.from(dx, Number);
    for (let t = 0; t < tokens; t++)
      for (let o = 0; o < shape.out; o++)
        for (let i = 0; i < shape.in; i++)
          expected[t * shape.in + i] += dy[t * shape.out + o] * weight[o * shape.in + i];
    expect(relativeError(await readF32(gpu, buffers.dx), expected)).toBeLessThan(1e-5);
  });
});

describe('a projection with LoRA', () => {
  it.each([
    { changes: {}, projection: 'gate_proj', rank: 8 },
    { changes: {}, projection: 'down_proj', rank: 3 },
    { changes: { headDim: 14, numHeads: 3, numKvHeads: 3 }, projection: 'k_proj', rank: 12 },
    { changes: { hiddenSize: 18, intermediateSize: 23 }, projection: 'up_proj', rank: 4 },
    { changes: { hiddenSize: 18, intermediateSize: 23 }, projection: 'down_proj', rank: 5 },
  ] as { changes: Partial<ModelConfig>; projection: Projection; rank: number }[])(
    'gives dX, dA and dB per track: $projection, rank $rank, $changes',
    async ({ changes, projection, rank }) => {
      const config = configOf(changes);
      const { parts, pool } = makeParts(gpu, config, rank);
      const { layout } = parts.pool;
      const [outputs, inputs] = projectionShape(config, projection);
      const R = layout.rank;
      const [x, xa, dy, weight] = [T * inputs, T * R, T * outputs, outputs * inputs].map(random);
      const dx = gpu.buffer('dx', T * inputs * 4);
      run((program) => {
        encodeProjectionBackward(parts, program, {
          layer: 0,
          projection,
          weight: f32Matrix(gpu, weight, outputs, inputs),
          x: gpu.upload('x', x),
          xa: gpu.upload('xa', xa),
          dy: gpu.upload('dy', dy),
          dx,
          accumulate: false,
        });
      });
      const a = layout.offset(0, projection, 'A');
      const b = layout.offset(0, projection, 'B');
      const expectedDx = new Float64Array(T * inputs);
      const expectedGradient = new Float64Array(pool.length);
      for (let t = 0; t < T; t++) {
        const base = SLOT_OF[t] * layout.slotElements;
        for (let o = 0; o < outputs; o++) {
          const d = dy[t * outputs + o];
          for (let i = 0; i < inputs; i++) expectedDx[t * inputs + i] += d * weight[o * inputs + i];
          for (let r = 0; r < R; r++) expectedGradient[base + b + o * R + r] += d * xa[t * R + r];
        }
        for (let r = 0; r < R; r++) {
          let dxa = 0;
          for (let o = 0; o < outputs; o++) dxa += dy[t * outputs + o] * pool[base + b + o * R + r];
          dxa *= SCALE[SLOT_OF[t]];
          for (let i = 0; i < inputs; i++) {
            expectedDx[t * inputs + i] += dxa * pool[base + a + r * inputs + i];
            expectedGradient[base + a + r * inputs + i] += dxa * x[t * inputs + i];
          }
        }
      }
      expect(relativeError(await readF32(gpu, dx), expectedDx)).toBeLessThan(1e-5);
      expect(relativeError(await readF32(gpu, parts.pool.gradients), expectedGradient)).toBeLessThan(1e-5);
    },
  );
});

describe('rmsnorm_backward', () => {
  it.each([
    { rows: 5, width: 7 },
    { rows: 130, width: 64 },
  ])('is the gradient by the input: $rows × $width', async ({ rows, width }) => {
    const eps = 1e-3;
    const x = random(rows * width);
    const dy = random(rows * width);
    const gain = random(width);
    const dx = random(rows * width);
    const buffers = {
      x: gpu.upload('x', x),
      gain: gpu.upload('gain', gain),
      dy: gpu.upload('dy', dy),
      dx: gpu.upload('dx', dx),
    };
    run((program) => encodeRmsNormBackward(gpu, program, { rows, width, eps }, buffers, true));
    const expected = Array.from(dx, Number);
    for (let row = 0; row < rows; row++) {
      let squares = 0;
      let product = 0;
      for (let i = 0; i < width; i++) {
        squares += x[row * width + i] ** 2;
        product += gain[i] * dy[row * width + i] * x[row * width + i];
      }
      const r = 1 / Math.sqrt(squares / width + eps);
      for (let i = 0; i < width; i++) {
        const at = row * width + i;
        expected[at] += r * gain[i] * dy[at] - (r ** 3 * x[at] * product) / width;
      }
    }
    expect(relativeError(await readF32(gpu, buffers.dx), expected)).toBeLessThan(1e-5);
  });
});

describe('swiglu_backward', () => {
  it('is the gradient by gate and up', async () => {
    const config = configOf({ intermediateSize: 71 });
    const { parts } = makeParts(gpu, config, 4);
    const [gate, up] = [random(T * 71), random(T * 71)];
    const dact = await readF32(gpu, parts.gradients.gate);
    const saved = { gate: gpu.upload('gate', gate), up: gpu.upload('up', up) } as LayerActivations;
    run((program) => encodeSwigluBackward(parts, program, saved));
    const sigma = (z: number) => 1 / (1 + Math.exp(-z));
    const dgate = Array.from(dact, (d, i) => d * up[i] * sigma(gate[i]) * (1 + gate[i] * (1 - sigma(gate[i]))));
    const dup = Array.from(dact, (d, i) => d * gate[i] * sigma(gate[i]));
    expect(relativeError(await readF32(gpu, parts.gradients.gate), dgate)).toBeLessThan(1e-5);
    expect(relativeError(await readF32(gpu, parts.gradients.up), dup)).toBeLessThan(1e-5);
  });
});

describe('attention_backward and rope_backward', () => {
  it.each([
    { numHeads: 4, numKvHeads: 2, headDim: 6 },
    { numHeads: 3, numKvHeads: 1, headDim: 14 },
    { numHeads: 2, numKvHeads: 2, headDim: 24 },
  ])('agree with finite differences: $numHeads/$numKvHeads × $headDim', async (changes) => {
    const config = configOf(changes);
    const fixture = makeParts(gpu, config, 4);
    const { gradients } = fixture.parts;
    const { numHeads: H, numKvHeads: K, headDim: D } = config;
    const inputs = [T * H * D, T * K * D, T * K * D].map((count) => Float64Array.from(random(count), (x) => 2 * x));
    const [q, k, v] = inputs;
    const dout = await readF32(gpu, gradients.attn);
    const { rq, rk, out, lse } = attentionForward(config, fixture, q, k, v);
    const up = (data: Float64Array) => gpu.upload('saved', Float32Array.from(data));
    const saved = { q: up(rq), k: up(rk), v: up(v), attn: up(out), lse: up(lse) } as LayerActivations;
    run((program) => encodeAttentionBackward(fixture.parts, program, saved));

    const loss = () => {
      const result = attentionForward(config, fixture, q, k, v).out;
      return result.reduce((sum, value, i) => sum + value * dout[i], 0);
    };
    const actual = [await readF32(gpu, gradients.q), await readF32(gpu, gradients.k), await readF32(gpu, gradients.v)];
    inputs.forEach((input, which) => {
      const places = Array.from({ length: 40 }, (_, i) => (i * 7919) % input.length);
      const expected = places.map((at) => {
        const value = input[at];
        input[at] = value + 1e-4;
        const above = loss();
        input[at] = value - 1e-4;
        const below = loss();
        input[at] = value;
        return (above - below) / 2e-4;
      });
      const found = places.map((at) => actual[which][at]);
      expect(relativeError(found, expected)).toBeLessThan(2e-5);
    });
  });
});

describe('cross_entropy and track_loss', () => {
  it.each([24, 37, 512, 1733, 17_001])('give losses and dLogits in place, V = %d', async (V) => {
    const { parts } = makeParts(gpu, configOf({}), 4);
    const count = 5;
    const logits = random(count * V).map((x) => 20 * x);
    const ids = [3, V - 1, 0, 7, 11];
    const weights = [0.5, 0.25, 1, 0, 2];
    const targets = new Uint32Array(count * 2);
    const bits = new Float32Array(targets.buffer);
    ids.forEach((id, n) => {
      targets[2 * n] = id;
      bits[2 * n + 1] = weights[n];
    });
    const buffers = {
      logits: gpu.upload('logits', logits),
      targets: gpu.upload('targets', targets),
      loss: gpu.buffer('loss', count * 4),
    };
    const second = gpu.upload('second block', logits.slice(3 * V));
    run((program) => {
      encodeCrossEntropy(program, { vocabulary: V, first: 0, count: 3 }, buffers);
      encodeCrossEntropy(program, { vocabulary: V, first: 3, count: 2 }, { ...buffers, logits: second });
      encodeTrackLoss(parts.tokens, program, buffers.loss);
    });
    const expected = new Float64Array(count * V);
    const losses = ids.map((id, n) => {
      const row = Array.from(logits.subarray(n * V, (n + 1) * V), Number);
      const lse = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
      row.forEach((z, i) => (expected[n * V + i] = weights[n] * (Math.exp(z - lse) - (i === id ? 1 : 0))));
      return weights[n] * (lse - row[id]);
    });
    const results = await readF32(gpu, parts.tokens.results);
    expect(relativeError(await readF32(gpu, buffers.loss), losses)).toBeLessThan(1e-5);
    expect(results[0]).toBeCloseTo(losses[0] + losses[1] + losses[2], 4);
    expect(results[2]).toBeCloseTo(losses[3] + losses[4], 4);
    const first = (await readF32(gpu, buffers.logits)).subarray(0, 3 * V);
    expect(relativeError(first, expected.subarray(0, 3 * V))).toBeLessThan(1e-5);
    expect(relativeError(await readF32(gpu, second), expected.subarray(3 * V))).toBeLessThan(1e-5);
  });
});

describe('gradient norm and adamw', () => {
  it.each([null, 0.7])('update every track by its own step, clip %s', async (clip) => {
    const { parts, pool: before } = makeParts(gpu, configOf({}), 6);
    const { pool, tokens } = parts;
    const P = pool.layout.slotElements;
    const [gradient, m, v] = [random(before.length), random(before.length), random(before.length).map(Math.abs)];
    gpu.write(pool.gradients, gradient);
    gpu.write(pool.m, m);
    gpu.write(pool.v, v);
    const settings = { ...DEFAULT_OPTIMISER, weightDecay: 0.1, clip };
    const trackSteps = [
      { slot: 2, lr: 0.1, update: 1 },
      { slot: 0, lr: 0.02, update: 7 },
    ];
    const steps = gpu.upload('steps', packSteps(trackSteps, settings, 2));
    const partials = gpu.buffer('partials', 2 * NORM_CHUNKS * 4);
    run((program) => {
      encodeGradientNorm(pool, tokens, partials, program);
      encodeAdamW(pool, tokens, steps, settings, program);
    });
    const results = await readF32(gpu, tokens.results);
    const expected = Array.from(before, Number);
    trackSteps.forEach(({ slot, lr, update }, g) => {
      const norm = Math.sqrt(gradient.subarray(slot * P, slot * P + P).reduce((sum, x) => sum + x * x, 0));
      expect(Math.sqrt(results[2 * g + 1]) / norm).toBeCloseTo(1, 5);
      const factor = clip === null ? 1 : Math.min(1, clip / (norm + 1e-6));
      for (let i = slot * P; i < slot * P + P; i++) {
        const first = 0.9 * m[i] + 0.1 * gradient[i] * factor;
        const second = 0.999 * v[i] + 0.001 * (gradient[i] * factor) ** 2;
        const step = (lr * (first / (1 - 0.9 ** update))) / (Math.sqrt(second / (1 - 0.999 ** update)) + 1e-8);
        expected[i] = before[i] - lr * 0.1 * before[i] - step;
      }
    });
    expect(relativeError(await readF32(gpu, pool.weights), expected)).toBeLessThan(1e-5);
  });

  it('update all of an adapter that is larger than one dimension of a dispatch', async () => {
    const { parts } = makeParts(gpu, configOf({}), 4);
    const slotElements = 65535 * 256 + 64;
    const make = (label: string): GPUBuffer => gpu.buffer(label, slotElements * 4);
    const pools = { weights: make('weights'), gradients: make('gradients'), m: make('m'), v: make('v') };
    const ends = [0, slotElements - 64];
    for (const first of ends) gpu.write(pools.gradients, new Float32Array(64).fill(3), first * 4);
    const layout = { ...parts.pool.layout, slotElements } as typeof parts.pool.layout;
    const steps = gpu.upload('steps', packSteps([{ slot: 0, lr: 0.5, update: 1 }], DEFAULT_OPTIMISER, 1));
    run((program) => {
      const pool = { ...parts.pool, ...pools, layout };
      encodeAdamW(pool, { ...parts.tokens, trackCount: 1 }, steps, DEFAULT_OPTIMISER, program);
    });
    for (const first of ends) {
      // A first step is lr against the gradient's sign.
      for (const weight of new Float32Array(await gpu.read(pools.weights, first * 4, 64 * 4))) {
        expect(weight).toBeCloseTo(-0.5, 5);
      }
    }
    for (const buffer of Object.values(pools)) gpu.destroyBuffer(buffer);
  });
});
