/**
 * Records the forward pass of a decoder over a flat list of T tokens that may belong to several rows and adapters.
 * Decoding (one token a row), prefill (many) and training (whole sequences) share these functions; what a token computes
 * never depends on which others are in the list.
 */

import { projectionShape } from '../config';
import { ropeTable } from '../reference/rope';
import type { AdapterDtype, ModelConfig, Projection } from '../types';
import type { LayerActivations } from './activations';
import { encodeAttention } from './attention';
import type { Gpu } from './device';
import type { AdapterLayout } from './layout';
import { encodeRmsNorm } from './norm';
import type { Binding, Program } from './program';
import { encodeLinear, type LoraExpansion } from './linear';
import { encodeLoraShrink } from './lora';
import { bindingOf, encodeUnpack } from './matrix';
import { encodeTall } from './tall';
import type { DeviceWeights } from './weights';

/** The flat token list. */
export interface TokenList {
  /** T */
  count: number;
  /** u32 [T], below V */
  ids: GPUBuffer;
  /** u32 [T] */
  row: GPUBuffer;
  /** u32 [T] position within the row */
  pos: GPUBuffer;
  /** u32 [T] adapter slot, NO_SLOT = none */
  slot: GPUBuffer;
  /** u32 [rows] where the row's keys and values begin in `k` and `v`, in tokens. */
  rowBase: GPUBuffer;
}

/** The adapters on the device. */
export interface AdapterPool {
  layout: AdapterLayout;
  /** Of the weights; f16 as adapter_halves makes them. */
  dtype: AdapterDtype;
  /** [slots, P] */
  weights: GPUBuffer;
  /** f32 [slots] */
  scale: GPUBuffer;
}

/** Everything a recorded forward pass refers to. */
export interface ForwardParts {
  gpu: Gpu;
  config: ModelConfig;
  weights: DeviceWeights;
  adapters: AdapterPool;
  /** cos and sin of every position's angles, f32 pairs [positions, Dh/2]. */
  turns: GPUBuffer;
  /** u32: numbers among keys and values that were too large for their format since it was last set to 0. */
  saturated: GPUBuffer;
}

/** cos and sin pairs of every position below `positions`, f32 [positions, Dh/2, 2]. */
export function uploadTurns(gpu: Gpu, config: ModelConfig, positions: number): GPUBuffer {
  const { cos, sin } = ropeTable(config, positions);
  const turns = new Float32Array(2 * cos.length);
  for (let i = 0; i < cos.length; i++) {
    turns[2 * i] = cos[i] as number;
    turns[2 * i + 1] = sin[i] as number;
  }
  return gpu.upload('rope turns', turns);
}

/** x [T, D] = embedding of the tokens' ids. */
export function encodeEmbedding(parts: ForwardParts, program: Program, tokens: TokenList, x: GPUBuffer): void {
  const { embedding } = parts.weights;
  const D = parts.config.hiddenSize;
  const groups: [number, number] = [Math.ceil(D / 64), tokens.count];
  for (const { matrix, firstRow } of embedding.blocks) {
    const bindings = [tokens.ids, bindingOf(matrix), x];
    if (matrix.dtype !== 'f32') encodeUnpack(program, matrix, tokens.count, { ids: tokens.ids, firstId: firstRow }, x);
    else program.add('embed_tokens', { D }, bindings, [tokens.count, firstRow, matrix.rows], groups);
  }
}

/**
 * One decoder layer: from `acts.x` to `acts.out`, every intermediate into its buffer. `targets` are the projections that
 * any adapter in use has; the others get no LoRA path.
 */
export function encodeLayer(
  parts: ForwardParts,
  program: Program,
  layer: number,
  tokens: TokenList,
  acts: LayerActivations,
  targets: ReadonlySet<Projection>,
): void {
  const { config } = parts;
  const weights = parts.weights.layers[layer];
  if (weights === undefined) throw new RangeError(`the model has no layer ${layer}`);
  const project = (projection: Projection, x: GPUBuffer, y: GPUBuffer, residual?: GPUBuffer): void => {
    const lora = targets.has(projection)
      ? encodeShrink(parts, program, layer, projection, tokens, x, acts.xa[projection])
      : null;
    const weight = weights.projections[projection];
    const bias = weights.biases[projection];
    encodeLinear(parts.gpu, program, { tokens: tokens.count, x, weight, y, bias, residual, lora });
  };
  encodeNorm(parts, program, tokens.count, config.hiddenSize, acts.x, weights.inputNorm, acts.normed1);
  project('q_proj', acts.normed1, acts.qRaw);
  project('k_proj', acts.normed1, acts.kRaw);
  project('v_proj', acts.normed1, acts.vRaw ?? acts.v);
  encodeHeads(parts, program, layer, tokens, acts);
  encodeAttention(parts, program, tokens, acts);
  project('o_proj', acts.attn, acts.afterAttn, acts.x);

  encodeNorm(parts, program, tokens.count, config.hiddenSize, acts.afterAttn, weights.postNorm, acts.normed2);
  project('gate_proj', acts.normed2, acts.gate);
  project('up_proj', acts.normed2, acts.up);
  const F = config.intermediateSize;
  const groups: [number, number] = [Math.ceil(F / 64), tokens.count];
  program.add('swiglu_forward', { WIDTH: F }, [acts.gate, acts.up, acts.act], [tokens.count], groups);
  project('down_proj', acts.act, acts.out, acts.afterAttn);
}

/** y = RMSNorm of `rows` rows of `width`. */
export function encodeNorm(
  { gpu, config }: ForwardParts,
  program: Program,
  rows: number,
  width: number,
  x: GPUBuffer,
  gain: Binding,
  y: GPUBuffer,
): void {
  encodeRmsNorm(gpu, program, { rows, width, eps: config.rmsNormEps }, { x, gain, y });
}

/** Final norm and head: logits [count, V] of hidden states x [count, D]; `normed` [count, D] is scratch. */
export function encodeHead(
  parts: ForwardParts,
  program: Program,
  count: number,
  x: GPUBuffer,
  normed: GPUBuffer,
  logits: GPUBuffer,
): void {
  const { config, weights } = parts;
  encodeNorm(parts, program, count, config.hiddenSize, x, weights.norm, normed);
  encodeTall(parts.gpu, program, { tokens: count, x: normed, weight: weights.head, y: logits });
}

/** xa [T, R] = scale · A x, and what `encodeLinear` needs to add B xa. */
export function encodeShrink(
  parts: ForwardParts,
  program: Program,
  layer: number,
  projection: Projection,
  tokens: TokenList,
  x: GPUBuffer,
  xa: GPUBuffer,
): LoraExpansion {
  const { layout, dtype, weights: pool, scale } = parts.adapters;
  const { rank, slotElements } = layout;
  const [, width] = projectionShape(parts.config, projection);
  const a = { pool, dtype, rank, slotElements, offset: layout.offset(layer, projection, 'A') };
  encodeLoraShrink(parts.gpu, program, { tokens: tokens.count, width, x, a, slot: tokens.slot, scale, xa });
  return { xa, pool, dtype, slot: tokens.slot, rank, slotElements, offset: layout.offset(layer, projection, 'B') };
}

/** Norm per head where the model has one, RoPE, and keys and values to their places. */
function encodeHeads(
  parts: ForwardParts,
  program: Program,
  layer: number,
  tokens: TokenList,
  acts: LayerActivations,
): void {
  const { config, turns, saturated } = parts;
  const { numHeads, numKvHeads, headDim } = config;
  const { qNorm, kNorm } = parts.weights.layers[layer]!;
  let [q, k] = [acts.qRaw, acts.kRaw];
  if (qNorm !== null && kNorm !== null && acts.qNormed !== null && acts.kNormed !== null) {
    encodeNorm(parts, program, tokens.count * numHeads, headDim, q, qNorm, acts.qNormed);
    encodeNorm(parts, program, tokens.count * numKvHeads, headDim, k, kNorm, acts.kNormed);
    [q, k] = [acts.qNormed, acts.kNormed];
  }
  for (const [heads, from, to, cached, format] of [
    [numHeads, q, acts.q, false, 'f32'],
    [numKvHeads, k, acts.k, true, acts.cache],
  ] as const) {
    program.add(
      'rope_forward',
      { HEADS: heads, HEAD_DIM: headDim, CACHED: cached, CACHE: format },
      [from, tokens.pos, turns, tokens.row, tokens.rowBase, to, saturated],
      [tokens.count],
      [Math.ceil((heads * headDim) / 2 / 64), tokens.count],
    );
  }
  if (acts.vRaw === null) return;
  const pairs = (numKvHeads * headDim) / 2;
  program.add(
    'cache_store',
    { PAIRS: pairs, CACHE: acts.cache },
    [acts.vRaw, tokens.row, tokens.pos, tokens.rowBase, acts.v, saturated],
    [tokens.count],
    [Math.ceil(pairs / 64), tokens.count],
  );
}
