/** The decoder over spans of tokens: embedding, layers, final norm, head. */
import type { ModelConfig } from '../types';
import { layerActivations, layerForward, type KvCache, type LayerActivations, type Span } from './layer';
import type { Decoder } from './model';
import type { Pacer } from './pacer';

/** Logits of one block of positions: at most this many numbers at once. */
const HEAD_BLOCK = 1 << 22;

export interface Hidden {
  /** [N, D] residual stream after the last layer; scratch, valid until the next pass */
  x: Float32Array;
  /** Per layer, with `keep`. */
  activations: LayerActivations[];
}

/** Room for `capacity` positions of one sequence, as long as the decoder lives. */
export function createCache({ arithmetic, attention, cache, config, saturation }: Decoder, capacity: number): KvCache {
  const { numLayers, numKvHeads, headDim } = config;
  const rooms = (length: number): Float32Array[] => Array.from({ length: numLayers }, () => arithmetic.room(length));
  const k = rooms(arithmetic.keyNumbers(capacity, attention));
  return { dtype: cache, capacity, saturation, k, v: rooms(capacity * numKvHeads * headDim) };
}

/** For a sequence that is computed in one pass: its layers share one room of the pass. @param dtype of its keys and values */
export function passingCache(decoder: Decoder, capacity: number, dtype = decoder.cache): KvCache {
  const { arithmetic, attention, config, saturation } = decoder;
  const { numLayers, numKvHeads, headDim } = config;
  const k = arithmetic.scratch.get('keys', arithmetic.keyNumbers(capacity, attention));
  const v = arithmetic.scratch.get('values', capacity * numKvHeads * headDim);
  const shared = (room: Float32Array): Float32Array[] => new Array<Float32Array>(numLayers).fill(room);
  return { dtype, capacity, saturation, k: shared(k), v: shared(v) };
}

/** How many numbers a cache holds. */
export function cacheLength(config: ModelConfig, capacity: number): number {
  return 2 * config.numLayers * capacity * config.numKvHeads * config.headDim;
}

/**
 * Runs all layers over the spans' tokens, rows in the order of the spans. A row's numbers do not depend on the other spans.
 *
 * @param keep keep every layer's activations for a backward; only with a single span that starts at 0
 * @param onLayer looks at a layer's activations before the next layer overwrites them
 */
export async function forwardSpans(
  decoder: Decoder,
  spans: readonly Span[],
  keep: boolean,
  pacer: Pacer,
  onLayer?: (activations: LayerActivations) => void,
): Promise<Hidden> {
  const { scratch } = decoder.arithmetic;
  const { numLayers } = decoder.config;
  const N = spans.reduce((sum, span) => sum + span.ids.length, 0);
  const kept: LayerActivations[] = [];
  let activations = layerActivations(decoder, 0, N, keep);
  embed(activations.input, decoder, spans);
  for (let layer = 0; layer < numLayers; layer++) {
    if (keep) kept.push(activations);
    const last = layer === numLayers - 1;
    const next = last ? null : layerActivations(decoder, layer + 1, N, keep);
    const output = next?.input ?? scratch.get('hidden', N * decoder.config.hiddenSize);
    await layerForward(output, decoder, layer, activations, spans, keep, pacer);
    onLayer?.(activations);
    if (next) activations = next;
    if (pacer.due) await pacer.pause();
  }
  return { x: scratch.get('hidden', N * decoder.config.hiddenSize), activations: kept };
}

/** out[N, D] = rows of the embedding matrix. */
function embed(out: Float32Array, { arithmetic, config, embedding }: Decoder, spans: readonly Span[]): void {
  const D = config.hiddenSize;
  let row = 0;
  for (const { ids } of spans) {
    for (let t = 0; t < ids.length; t++, row++) {
      arithmetic.row(out, row * D, embedding, ids[t]);
    }
  }
}

/** Chosen rows of x[N, D] → [rows.length, D]. */
export function gatherRows({ arithmetic }: Decoder, x: Float32Array, rows: readonly number[], D: number): Float32Array {
  const out = arithmetic.scratch.get('gathered', rows.length * D);
  rows.forEach((row, i) => out.set(x.subarray(row * D, (row + 1) * D), i * D));
  return out;
}

/** Mean over the T rows of x[T, D] after the final norm, summed in order. */
export function meanHidden({ arithmetic, config, norm }: Decoder, x: Float32Array, T: number): Float32Array {
  const { scratch } = arithmetic;
  const { hiddenSize: D, rmsNormEps } = config;
  const normed = scratch.get('pooled', T * D);
  arithmetic.rmsnormForward(normed, scratch.get('pooledRstd', T), x.subarray(0, T * D), norm, T, D, rmsNormEps);
  const mean = new Float32Array(D);
  for (let t = 0; t < T; t++) for (let d = 0; d < D; d++) mean[d] += normed[t * D + d];
  for (let d = 0; d < D; d++) mean[d] /= T;
  return mean;
}

/** head[D] · row `row` of x[·, D] after the final norm, summed in order. */
export function rewardOf(
  { arithmetic, config, norm }: Decoder,
  x: Float32Array,
  row: number,
  head: Float32Array,
): number {
  const { scratch } = arithmetic;
  const { hiddenSize: D, rmsNormEps } = config;
  const normed = scratch.get('pooled', D);
  const last = x.subarray(row * D, (row + 1) * D);
  arithmetic.rmsnormForward(normed, scratch.get('pooledRstd', 1), last, norm, 1, D, rmsNormEps);
  let sum = Math.fround(0);
  for (let d = 0; d < D; d++) sum = Math.fround(sum + Math.fround((head[d] as number) * (normed[d] as number)));
  return sum;
}

/** Rows of the head's blocks: as many as fit, at least one. */
export function headBlockRows(V: number): number {
  return Math.max(1, Math.floor(HEAD_BLOCK / V));
}

/**
 * Final norm and head on x[M, D], in blocks of rows; calls `use` with each block's logits [rows, V] (scratch), its first
 * row, its number of rows, the normed rows' 1/σ.
 */
export async function forEachLogitsBlock(
  decoder: Decoder,
  x: Float32Array,
  M: number,
  pacer: Pacer,
  use: (logits: Float32Array, first: number, rows: number, rstd: Float32Array) => void,
): Promise<void> {
  const { arithmetic } = decoder;
  const { scratch } = arithmetic;
  const { hiddenSize: D, vocabSize: V, rmsNormEps } = decoder.config;
  const block = headBlockRows(V);
  for (let first = 0; first < M; first += block) {
    const rows = Math.min(block, M - first);
    const normed = scratch.get('headIn', rows * D);
    const rstd = scratch.get('headRstd', rows);
    arithmetic.rmsnormForward(
      normed,
      rstd,
      x.subarray(first * D, (first + rows) * D),
      decoder.norm,
      rows,
      D,
      rmsNormEps,
    );
    const logits = scratch.get('logits', rows * V);
    arithmetic.product(logits, normed, decoder.head, rows);
    use(logits, first, rows, rstd);
    if (pacer.due) await pacer.pause();
  }
}
