/**
 * The sizes of all buffers that the WebGPU engine makes. It makes them from these lists, and a plan adds them up
 * (plan.ts), so neither can forget one. Nothing here needs a device.
 *
 * Letters as in types.ts; Q = H·Dh, K = K·Dh of a token.
 */
import { projectionShape } from './config';
import { PROJECTIONS, type CacheDtype, type ModelConfig } from './types';
import { stackRows } from './weightBuffers';

/** Bytes of buffers by name; a buffer of 0 bytes is not made. */
export type Sizes<Name extends string = string> = Record<Name, number>;

/** Tokens of one prefill or scoring batch; more give no more speed on the devices tried. */
const BATCH_TOKENS = 512;
/** A block of logits takes at most this many bytes unless the rows decoded together need more. */
const LOGITS_BYTES = 32 << 20;
/** Decode steps that are submitted before the host looks at their tokens, at most. */
export const MOST_STEPS_PER_READ = 8;
/** u32 words of one row's sampling settings (`Settings` in fragments/sampling_settings.wgsl). */
export const SETTINGS_WORDS = 10;
/** u32 words of one row's state and of one sampled token. */
export const STATE_WORDS = 4;
/** u32 words of one entry of the list of copies between rows of the cache. */
export const COPY_WORDS = 4;
/** 32-bit words of one entry of the track list: slot, first token, tokens, first target, targets, three unused. */
export const TRACK_WORDS = 8;
/** 32-bit words of one entry of the step list of `adamw`: slot, clip, step size, √bias2, decay, three unused. */
export const STEP_WORDS = 8;
/**
 * Most tokens that GPUs' kernels for few tokens are used for. A block of 8 columns reaches about two thirds of what the tiled kernel does
 * with 64 tokens, which computes 64 however few there are.
 */
export const FEW_TOKENS = 32;
/** Most tokens whose layers are recorded as few dispatches (gpu/fewTokens.ts): as many as rows decode together. */
export const STEP_TOKENS = 128;
/** Outputs of a matrix from which on a sum over them is split over workgroups: few tokens have too few of those otherwise. */
export const SPLIT_OUTPUTS = 16384;
/** Into how many. */
export const OUTPUT_SPLITS = 8;
/** A count of numbers that were too large for f16. */
export const SATURATED_BYTES = 4;
/** Partial sums of squares per track. */
export const NORM_CHUNKS = 1024;

/** What a device allocates for so many bytes. */
export function bufferBytes(bytes: number): number {
  return Math.max(4, Math.ceil(bytes / 4) * 4);
}

/** Rank that adapters are given room for: a multiple of 4, so that rows of B load as vec4. */
export function allocatedRank(maxRank: number): number {
  return Math.max(4, Math.ceil(maxRank / 4) * 4);
}

/** P: elements of one adapter's slot, a multiple of 64 (one storage binding alignment). */
export function slotElements(config: ModelConfig, rank: number): number {
  let layer = 0;
  for (const projection of PROJECTIONS) {
    const [outputs, inputs] = projectionShape(config, projection);
    layer += rank * (inputs + outputs);
  }
  // The head of a reward model comes last.
  return roundUp(config.numLayers * layer + roundUp(config.hiddenSize, 4), 64);
}

/** The pool of adapters. */
export function adapterSizes(config: ModelConfig, maxAdapters: number, maxRank: number) {
  const slots = Math.max(1, maxAdapters);
  const pool = slots * slotElements(config, allocatedRank(maxRank)) * 4;
  return { pool, scales: slots * 4 } satisfies Sizes;
}

/** What generation and scoring read where adapters are f16 there: a copy of the pool, and the largest weight while it is made. */
export function adapterCopySizes(config: ModelConfig, maxAdapters: number, maxRank: number) {
  const { pool, scales } = adapterSizes(config, maxAdapters, maxRank);
  return { copies: pool / 2, 'scales of copies': scales, 'largest weight': 4 } satisfies Sizes;
}

/** Sizes of what a decoder allocates. */
export interface DecoderSizes {
  maxRows: number;
  maxLength: number;
  /** Tokens of a batch. */
  tokens: number;
  /** Lines of the block of logits. */
  logitsRows: number;
  /** Format of keys and values. */
  cache: CacheDtype;
}

export function decoderSizes(config: ModelConfig, maxRows: number, maxLength: number, cache: CacheDtype): DecoderSizes {
  const tokens = padTokens(Math.max(BATCH_TOKENS, maxRows));
  const fitting = Math.floor(LOGITS_BYTES / (4 * config.vocabSize));
  return { maxRows, maxLength, tokens, logitsRows: Math.min(tokens, Math.max(padRows(maxRows), fitting)), cache };
}

/** Keys of one layer for all rows and one idle row; values take as much. */
export function cacheBytes(config: ModelConfig, { maxRows, maxLength, cache }: DecoderSizes): number {
  return (maxRows + 1) * maxLength * keyBytes(config, cache);
}

/** Keys and values of one token in all layers. */
export function cachedTokenBytes(config: ModelConfig, cache: CacheDtype): number {
  return 2 * config.numLayers * keyBytes(config, cache);
}

/** Keys of one token in one layer: a multiple of 4, because widths of heads are even. */
function keyBytes({ numKvHeads, headDim }: ModelConfig, cache: CacheDtype): number {
  return numKvHeads * headDim * (cache === 'f16' ? 2 : 4);
}

/** Keys of a token that one workgroup takes in decoding, SEGMENT in fragments/segments.wgsl. */
export const ATTENTION_SEGMENT = 256;

/** Segments that so many keys are split in; 0 where one workgroup takes them. A power of two, so that few programs are recorded. */
export function segmentsOf(keys: number): number {
  return keys <= ATTENTION_SEGMENT ? 0 : 2 ** Math.ceil(Math.log2(keys / ATTENTION_SEGMENT));
}

/** Workgroups that a line of a large vocabulary is cut for on a GPU, SLICES in fragments/slices.wgsl. */
export const SAMPLING_SLICES = 32;

/** Whether it is: by the vocabulary alone, since what a row draws must not depend on how many rows there are. */
export function sampledInSlices(vocabulary: number): boolean {
  return vocabulary >= 16_384;
}

/** What a decoder keeps beside the cache and the activations. */
export function decoderBufferSizes(config: ModelConfig, sizes: DecoderSizes) {
  const { maxRows, tokens, logitsRows } = sizes;
  const { hiddenSize: D, vocabSize: V } = config;
  const rows = maxRows + 1;
  const lines = padRows(maxRows);
  const few = Math.min(lines, FEW_TOKENS);
  // At least one, so that there is something to bind.
  const segments = Math.max(1, segmentsOf(sizes.maxLength));
  const elements = {
    ids: tokens,
    row: tokens,
    pos: tokens,
    slot: tokens,
    'row base': rows,
    'wanted tokens': logitsRows,
    'target ids': logitsRows,
    'active rows': lines,
    gathered: logitsRows * D,
    'final norm': logitsRows * D,
    'logits (maxRows)': logitsRows * V,
    'log-probabilities': logitsRows,
    'sampling weights (maxRows)': lines * V,
    'sums of segments': few * segments * config.numHeads * config.headDim,
    'softmax of segments': few * segments * config.numHeads * 2,
    'parts of sampling': lines * (sampledInSlices(V) ? 8 * SAMPLING_SLICES : 4),
    'sampling settings': rows * SETTINGS_WORDS,
    'slots of rows': rows,
    'row states': rows * STATE_WORDS,
    'copies of rows': lines * COPY_WORDS,
    sampled: lines * STATE_WORDS,
    'sampled in several steps': MOST_STEPS_PER_READ * lines * STATE_WORDS,
  };
  return times(elements, 4);
}

/** cos and sin of all positions. */
export function turnsBytes(config: ModelConfig, positions: number): number {
  return positions * config.headDim * 4;
}

/** The small set that the layers of a generation step share. */
export function sharedActivationSizes(config: ModelConfig, rank: number, tokens: number) {
  const { D, F, Q, K, H, R, normedQ, normedK } = widths(config, rank);
  const elements = {
    hidden: D,
    normed: D,
    xa: R,
    'q raw': Q,
    'k raw': K,
    'q normed': normedQ,
    'k normed': normedK,
    q: Q,
    'v raw': K,
    attn: Q,
    lse: H,
    'after attention': D,
    gate: F,
    up: F,
    act: F,
  };
  // What the tokens of a decode step take in place of q, k and v raw, and of xa.
  const few = Math.min(tokens, STEP_TOKENS);
  const stacked = { 'q, k, v': few * stackRows(config, 'qkv'), 'xa of a stack': few * 3 * R };
  return { ...times(elements, 4 * tokens), ...times(stacked, 4) };
}

/** The intermediates of one layer that its backward pass reads; `xa` once for every projection. */
export function trainingActivationSizes(config: ModelConfig, rank: number, tokens: number) {
  const { D, F, Q, K, H, R, normedQ, normedK } = widths(config, rank);
  const elements = {
    normed1: D,
    'q raw': Q,
    'k raw': K,
    'q normed': normedQ,
    'k normed': normedK,
    q: Q,
    k: K,
    v: K,
    attn: Q,
    lse: H,
    'after attention': D,
    normed2: D,
    gate: F,
    up: F,
    act: F,
  };
  const xa = Object.fromEntries(PROJECTIONS.map((name) => [`xa ${name}`, R]));
  return times({ ...elements, ...(xa as Record<`xa ${(typeof PROJECTIONS)[number]}`, number>) }, 4 * tokens);
}

/** Scratch of the backward sweep. */
export function gradientSizes(config: ModelConfig, rank: number, tokens: number) {
  const { D, F, Q, K, H, R } = widths(config, rank);
  const elements = {
    hidden: D,
    normed: D,
    attn: Q,
    q: Q,
    k: K,
    v: K,
    'q before norm': config.qkNorm ? Q : 0,
    'k before norm': config.qkNorm ? K : 0,
    gate: F,
    up: F,
    dxa: R,
    'attention stats': 2 * H,
  };
  return times(elements, 4 * tokens);
}

/** Largest batch that the buffers of a training step hold. */
export interface TrainingSize {
  /** Tokens that matter of all rows, padded as `measureBatch` does. */
  tokens: number;
  /** Tokens whose next token has a weight. */
  targets: number;
  tracks: number;
}

/** Stretches of rows for attention that a batch has at most: each has at least one token. */
export function mostTiles(tokens: number): number {
  return roundUp(tokens, 64);
}

/** The lists of a training step; `targets` is a multiple of 64. */
export function stepSizes({ tokens, targets, tracks }: TrainingSize) {
  const words = {
    ids: tokens,
    row: tokens,
    pos: tokens,
    slot: tokens,
    rowBase: tokens,
    tiles: 4 * mostTiles(tokens),
    positions: targets,
    targets: 2 * targets,
    loss: targets,
    tracks: TRACK_WORDS * tracks,
    steps: STEP_WORDS * tracks,
    results: 3 * tracks,
    'partial norms': NORM_CHUNKS * tracks,
  };
  return times(words, 4);
}

/** Targets of one block at the head, a multiple of 64: a binding of `positions` may begin there. */
export function headBlock(config: ModelConfig, targets: number, logitsBytes: number): number {
  return Math.min(targets, Math.max(64, Math.floor(logitsBytes / (4 * config.vocabSize) / 64) * 64));
}

/** One block of targets at the head. */
export function headSizes({ hiddenSize: D, vocabSize: V }: ModelConfig, block: number) {
  // Partial sums of the gradient through the head where there are many outputs.
  const splits = V >= SPLIT_OUTPUTS ? OUTPUT_SPLITS * D : 0;
  const widths = {
    hidden: D,
    normed: D,
    'gradient normed': D,
    'gradient hidden': D,
    'gradient splits': splits,
    logits: V,
  };
  return times(widths, 4 * block);
}

/** Next of the few row counts that programs are recorded for. */
export function padRows(rows: number): number {
  // Decoding one row is most of what a visitor waits for: it is not computed eight times.
  if (rows <= 4) return rows <= 2 ? rows : 4;
  return roundUp(rows, rows <= 64 ? 8 : 32);
}

/** Next of the few token counts that programs are recorded for. */
export function padTokens(tokens: number): number {
  return roundUp(tokens, tokens <= 128 ? 16 : 64);
}

/** `value` or the next multiple of `step` above it. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** Widths of the activations, in elements per token. */
function widths(config: ModelConfig, rank: number) {
  const Q = config.numHeads * config.headDim;
  const K = config.numKvHeads * config.headDim;
  return {
    D: config.hiddenSize,
    F: config.intermediateSize,
    Q,
    K,
    H: config.numHeads,
    R: rank,
    normedQ: config.qkNorm ? Q : 0,
    normedK: config.qkNorm ? K : 0,
  };
}

function times<Name extends string>(elements: Record<Name, number>, bytes: number): Sizes<Name> {
  const entries = Object.entries<number>(elements).map(([name, count]) => [name, count * bytes]);
  return Object.fromEntries(entries) as Sizes<Name>;
}
