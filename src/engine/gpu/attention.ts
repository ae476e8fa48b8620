/** Records causal attention and its gradients, in the shape that suits the device. */

import type { LayerActivations } from './activations';
import type { BackwardParts } from './backward';
import type { Gpu } from './device';
import type { ForwardParts, TokenList } from './forward';
import { flatGroups, type Program } from './program';

/** As in attention_forward_wide.wgsl. */
const WIDE = { lanes: 128, block: 64, cuts: 8 };
/** More heads a workgroup would take more registers than a device has for an invocation. */
const MAX_GROUP = 8;
/** Workgroup memory that every WebGPU device has, in bytes. */
const WORKGROUP_BYTES = 16384;

/** Heads and their width. */
export interface HeadShape {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

/** The kernels made for GPUs read heads as vectors of four; the others do any even width. */
export function hasWide(gpu: Gpu, headDim: number): boolean {
  return !gpu.isCpu && headDim % 4 === 0 && headDim <= 256;
}

/** Attention whose keys are split over workgroups. */
export interface SplitKeys {
  /** Segments of ATTENTION_SEGMENT keys at most. */
  segments: number;
  /** [T, H, segments, Dh] */
  sums: GPUBuffer;
  /** [T, H, segments, 2] */
  softmax: GPUBuffer;
}

/** acts.attn [T, H·Dh] and acts.lse [T, H] from acts.q, and from acts.k and acts.v of the tokens' rows. */
export function encodeAttention(
  parts: Pick<ForwardParts, 'gpu' | 'config'>,
  program: Program,
  tokens: Pick<TokenList, 'count' | 'row' | 'pos' | 'rowBase'>,
  acts: Pick<LayerActivations, 'q' | 'k' | 'v' | 'cache' | 'attn' | 'lse'>,
  /** Numbers from one token's queries to the next's; other than H·Dh only where `hasWide`. */
  queryStep = parts.config.numHeads * parts.config.headDim,
  /** Where not null, workgroups of their own take up to so many segments of each token's keys; changes no bit. Only where `hasWide`. */
  split: SplitKeys | null = null,
): void {
  const { gpu, config } = parts;
  const { numHeads, numKvHeads, headDim } = config;
  const bindings = [acts.q, acts.k, acts.v, tokens.row, tokens.pos, tokens.rowBase, acts.attn, acts.lse];
  const scale = { f32: 1 / Math.sqrt(headDim) };
  const heads = { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim, CACHE: acts.cache };
  if (hasWide(gpu, headDim)) {
    const { group, splits } = wideShape(config);
    const groups = flatGroups((tokens.count * numHeads) / group, 1);
    const constants = { ...heads, GROUP: group, SPLIT: split !== null };
    const params = [tokens.count, groups[0], scale, splits, queryStep / 4, split?.segments ?? 0];
    if (split === null) {
      program.add('attention_forward_wide', constants, bindings, params, groups);
      return;
    }
    const { segments, sums, softmax } = split;
    const inputs = bindings.slice(0, 6);
    program.add('attention_forward_wide', constants, [...inputs, sums, softmax], params, [...groups, segments]);
    program.add(
      'attention_merge',
      { HEADS: numHeads, HEAD_DIM: headDim },
      [sums, softmax, tokens.pos, acts.attn, acts.lse],
      [segments],
      [tokens.count * numHeads],
    );
    return;
  }
  const lanes = gpu.isCpu ? 8 : 64;
  // Loads are what a CPU driver spends its time on; a GPU would run out of registers.
  const shared = gpu.isCpu && (numHeads / numKvHeads) % 2 === 0 ? 2 : 1;
  const groups = flatGroups((tokens.count * numHeads) / shared, lanes);
  const constants = { ...heads, GROUP: shared, LANES: lanes };
  program.add('attention_forward', constants, bindings, [tokens.count, groups[0], scale], groups);
}

/**
 * Heads that a workgroup of attention_forward_wide computes: the most that share a key/value head and fit; and over how
 * many lanes an output's keys are split. Both depend on the model alone.
 */
export function wideShape({ numHeads, numKvHeads, headDim }: HeadShape): { group: number; splits: number } {
  const columns = headDim / 4;
  const { lanes, block, cuts } = WIDE;
  const bytes = 16 * block + 4 * headDim + 4 * (block + cuts + 1);
  const sharing = numHeads / numKvHeads;
  let group = Math.min(sharing, MAX_GROUP);
  while (sharing % group !== 0 || group * bytes > WORKGROUP_BYTES) group--;
  let splits = 1;
  while (2 * splits * columns <= lanes && 2 * splits <= block / 4) splits *= 2;
  return { group, splits };
}

/** Tokens of one row that a workgroup of the attention backward kernels takes: `TrainedTokens.tiles`; TILE of the wide ones. */
export function attentionTile(gpu: Gpu): number {
  return gpu.isCpu ? 8 : 32;
}

/** dO in `gradients.attn` to dQ, dK and dV by the inputs of attention, RoPE turned back. */
export function encodeAttentionBackward(parts: BackwardParts, program: Program, saved: LayerActivations): void {
  const { gpu, config, tokens, gradients, turns } = parts;
  const { numHeads, numKvHeads, headDim } = config;
  const scale = { f32: 1 / Math.sqrt(headDim) };
  const heads = { HEADS: numHeads, KV_HEADS: numKvHeads, HEAD_DIM: headDim };
  const groups = flatGroups(tokens.count * numHeads, 64);
  program.add(
    'attention_backward_stats',
    { HEAD_DIM: headDim },
    [saved.attn, gradients.attn, saved.lse, gradients.stats],
    [tokens.count * numHeads, groups[0]],
    groups,
  );
  const inputs = [saved.q, saved.k, saved.v, gradients.attn, gradients.stats, tokens.tiles];
  const tiles = tokens.tileCount;
  const outputs = [gradients.k, gradients.v];
  const group = numHeads / numKvHeads;
  if (hasWide(gpu, headDim)) {
    program.add('attention_backward_query_wide', heads, [...inputs, gradients.q], [scale], [tiles, numHeads]);
    program.add(
      'attention_backward_key_value_wide',
      heads,
      [...inputs, ...outputs],
      [scale, group],
      [tiles, numKvHeads],
    );
  } else {
    const constants = { ...heads, LANES: attentionTile(gpu) };
    program.add('attention_backward_query', constants, [...inputs, gradients.q], [scale], [tiles, numHeads]);
    program.add(
      'attention_backward_key_value',
      constants,
      [...inputs, ...outputs],
      [scale, group],
      [tiles, numKvHeads],
    );
  }
  for (const [count, gradient] of [
    [numHeads, gradients.q],
    [numKvHeads, gradients.k],
  ] as const) {
    program.add(
      'rope_backward',
      { HEADS: count, HEAD_DIM: headDim },
      [tokens.pos, turns, gradient],
      [tokens.count],
      [Math.ceil((count * headDim) / 2 / 64), tokens.count],
    );
  }
}
