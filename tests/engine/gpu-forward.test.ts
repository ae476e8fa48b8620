/** Every forward kernel against a plain computation in 64 bits, on random numbers and odd sizes. */

import { beforeAll, describe, expect, it } from 'vitest';
import { createTrainingActivations, type LayerActivations } from '../../src/engine/gpu/activations';
import type { Gpu } from '../../src/engine/gpu/device';
import {
  encodeEmbedding,
  encodeHead,
  encodeLayer,
  uploadTurns,
  type ForwardParts,
  type TokenList,
} from '../../src/engine/gpu/forward';
import { AdapterLayout, NO_SLOT } from '../../src/engine/gpu/layout';
import { Program } from '../../src/engine/gpu/program';
import { encodeLinear } from '../../src/engine/gpu/linear';
import { projectionShape, tensorShapes } from '../../src/engine/config';
import { PROJECTIONS, type HostTensor, type ModelConfig, type Projection } from '../../src/engine/types';
import { drawUniform } from '../../src/random';
import { configOf } from './backwardFixture';
import { f32Matrix, openTestGpu, loadWeights } from './gpu';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await openTestGpu();
});

let stream = 0;
/** `count` numbers in (−1, 1), other ones at every call. */
function random(count: number): Float32Array {
  const name = { seed: 6, stream: ++stream };
  return Float32Array.from({ length: count }, (_, i) => 2 * drawUniform(name, i) - 1);
}

async function readF32(buffer: GPUBuffer): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer));
}

function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  let difference = 0;
  let magnitude = 1e-30;
  for (let i = 0; i < wanted.length; i++) {
    const distance = Math.abs(actual[i]! - wanted[i]!);
    difference = Math.max(difference, Number.isFinite(distance) ? distance : Infinity);
    magnitude = Math.max(magnitude, Math.abs(wanted[i]!));
  }
  expect(difference / magnitude, what).toBeLessThan(3e-6);
}

function run(record: (program: Program) => void): void {
  const program = new Program(gpu, 'test');
  record(program);
  program.submit();
}

/** y[T, out] = W x. */
function multiply(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  T: number,
  inputs: number,
  outputs: number,
): Float64Array {
  const y = new Float64Array(T * outputs);
  for (let t = 0; t < T; t++) {
    for (let o = 0; o < outputs; o++) {
      for (let k = 0; k < inputs; k++) y[t * outputs + o]! += x[t * inputs + k]! * w[o * inputs + k]!;
    }
  }
  return y;
}

function norm(x: ArrayLike<number>, gain: ArrayLike<number>, width: number, eps: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let base = 0; base < x.length; base += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[base + i]! ** 2;
    for (let i = 0; i < width; i++) y[base + i] = (gain[i]! * x[base + i]!) / Math.sqrt(squares / width + eps);
  }
  return y;
}

function add(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: a.length }, (_, i) => a[i]! + b[i]!);
}

describe('linear_forward', () => {
  it.each([
    [1, 20, 9],
    [7, 96, 33],
    [13, 36, 70],
    [5, 7, 11],
  ])('multiplies %i tokens of %i by %i outputs, with bias and residual', async (T, inputs, outputs) => {
    const [x, w, bias, residual] = [random(T * inputs), random(inputs * outputs), random(outputs), random(T * outputs)];
    const y = gpu.buffer('y', T * outputs * 4);
    const buffers = { tokens: T, x: gpu.upload('x', x), weight: f32Matrix(gpu, w, outputs, inputs), y };
    run((program) => encodeLinear(gpu, program, buffers));
    const plain = multiply(x, w, T, inputs, outputs);
    expectClose(await readF32(y), plain, 'plain');
    const more = { bias: gpu.upload('bias', bias), residual: gpu.upload('residual', residual) };
    run((program) => encodeLinear(gpu, program, { ...buffers, ...more }));
    const wanted = plain.map((value, i) => value + bias[i % outputs]! + residual[i]!);
    expectClose(await readF32(y), wanted, 'with bias and residual');
  });

  it('gives a token the same bits at any place among any others', async () => {
    const [inputs, outputs, T] = [40, 24, 11];
    const x = random(T * inputs);
    const weight = f32Matrix(gpu, random(inputs * outputs), outputs, inputs);
    const y = gpu.buffer('y', T * outputs * 4);
    const all = { tokens: T, x: gpu.upload('x', x), weight, y };
    run((program) => encodeLinear(gpu, program, all));
    const together = await readF32(y);
    const alone = gpu.buffer('alone', outputs * 4);
    for (const t of [0, 5, 10]) {
      const one = gpu.upload('one', x.slice(t * inputs, (t + 1) * inputs));
      run((program) => encodeLinear(gpu, program, { ...all, tokens: 1, x: one, y: alone }));
      expect(await readF32(alone)).toEqual(together.slice(t * outputs, (t + 1) * outputs));
    }
  });
});

const BASE = configOf({});

/** Two rows, six and five tokens, flat; tokens of both rows have adapters 0, 1 or none. */
const TOKENS = {
  ids: [1, 5, 10, 0, 3, 3, 7, 2, 9, 4, 6],
  row: [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
  pos: [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4],
  slot: [0, 0, 0, 0, 1, NO_SLOT, 1, 1, 1, NO_SLOT, 0],
  rowBase: [0, 6],
};
const T = TOKENS.ids.length;

interface Setting {
  parts: ForwardParts;
  tensors: Map<string, HostTensor>;
  tokens: TokenList;
  pool: Float32Array;
  scales: Float32Array;
}

async function setUp(config: ModelConfig): Promise<Setting> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of tensorShapes(config)) {
    tensors.set(name, { shape, data: random(shape.reduce((a, b) => a * b, 1)) });
  }
  const layout = new AdapterLayout(config, 3);
  const pool = random(2 * layout.slotElements);
  const scales = Float32Array.of(0.5, 2);
  const adapters = {
    layout,
    dtype: 'f32' as const,
    weights: gpu.upload('pool', pool),
    scale: gpu.upload('scale', scales),
  };
  const upload = (name: keyof typeof TOKENS): GPUBuffer => gpu.upload(name, Uint32Array.from(TOKENS[name]));
  const tokens = {
    count: T,
    ids: upload('ids'),
    row: upload('row'),
    pos: upload('pos'),
    slot: upload('slot'),
    rowBase: upload('rowBase'),
  };
  const weights = await loadWeights(gpu, { config, tensors });
  const parts = {
    gpu,
    config,
    weights,
    adapters,
    turns: uploadTurns(gpu, config, 64),
    saturated: gpu.buffer('saturated', 4),
  };
  return { parts, tensors, tokens, pool, scales };
}

/** One projection in 64 bits, adapters included where `targets` says. */
function project(
  { parts, tensors, pool, scales }: Setting,
  projection: Projection,
  x: ArrayLike<number>,
  targets: ReadonlySet<Projection>,
): Float64Array {
  const { config, adapters } = parts;
  const { layout } = adapters;
  const [outputs, inputs] = projectionShape(config, projection);
  const path = `model.layers.0.${'qkvo'.includes(projection[0]!) ? 'self_attn' : 'mlp'}.${projection}`;
  const y = multiply(x, tensors.get(`${path}.weight`)!.data, T, inputs, outputs);
  const bias = tensors.get(`${path}.bias`)?.data;
  for (let t = 0; t < T; t++) {
    const slot = TOKENS.slot[t]!;
    for (let o = 0; o < outputs; o++) {
      if (bias) y[t * outputs + o]! += bias[o]!;
      if (slot === NO_SLOT || !targets.has(projection)) continue;
      const a = slot * layout.slotElements + layout.offset(0, projection, 'A');
      const b = slot * layout.slotElements + layout.offset(0, projection, 'B') + o * layout.rank;
      for (let r = 0; r < layout.rank; r++) {
        let xa = 0;
        for (let k = 0; k < inputs; k++) xa += x[t * inputs + k]! * pool[a + r * inputs + k]!;
        y[t * outputs + o]! += scales[slot]! * xa * pool[b + r]!;
      }
    }
  }
  return y;
}

function rope(x: Float64Array, heads: number, { headDim, ropeTheta }: ModelConfig): Float64Array {
  const y = x.slice();
  const half = headDim / 2;
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i++) {
        const at = (t * heads + h) * headDim + i;
        const angle = TOKENS.pos[t]! * ropeTheta ** ((-2 * i) / headDim);
        y[at] = x[at]! * Math.cos(angle) - x[at + half]! * Math.sin(angle);
        y[at + half] = x[at + half]! * Math.cos(angle) + x[at]! * Math.sin(angle);
      }
    }
  }
  return y;
}

function attention(q: Float64Array, k: Float64Array, v: Float64Array, config: ModelConfig) {
  const { numHeads: H, numKvHeads: K, headDim: Dh } = config;
  const out = new Float64Array(T * H * Dh);
  const lse = new Float64Array(T * H);
  for (let t = 0; t < T; t++) {
    const first = TOKENS.rowBase[TOKENS.row[t]!]!;
    for (let h = 0; h < H; h++) {
      const kv = Math.floor(h / (H / K));
      let total = 0;
      for (let j = first; j <= first + TOKENS.pos[t]!; j++) {
        let score = 0;
        for (let d = 0; d < Dh; d++) score += q[(t * H + h) * Dh + d]! * k[(j * K + kv) * Dh + d]!;
        const weight = Math.exp(score / Math.sqrt(Dh));
        total += weight;
        for (let d = 0; d < Dh; d++) out[(t * H + h) * Dh + d]! += weight * v[(j * K + kv) * Dh + d]!;
      }
      for (let d = 0; d < Dh; d++) out[(t * H + h) * Dh + d]! /= total;
      lse[t * H + h] = Math.log(total);
    }
  }
  return { out, lse };
}

/** What `encodeLayer` must leave in its buffers. */
function expectedLayer(setting: Setting, x: Float64Array, targets: ReadonlySet<Projection>) {
  const { config } = setting.parts;
  const { hiddenSize: D, headDim, rmsNormEps: eps, numHeads, numKvHeads, intermediateSize: F } = config;
  const weight = (name: string): Float32Array => setting.tensors.get(`model.layers.0.${name}.weight`)!.data;
  const apply = (projection: Projection, input: ArrayLike<number>) => project(setting, projection, input, targets);
  const normed1 = norm(x, weight('input_layernorm'), D, eps);
  const qRaw = apply('q_proj', normed1);
  const kRaw = apply('k_proj', normed1);
  const v = apply('v_proj', normed1);
  const qNormed = config.qkNorm ? norm(qRaw, weight('self_attn.q_norm'), headDim, eps) : qRaw;
  const kNormed = config.qkNorm ? norm(kRaw, weight('self_attn.k_norm'), headDim, eps) : kRaw;
  const q = rope(qNormed, numHeads, config);
  const k = rope(kNormed, numKvHeads, config);
  const { out: attn, lse } = attention(q, k, v, config);
  const afterAttn = add(x, apply('o_proj', attn));
  const normed2 = norm(afterAttn, weight('post_attention_layernorm'), D, eps);
  const gate = apply('gate_proj', normed2);
  const up = apply('up_proj', normed2);
  const act = Float64Array.from({ length: T * F }, (_, i) => (gate[i]! / (1 + Math.exp(-gate[i]!))) * up[i]!);
  const out = add(afterAttn, apply('down_proj', act));
  return { normed1, qRaw, kRaw, q, k, v, attn, lse, afterAttn, normed2, gate, up, act, out };
}

describe('encodeLayer', () => {
  const all = new Set(PROJECTIONS);
  const some = new Set<Projection>(['q_proj', 'down_proj']);
  it.each([
    ['a Llama layer without adapters', {}, new Set<Projection>()],
    ['adapters on all projections', {}, all],
    ['adapters on two projections', {}, some],
    ['biases', { qkvBias: true }, all],
    ['norms per head and one head per key head', { qkNorm: true, numKvHeads: 4 }, all],
    ['sizes that no vector fits', { hiddenSize: 21, intermediateSize: 27, numHeads: 3, numKvHeads: 1 }, all],
  ])('leaves every intermediate of %s', async (_, changes, targets) => {
    const config = { ...BASE, ...changes };
    const setting = await setUp(config);
    const { parts, tokens } = setting;
    const D = config.hiddenSize;
    const x = gpu.buffer('x', T * D * 4);
    const out = gpu.buffer('out', T * D * 4);
    const acts: LayerActivations = { ...createTrainingActivations(gpu, config, parts.adapters.layout.rank, T), x, out };
    run((program) => {
      encodeEmbedding(parts, program, tokens, x);
      encodeLayer(parts, program, 0, tokens, acts, targets);
    });
    const table = setting.tensors.get('model.embed_tokens.weight')!.data;
    const embedded = Float64Array.from(
      { length: T * D },
      (_, i) => table[TOKENS.ids[Math.floor(i / D)]! * D + (i % D)]!,
    );
    expectClose(await readF32(x), embedded, 'x');
    const wanted = expectedLayer(setting, embedded, targets);
    for (const [name, values] of Object.entries(wanted)) {
      expectClose(await readF32(acts[name as keyof typeof wanted]), values, name);
    }
  });

  it('puts keys and values at their places in a cache, with the same bits', async () => {
    const setting = await setUp(BASE);
    const { parts, tokens } = setting;
    const [D, K] = [BASE.hiddenSize, BASE.numKvHeads * BASE.headDim];
    const make = (name: string, width: number, count = T): GPUBuffer => gpu.buffer(name, count * width * 4);
    const own = createTrainingActivations(gpu, BASE, parts.adapters.layout.rank, T);
    const flat = { ...own, x: gpu.upload('x', random(T * D)), out: make('out', D) };
    run((program) => encodeLayer(parts, program, 0, tokens, flat, all));
    const wanted = await readF32(flat.out);
    // Row 1 comes first in this cache, with a gap.
    const rowBase = gpu.upload('rowBase', Uint32Array.of(9, 2));
    const cached = { ...flat, vRaw: make('v raw', K), k: make('k', K, 15), v: make('v', K, 15), out: make('out', D) };
    run((program) => encodeLayer(parts, program, 0, { ...tokens, rowBase }, cached, all));
    expect(await readF32(cached.out)).toEqual(wanted);
    const keys = await readF32(flat.k);
    expect((await readF32(cached.k)).slice(9 * K, 15 * K)).toEqual(keys.slice(0, 6 * K));
    expect((await readF32(cached.k)).slice(2 * K, 7 * K)).toEqual(keys.slice(6 * K));
  });
});

describe('encodeHead', () => {
  it('norms and multiplies by the embedding where the head is tied', async () => {
    const { parts, tensors } = await setUp(BASE);
    const { hiddenSize: D, vocabSize: V, rmsNormEps } = BASE;
    const x = random(3 * D);
    const logits = gpu.buffer('logits', 3 * V * 4);
    const normed = gpu.buffer('normed', 3 * D * 4);
    run((program) => encodeHead(parts, program, 3, gpu.upload('x', x), normed, logits));
    const normal = norm(x, tensors.get('model.norm.weight')!.data, D, rmsNormEps);
    const wanted = multiply(normal, tensors.get('model.embed_tokens.weight')!.data, 3, D, V);
    expectClose(await readF32(logits), wanted, 'logits');
  });
});
