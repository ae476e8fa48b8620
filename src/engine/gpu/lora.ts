/** Records the small products of LoRA, forward and backward: which kernel, by the widths and the device. */

import { FEW_TOKENS } from '../buffers';
import type { AdapterDtype } from '../types';
import type { Gpu } from './device';
import { lanesFor } from './linear';
import type { Program } from './program';

/** Tokens that share a slot in training, and that one invocation of the backward kernels makes. */
const TILE = 4;
/** Up to so many tokens have workgroups of their own: more workgroups hide more of the latency. */
const ALONE = 4;

/** One matrix of every adapter: A [R, in] or B [out, R] begins at `offset` of each slot of the pool. */
export interface PooledMatrix {
  pool: GPUBuffer;
  /** Of the pool; default f32. f16 is read on GPUs alone, forward. */
  dtype?: AdapterDtype;
  /** R, a multiple of 4 */
  rank: number;
  slotElements: number;
  /** A multiple of 4. */
  offset: number;
}

export interface LoraShrinkJob {
  /** T */
  tokens: number;
  /** IN */
  width: number;
  /** [T, IN] */
  x: GPUBuffer;
  a: PooledMatrix;
  /** u32 [T] */
  slot: GPUBuffer;
  /** f32 [slots] */
  scale: GPUBuffer;
  /** [T, R] */
  xa: GPUBuffer;
}

/** Tokens of a workgroup of lora_shrink_wide and norm_shrink, which read A once where they have one slot; changes no bit. */
export function tokensPerShrink(tokens: number): number {
  if (tokens <= ALONE) return 1;
  return tokens <= FEW_TOKENS ? 4 : 8;
}

/** Records xa = scale · A x, zeros for tokens without an adapter. */
export function encodeLoraShrink(gpu: Gpu, program: Program, job: LoraShrinkJob): void {
  const { tokens, width, x, a, slot, scale, xa } = job;
  const { rank, dtype = 'f32' } = a;
  const bindings = [x, a.pool, slot, scale, xa];
  const vector = width % 4 === 0;
  const params = [tokens, a.slotElements, a.offset, vector ? width / 4 : width, rank];
  if (dtype === 'f16' && (!vector || gpu.isCpu)) throw new RangeError('adapters in f16 are for vectors on a GPU');
  if (!vector) {
    program.add('lora_shrink_scalar', {}, bindings, params, [Math.ceil(rank / 64), tokens]);
  } else if (gpu.isCpu) {
    const lanes = Math.min(8, rank);
    const groups: [number, number] = [Math.ceil(rank / lanes), Math.ceil(tokens / TILE)];
    program.add('lora_shrink', { LANES: lanes, TILES: 1 }, bindings, params, groups);
  } else {
    const shared = tokensPerShrink(tokens);
    const groups: [number, number] = [rank / 4, Math.ceil(tokens / shared)];
    program.add('lora_shrink_wide', { TOKENS: shared, ADAPTERS: dtype }, bindings, params, groups);
  }
}

export interface LoraBackwardShrinkJob {
  /** T, a multiple of 4, every 4 tokens of one slot */
  tokens: number;
  /** OUT */
  width: number;
  /** [T, OUT] */
  dy: GPUBuffer;
  b: PooledMatrix;
  slot: GPUBuffer;
  scale: GPUBuffer;
  /** [T, R] */
  dxa: GPUBuffer;
}

/** Records dXA = scale · dY · B. */
export function encodeLoraBackwardShrink(gpu: Gpu, program: Program, job: LoraBackwardShrinkJob): void {
  const { tokens, width, dy, b, slot, scale, dxa } = job;
  const { rank } = b;
  const bindings = [dy, b.pool, scale, slot, dxa];
  const params = [width, rank, b.slotElements, b.offset];
  if (!gpu.isCpu) {
    program.add('lora_backward_shrink_wide', {}, bindings, params, [rank / 4, tokens / TILE]);
    return;
  }
  const lanes = lanesFor(gpu, rank);
  const name = width % 4 === 0 ? 'lora_backward_shrink' : 'lora_backward_shrink_scalar';
  program.add(name, { LANES: lanes }, bindings, params, [Math.ceil(rank / lanes), tokens / TILE]);
}

export interface LoraWeightsJob {
  /** The gradients of B (wide = dY, narrow = A·x), not of A (wide = x, narrow = dXA). */
  expand: boolean;
  /** Columns of `wide`. */
  width: number;
  /** [T, width] */
  wide: GPUBuffer;
  /** [T, R] */
  narrow: GPUBuffer;
  /** Tracks: slot, first token, tokens, … of each */
  tracks: GPUBuffer;
  trackCount: number;
  /** The matrix in the pool of gradients. */
  gradient: PooledMatrix;
}

/** Records the gradients of every track's A or B, added to the pool of gradients. */
export function encodeLoraWeights(gpu: Gpu, program: Program, job: LoraWeightsJob): void {
  const { expand, width, gradient, trackCount } = job;
  const { rank } = gradient;
  const bindings = [job.wide, job.narrow, job.tracks, gradient.pool];
  const params = [width, rank, gradient.slotElements, gradient.offset];
  const vector = width % 4 === 0;
  if (vector && !gpu.isCpu) {
    const groups: [number, number, number] = [Math.ceil(width / 64), rank / 4, trackCount];
    program.add('lora_backward_weights_wide', { EXPAND: expand }, bindings, params, groups);
    return;
  }
  const columns = vector ? width / 4 : width;
  const lanes = lanesFor(gpu, columns);
  const groups: [number, number, number] = [Math.ceil(columns / lanes), vector ? rank / 4 : rank, trackCount];
  const name = vector ? 'lora_backward_weights' : 'lora_backward_weights_scalar';
  program.add(name, { EXPAND: expand, LANES: lanes }, bindings, params, groups);
}
