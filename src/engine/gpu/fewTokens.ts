/**
 * A decoder layer on a GPU for as many tokens as a decode step has at most: the same numbers as `encodeLayer`, to the bit, in ten dispatches
 * in place of 21 (eight without adapters). What reads the same hidden states is one product; what lies between two products is one kernel.
 */

import { STEP_TOKENS } from '../buffers';
import { STACKS, type StackName } from '../config';
import { STACK_ROWS } from '../matrixLayout';
import type { Projection } from '../types';
import type { FewActivations, LayerActivations } from './activations';
import { encodeAttention, hasWide, type SplitKeys } from './attention';
import { encodeNorm, encodeShrink, type ForwardParts, type TokenList } from './forward';
import { tokensPerShrink } from './lora';
import { encodeLinear, encodeSwiglu, type LoraExpansion } from './linear';
import type { MatrixStack } from './matrix';
import { wideShape } from './norm';
import type { Program } from './program';
import type { DeviceLayer } from './weights';

/** Heads of a workgroup of rope_store. */
const LINES = 4;

/** Tokens of rows that have `maxLength` places in the cache each; `lastRow` takes padding. */
export interface CachedTokens extends TokenList {
  maxLength: number;
  lastRow: number;
  /** Null where a workgroup takes all keys of a token. */
  split: SplitKeys | null;
}

/** Whether `encodeFewTokens` can be used; it reads vectors of four everywhere, and stacks. */
export function fewTokens({ gpu, config, weights }: ForwardParts, count: number): boolean {
  const { hiddenSize, intermediateSize, headDim } = config;
  if (gpu.isCpu || count > STEP_TOKENS || hiddenSize % 4 !== 0 || intermediateSize % 4 !== 0) return false;
  return hasWide(gpu, headDim) && weights.layers.every(({ stacks }) => stacks.qkv !== null && stacks.gateUp !== null);
}

/** One decoder layer from `acts.x` to `acts.out`; see `encodeLayer`. */
export function encodeFewTokens(
  parts: ForwardParts,
  program: Program,
  layer: number,
  tokens: CachedTokens,
  acts: LayerActivations & FewActivations,
  targets: ReadonlySet<Projection>,
): void {
  const { gpu } = parts;
  const { count } = tokens;
  const weights = parts.weights.layers[layer];
  const { qkv, gateUp } = weights?.stacks ?? {};
  if (!weights || !qkv || !gateUp) throw new RangeError(`the model has no stacks in layer ${layer}`);
  const project = (projection: Projection, x: GPUBuffer, y: GPUBuffer, residual: GPUBuffer): void => {
    const xa = acts.xa[projection];
    const lora = targets.has(projection) ? encodeShrink(parts, program, layer, projection, tokens, x, xa) : null;
    encodeLinear(gpu, program, { tokens: count, x, weight: weights.projections[projection], y, residual, lora });
  };
  const shrunk = (stack: StackName, x: GPUBuffer, gain: GPUBuffer, y: GPUBuffer): LoraExpansion | null => {
    const norm = { x, gain, y, xa: acts.stackedXa };
    return encodeNormShrink(parts, program, layer, stack, tokens, norm, targets);
  };

  const lora = shrunk('qkv', acts.x, weights.inputNorm, acts.normed1);
  encodeLinear(gpu, program, {
    tokens: count,
    x: acts.normed1,
    weight: qkv.whole,
    firstOutputs: qkv.firstRows.slice(1),
    y: acts.qkv,
    bias: weights.qkvBias ?? undefined,
    lora,
  });
  encodeRopeStore(parts, program, weights, qkv, tokens, acts);
  encodeAttention(parts, program, tokens, { ...acts, q: acts.qkv }, qkv.whole.rows, tokens.split);
  project('o_proj', acts.attn, acts.afterAttn, acts.x);
  const update = shrunk('gateUp', acts.afterAttn, weights.postNorm, acts.normed2);
  encodeSwiglu(gpu, program, { tokens: count, x: acts.normed2, stack: gateUp, act: acts.act, lora: update });
  project('down_proj', acts.act, acts.out, acts.afterAttn);
}

/** y = RMSNorm of x, and for the parts of a stack xa = scale · A y; null where no adapter has any of them. */
function encodeNormShrink(
  parts: ForwardParts,
  program: Program,
  layer: number,
  stack: StackName,
  tokens: TokenList,
  { x, gain, y, xa }: { x: GPUBuffer; gain: GPUBuffer; y: GPUBuffer; xa: GPUBuffer },
  targets: ReadonlySet<Projection>,
): LoraExpansion | null {
  const { hiddenSize: width, rmsNormEps: eps } = parts.config;
  const projections: readonly Projection[] = STACKS[stack];
  if (!projections.some((projection) => targets.has(projection))) {
    encodeNorm(parts, program, tokens.count, width, x, gain, y);
    return null;
  }
  const { layout, dtype, weights: pool, scale } = parts.adapters;
  const { rank, slotElements } = layout;
  const [first, ...others] = projections.map((projection) => layout.offset(layer, projection, 'B'));
  const offsets = [0, 1, 2].map((i) => {
    const projection = projections[i];
    return projection === undefined ? 0 : layout.offset(layer, projection, 'A');
  });
  const shared = tokensPerShrink(tokens.count);
  program.add(
    'norm_shrink',
    { NORM_LANES: wideShape(width).lanes, TOKENS: shared, ADAPTERS: dtype },
    [x, gain, pool, tokens.slot, scale, y, xa],
    [tokens.count, width / 4, rank, slotElements, ...offsets, width, projections.length, { f32: eps }],
    [(projections.length * rank) / 4, Math.ceil(tokens.count / shared)],
    2 * tokens.count * projections.length * rank * width,
  );
  return { xa, pool, dtype, slot: tokens.slot, rank, slotElements, offset: first as number, others };
}

/** Queries turned where they lie; keys turned, and values, in the cache. */
function encodeRopeStore(
  { config, turns, saturated }: ForwardParts,
  program: Program,
  { headNorms }: DeviceLayer,
  { whole, firstRows }: MatrixStack,
  tokens: CachedTokens,
  { qkv, k, v, cache }: LayerActivations & FewActivations,
): void {
  const { numHeads, numKvHeads, headDim, rmsNormEps } = config;
  const keyGain = Math.ceil(headDim / STACK_ROWS) * STACK_ROWS;
  const [, firstKey = 0, firstValue = 0] = firstRows;
  program.add(
    'rope_store',
    { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim, NORM: headNorms !== null, CACHE: cache },
    // Without norms their gains go unread.
    [qkv, tokens.pos, tokens.row, turns, headNorms ?? turns, k, v, saturated],
    [whole.rows, firstKey, firstValue, keyGain, tokens.maxLength, tokens.lastRow, { f32: rmsNormEps }],
    [Math.ceil((numHeads + 2 * numKvHeads) / LINES), tokens.count],
  );
}
