/** One decoder layer over N token rows of one or more spans, forward; its backward is layerBackward.ts. */
import type { CacheDtype, Projection } from '../types';
import { attentionForward } from './attention';
import { linearForward, loraForward } from './linear';
import type { Decoder, LoadedAdapter } from './model';
import type { Pacer } from './pacer';
import { quantiseValues, type SaturationCount } from './quantise';
import { rmsnormForward } from './rmsnorm';
import { ropeForward } from './rope';
import type { Scratch } from './scratch';
import { swigluForward } from './swiglu';

const f = Math.fround;

/** Keys (after RoPE) and values of one sequence: per layer [capacity, K, Dh], rounded as `dtype` keeps them. */
export interface KvCache {
  dtype: CacheDtype;
  /** Finite numbers that were too large for the format. */
  saturation: SaturationCount;
  k: Float32Array[];
  v: Float32Array[];
}

/** Consecutive tokens of one sequence, with the cache of what came before and the adapter that is on. */
export interface Span {
  ids: ArrayLike<number>;
  /** Position of ids[0]; the cache holds the positions before it. */
  start: number;
  cache: KvCache;
  adapter: LoadedAdapter | null;
}

/** What a layer computed; the backward reads it. Without a backward all layers share one set. */
export interface LayerActivations {
  /** [N, D] residual stream before attention, and before the MLP */
  input: Float32Array;
  middle: Float32Array;
  /** [N, D] after RMSNorm, [N] its 1/σ */
  attentionIn: Float32Array;
  attentionRstd: Float32Array;
  mlpIn: Float32Array;
  mlpRstd: Float32Array;
  /** [N, H, Dh], [N, K, Dh]: before q/k norm (the same arrays as q and k where there is none) and after RoPE */
  qRaw: Float32Array;
  kRaw: Float32Array;
  /** [N·H], [N·K] of q/k norm */
  qRstd: Float32Array;
  kRstd: Float32Array;
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  /** [H, T, T] of a single span with `keep` */
  probs: Float32Array;
  /** [N, H, Dh] */
  attentionOut: Float32Array;
  /** [N, F] */
  gate: Float32Array;
  up: Float32Array;
  act: Float32Array;
}

/** @param keep set apart per layer for a backward; otherwise all layers share */
export function layerActivations(
  decoder: Decoder,
  scratch: Scratch,
  layer: number,
  N: number,
  keep: boolean,
): LayerActivations {
  const { hiddenSize: D, intermediateSize: F, numHeads: H, numKvHeads: K, headDim: Dh, qkNorm } = decoder.config;
  const get = (name: string, length: number): Float32Array => scratch.get(keep ? `${layer}.${name}` : name, length);
  const q = get('q', N * H * Dh);
  const k = get('k', N * K * Dh);
  return {
    input: get('input', N * D),
    middle: get('middle', N * D),
    attentionIn: get('attentionIn', N * D),
    attentionRstd: get('attentionRstd', N),
    mlpIn: get('mlpIn', N * D),
    mlpRstd: get('mlpRstd', N),
    qRaw: qkNorm ? get('qRaw', N * H * Dh) : q,
    kRaw: qkNorm ? get('kRaw', N * K * Dh) : k,
    qRstd: get('qRstd', qkNorm ? N * H : 0),
    kRstd: get('kRstd', qkNorm ? N * K : 0),
    q,
    k,
    v: get('v', N * K * Dh),
    probs: get('probs', keep ? H * N * N : decoder.rope.cos.length / (Dh / 2)),
    attentionOut: get('attentionOut', N * H * Dh),
    gate: get('gate', N * F),
    up: get('up', N * F),
    act: get('act', N * F),
  };
}

/** Name of the array that holds h = x Aᵀ of a projection for the backward. */
export function loraHiddenName(layer: number, projection: Projection): string {
  return `${layer}.lora.${projection}`;
}

/**
 * Runs layer `layer` on activations.input and writes the next residual stream to `output` [N, D] (may be `input`).
 * The spans' new keys and values are put into their caches.
 */
export async function layerForward(
  output: Float32Array,
  decoder: Decoder,
  layer: number,
  activations: LayerActivations,
  spans: readonly Span[],
  keep: boolean,
  scratch: Scratch,
  pacer: Pacer,
): Promise<void> {
  const { config, attention } = decoder;
  const { hiddenSize: D, numHeads: H, numKvHeads: K, headDim: Dh, rmsNormEps: eps } = config;
  const weights = decoder.layers[layer];
  const a = activations;
  const N = a.attentionRstd.length;
  const project = (y: Float32Array, x: Float32Array, projection: Projection): Promise<void> =>
    projectSpans(y, x, projection, decoder, layer, spans, keep, scratch, pacer);

  rmsnormForward(a.attentionIn, a.attentionRstd, a.input, weights.inputNorm, N, D, eps);
  await project(a.qRaw, a.attentionIn, 'q_proj');
  await project(a.kRaw, a.attentionIn, 'k_proj');
  await project(a.v, a.attentionIn, 'v_proj');
  if (weights.qNorm !== null) rmsnormForward(a.q, a.qRstd, a.qRaw, weights.qNorm, N * H, Dh, eps);
  if (weights.kNorm !== null) rmsnormForward(a.k, a.kRstd, a.kRaw, weights.kNorm, N * K, Dh, eps);
  let row = 0;
  for (const { ids, start, cache } of spans) {
    const T = ids.length;
    const q = a.q.subarray(row * H * Dh, (row + T) * H * Dh);
    const k = a.k.subarray(row * K * Dh, (row + T) * K * Dh);
    ropeForward(q, decoder.rope, T, start, H, Dh);
    ropeForward(k, decoder.rope, T, start, K, Dh);
    const v = a.v.subarray(row * K * Dh, (row + T) * K * Dh);
    cache.k[layer].set(asKept(k, cache), start * K * Dh);
    cache.v[layer].set(asKept(v, cache), start * K * Dh);
    const out = a.attentionOut.subarray(row * H * Dh, (row + T) * H * Dh);
    attentionForward(out, q, cache.k[layer], cache.v[layer], a.probs, keep, T, start, attention);
    row += T;
    if (pacer.due) await pacer.pause();
  }
  const branch = scratch.get('branch', N * D);
  await project(branch, a.attentionOut, 'o_proj');
  addInto(a.middle, a.input, branch);

  rmsnormForward(a.mlpIn, a.mlpRstd, a.middle, weights.postAttentionNorm, N, D, eps);
  await project(a.gate, a.mlpIn, 'gate_proj');
  await project(a.up, a.mlpIn, 'up_proj');
  swigluForward(a.act, a.gate, a.up);
  await project(branch, a.act, 'down_proj');
  addInto(output, a.middle, branch);
}

function asKept(values: Float32Array, { dtype, saturation }: KvCache): Float32Array {
  if (dtype === 'f32') return values;
  const kept = quantiseValues(values, values.length, dtype, saturation);
  // Infinity would come back as the largest f16.
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) kept[i] = NaN;
  });
  return kept;
}

/** The frozen product for all rows together, then each span's adapter on its own rows. */
async function projectSpans(
  y: Float32Array,
  x: Float32Array,
  projection: Projection,
  decoder: Decoder,
  layer: number,
  spans: readonly Span[],
  keep: boolean,
  scratch: Scratch,
  pacer: Pacer,
): Promise<void> {
  const linear = decoder.layers[layer].projections[projection];
  await linearForward(y, x, linear, y.length / linear.outputs, pacer);
  let row = 0;
  for (const { ids, adapter } of spans) {
    const T = ids.length;
    const pair = adapter?.layers[layer][projection];
    if (adapter && pair) {
      const h = scratch.get(keep ? loraHiddenName(layer, projection) : 'lora.h', T * adapter.rank);
      const rows = y.subarray(row * linear.outputs, (row + T) * linear.outputs);
      const inputs = x.subarray(row * linear.inputs, (row + T) * linear.inputs);
      loraForward(rows, h, inputs, pair, adapter.scaling, linear, T, adapter.rank, scratch);
    }
    row += T;
  }
}

function addInto(out: Float32Array, x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = f(x[i] + y[i]);
}
