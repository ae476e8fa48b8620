/** One decoder layer over N token rows of one or more spans, forward; its backward is layerBackward.ts. */
import type { CacheDtype, Projection } from '../types';
import { linearForward, loraForward } from './linear';
import type { Decoder, LoadedAdapter } from './model';
import type { Pacer } from './pacer';
import { quantiseValues, type SaturationCount } from './quantise';

/** Keys (after RoPE, in the arithmetic's order) and values [capacity, K, Dh] of one sequence, per layer, rounded as `dtype` keeps them. */
export interface KvCache {
  dtype: CacheDtype;
  /** Positions. */
  capacity: number;
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
  /** Of a single span with `keep`: for every head and query its weights, for the backward */
  probs: Float32Array;
  /** [N, H, Dh] */
  attentionOut: Float32Array;
  /** [N, F] */
  gate: Float32Array;
  up: Float32Array;
  act: Float32Array;
  /** [N, F] σ(gate) with `keep`, else null: the exponential is what SwiGLU costs */
  sigma: Float32Array | null;
}

/** @param keep set apart per layer for a backward; otherwise all layers share */
export function layerActivations(
  { arithmetic, attention, config, rope }: Decoder,
  layer: number,
  N: number,
  keep: boolean,
): LayerActivations {
  const { hiddenSize: D, intermediateSize: F, numHeads: H, numKvHeads: K, headDim: Dh, qkNorm } = config;
  const get = (name: string, length: number): Float32Array =>
    arithmetic.scratch.get(keep ? `${layer}.${name}` : name, length);
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
    probs: get('probs', arithmetic.probNumbers(N, rope.cos.length / (Dh / 2), keep, attention)),
    attentionOut: get('attentionOut', N * H * Dh),
    gate: get('gate', N * F),
    up: get('up', N * F),
    act: get('act', N * F),
    sigma: keep ? get('sigma', N * F) : null,
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
  pacer: Pacer,
): Promise<void> {
  const { arithmetic, config, attention } = decoder;
  const { hiddenSize: D, numHeads: H, numKvHeads: K, headDim: Dh, rmsNormEps: eps } = config;
  const weights = decoder.layers[layer];
  const a = activations;
  const N = a.attentionRstd.length;
  const project = (y: Float32Array, x: Float32Array, projection: Projection): Promise<void> =>
    projectSpans(y, x, projection, decoder, layer, spans, keep, pacer);

  arithmetic.rmsnormForward(a.attentionIn, a.attentionRstd, a.input, weights.inputNorm, N, D, eps);
  await project(a.qRaw, a.attentionIn, 'q_proj');
  await project(a.kRaw, a.attentionIn, 'k_proj');
  await project(a.v, a.attentionIn, 'v_proj');
  if (weights.qNorm !== null) arithmetic.rmsnormForward(a.q, a.qRstd, a.qRaw, weights.qNorm, N * H, Dh, eps);
  if (weights.kNorm !== null) arithmetic.rmsnormForward(a.k, a.kRstd, a.kRaw, weights.kNorm, N * K, Dh, eps);
  let row = 0;
  for (const { ids, start, cache } of spans) {
    const T = ids.length;
    const q = a.q.subarray(row * H * Dh, (row + T) * H * Dh);
    const k = a.k.subarray(row * K * Dh, (row + T) * K * Dh);
    arithmetic.rotate(q, decoder.rope, T, start, H, Dh, 1);
    arithmetic.rotate(k, decoder.rope, T, start, K, Dh, 1);
    const v = a.v.subarray(row * K * Dh, (row + T) * K * Dh);
    const [keys, values] = [cache.k[layer], cache.v[layer]];
    arithmetic.storeKeys(keys, asKept(k, cache), T, start, cache.capacity, attention);
    values.set(asKept(v, cache), start * K * Dh);
    const out = a.attentionOut.subarray(row * H * Dh, (row + T) * H * Dh);
    arithmetic.attentionForward(out, q, keys, values, a.probs, keep, T, start, cache.capacity, attention);
    row += T;
    if (pacer.due) await pacer.pause();
  }
  const branch = arithmetic.scratch.get('branch', N * D);
  await project(branch, a.attentionOut, 'o_proj');
  arithmetic.add(a.middle, a.input, branch);

  arithmetic.rmsnormForward(a.mlpIn, a.mlpRstd, a.middle, weights.postAttentionNorm, N, D, eps);
  await project(a.gate, a.mlpIn, 'gate_proj');
  await project(a.up, a.mlpIn, 'up_proj');
  arithmetic.swigluForward(a.act, a.gate, a.up, a.sigma);
  await project(branch, a.act, 'down_proj');
  arithmetic.add(output, a.middle, branch);
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

/** The frozen product for all rows together, then each adapter on the rows of neighbouring spans that have it. */
async function projectSpans(
  y: Float32Array,
  x: Float32Array,
  projection: Projection,
  decoder: Decoder,
  layer: number,
  spans: readonly Span[],
  keep: boolean,
  pacer: Pacer,
): Promise<void> {
  const { arithmetic } = decoder;
  const linear = decoder.layers[layer].projections[projection];
  await linearForward(arithmetic, y, x, linear, y.length / linear.outputs, pacer);
  let row = 0;
  for (let i = 0; i < spans.length;) {
    const { adapter } = spans[i];
    let T = 0;
    for (; i < spans.length && spans[i].adapter === adapter; i++) T += spans[i].ids.length;
    const pair = adapter?.layers[layer][projection];
    if (adapter && pair) {
      const name = keep ? loraHiddenName(layer, projection) : 'lora.h';
      const h = arithmetic.scratch.get(name, T * adapter.rank);
      const rows = y.subarray(row * linear.outputs, (row + T) * linear.outputs);
      const inputs = x.subarray(row * linear.inputs, (row + T) * linear.inputs);
      loraForward(arithmetic, rows, h, inputs, pair, adapter.scaling, T);
    }
    row += T;
  }
}
