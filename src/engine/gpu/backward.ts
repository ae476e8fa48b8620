/**
 * Records the backward sweep: gradients flow from the logits to the LoRA matrices; the base is frozen, so of its weights
 * only the way through them (dX) is computed. Kernels and their sums' order are described in src/engine/kernels.
 *
 * T tokens of several rows lie in one flat list. The host guarantees: T is a multiple of TOKEN_TILE, every TOKEN_TILE
 * tokens share an adapter slot, a track's tokens (a track: one adapter in training) are contiguous, as are a row's.
 */

import { gradientSizes } from '../buffers';
import { projectionShape } from '../config';
import type { ModelConfig, Projection } from '../types';
import type { LayerActivations } from './activations';
import { encodeAttentionBackward } from './attention';
import type { Gpu } from './device';
import type { AdapterPool } from './forward';
import { encodeLinearBackwardInput, type LoraPath } from './linear';
import { encodeLoraBackwardShrink, encodeLoraWeights } from './lora';
import type { WeightMatrix } from './matrix';
import { encodeRmsNormBackward } from './norm';
import type { Program } from './program';
import type { DeviceLayer } from './weights';

/** Tokens that one invocation of the backward GEMMs works on. */
export const TOKEN_TILE = 4;
/** Vocabularies from which on 64 and 256 invocations share a token in cross_entropy. */
const LARGE_VOCABULARY = 512;
const HUGE_VOCABULARY = 16384;

/** The adapters of an engine on the device, with the gradients and AdamW's moments of those in training, each [slots, P]. */
export interface TrainedPool extends AdapterPool {
  gradients: GPUBuffer;
  m: GPUBuffer;
  v: GPUBuffer;
}

/** The flat token list and the tracks in it. */
export interface TrainedTokens {
  /** T */
  count: number;
  /** u32 [T] */
  slot: GPUBuffer;
  /** u32 [T] position within the row */
  pos: GPUBuffer;
  /** u32 quadruples [tileCount]: first token of a stretch of one row, first of the row, one past the row's last, 0 */
  tiles: GPUBuffer;
  tileCount: number;
  /** Entries in `tracks` that are in use. */
  trackCount: number;
  /** [trackCount] entries of TRACK_WORDS */
  tracks: GPUBuffer;
  /** f32 pairs [trackCount]: loss, squared gradient norm; then u32 [trackCount]: see adamw */
  results: GPUBuffer;
}

/** Scratch of the backward sweep, all [T, ·] f32. */
export interface GradientBuffers {
  /** Gradient by the residual stream [T, D]; the sweep carries it from layer to layer. */
  hidden: GPUBuffer;
  /** [T, D] */
  normed: GPUBuffer;
  /** [T, H·Dh] */
  attn: GPUBuffer;
  q: GPUBuffer;
  /** [T, K·Dh] */
  k: GPUBuffer;
  v: GPUBuffer;
  /** As q and k, before the norm per head; only with qkNorm. */
  qRaw: GPUBuffer | null;
  kRaw: GPUBuffer | null;
  /** [T, F] */
  gate: GPUBuffer;
  up: GPUBuffer;
  /** [T, R] */
  dxa: GPUBuffer;
  /** [T, H, 2] */
  stats: GPUBuffer;
}

/** Everything a recorded backward sweep refers to. */
export interface BackwardParts {
  gpu: Gpu;
  config: ModelConfig;
  pool: TrainedPool;
  tokens: TrainedTokens;
  gradients: GradientBuffers;
  /** cos and sin of every position's angles, f32 pairs [positions, Dh/2]. */
  turns: GPUBuffer;
  /** Projections that an adapter of the job has; the others have no LoRA path. */
  targets: ReadonlySet<Projection>;
}

/** Buffers for T tokens. */
export function createGradientBuffers(gpu: Gpu, config: ModelConfig, rank: number, tokens: number): GradientBuffers {
  const bytes = gradientSizes(config, rank, tokens);
  const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(`gradient ${name}`, bytes[name]);
  return {
    hidden: make('hidden'),
    normed: make('normed'),
    attn: make('attn'),
    q: make('q'),
    k: make('k'),
    v: make('v'),
    qRaw: config.qkNorm ? make('q before norm') : null,
    kRaw: config.qkNorm ? make('k before norm') : null,
    gate: make('gate'),
    up: make('up'),
    dxa: make('dxa'),
    stats: make('attention stats'),
  };
}

/** One projection: its adapters' gradients are added to the pool, and dX unless `dx` is null. */
export interface ProjectionBackward {
  layer: number;
  projection: Projection;
  weight: WeightMatrix;
  /** Input [T, in] and scale · A x [T, R] of the forward pass. */
  x: GPUBuffer;
  xa: GPUBuffer;
  dy: GPUBuffer;
  dx: GPUBuffer | null;
  accumulate: boolean;
}

export function encodeProjectionBackward(parts: BackwardParts, program: Program, job: ProjectionBackward): void {
  const { gpu, config, pool, tokens, gradients } = parts;
  const { layout } = pool;
  const [outputs, inputs] = projectionShape(config, job.projection);
  let lora: LoraPath | null = null;
  if (parts.targets.has(job.projection)) {
    const { rank, slotElements } = layout;
    const a = { rank, slotElements, offset: layout.offset(job.layer, job.projection, 'A') };
    const b = { rank, slotElements, offset: layout.offset(job.layer, job.projection, 'B') };
    const { dxa } = gradients;
    const { slot, tracks, trackCount, count } = tokens;
    lora = { ...a, dxa, slot, pool: pool.weights };
    encodeLoraBackwardShrink(gpu, program, {
      tokens: count,
      width: outputs,
      dy: job.dy,
      b: { ...b, pool: pool.weights },
      slot,
      scale: pool.scale,
      dxa,
    });
    for (const matrix of [
      { expand: true, width: outputs, wide: job.dy, narrow: job.xa, gradient: { ...b, pool: pool.gradients } },
      { expand: false, width: inputs, wide: job.x, narrow: dxa, gradient: { ...a, pool: pool.gradients } },
    ]) {
      encodeLoraWeights(gpu, program, { ...matrix, tracks, trackCount });
    }
  }
  if (job.dx === null) return;
  const { dy, weight, dx, accumulate } = job;
  encodeLinearBackwardInput(gpu, program, { tokens: tokens.count, dy, weight, dx, lora, accumulate });
}

/** dAct in `gradients.gate` to dGate (in its place) and dUp. */
export function encodeSwigluBackward(parts: BackwardParts, program: Program, saved: LayerActivations): void {
  const { config, tokens, gradients } = parts;
  program.add(
    'swiglu_backward',
    {},
    [saved.gate, saved.up, gradients.gate, gradients.up],
    [config.intermediateSize, tokens.count],
    [Math.ceil(config.intermediateSize / 64), tokens.count],
  );
}

/**
 * One decoder layer: `gradients.hidden` holds the gradient by the layer's output on entry and by its input on exit; the
 * layer's adapters' gradients are added to the pool. With `first` nothing lies below that could learn, and the way down
 * to the input is left out.
 */
export function encodeLayerBackward(
  parts: BackwardParts,
  program: Program,
  layer: number,
  weights: DeviceLayer,
  saved: LayerActivations,
  first: boolean,
): void {
  const { gradients } = parts;
  const back = (
    projection: Projection,
    x: GPUBuffer,
    dy: GPUBuffer,
    dx: GPUBuffer | null,
    accumulate = false,
  ): void => {
    const weight = weights.projections[projection];
    encodeProjectionBackward(parts, program, {
      layer,
      projection,
      weight,
      x,
      xa: saved.xa[projection],
      dy,
      dx,
      accumulate,
    });
  };
  back('down_proj', saved.act, gradients.hidden, gradients.gate);
  encodeSwigluBackward(parts, program, saved);
  back('gate_proj', saved.normed2, gradients.gate, gradients.normed);
  back('up_proj', saved.normed2, gradients.up, gradients.normed, true);
  encodeNormIntoHidden(parts, program, saved.afterAttn, weights.postNorm);

  back('o_proj', saved.attn, gradients.hidden, gradients.attn);
  encodeAttentionBackward(parts, program, saved);
  const [dq, dk] = encodeHeadNormBackward(parts, program, weights, saved);
  const dNormed = first ? null : gradients.normed;
  back('q_proj', saved.normed1, dq, dNormed);
  back('k_proj', saved.normed1, dk, dNormed, true);
  back('v_proj', saved.normed1, gradients.v, dNormed, true);
  if (!first) encodeNormIntoHidden(parts, program, saved.x, weights.inputNorm);
}

/** Adds the gradient through a layer's norm to the residual stream's. */
function encodeNormIntoHidden(parts: BackwardParts, program: Program, x: GPUBuffer, gain: GPUBuffer): void {
  const { config, tokens, gradients } = parts;
  const shape = { rows: tokens.count, width: config.hiddenSize, eps: config.rmsNormEps };
  encodeRmsNormBackward(parts.gpu, program, shape, { x, gain, dy: gradients.normed, dx: gradients.hidden }, true);
}

/** Gradients by the outputs of q_proj and k_proj: through the norm per head where the model has one. */
function encodeHeadNormBackward(
  parts: BackwardParts,
  program: Program,
  weights: DeviceLayer,
  saved: LayerActivations,
): [GPUBuffer, GPUBuffer] {
  const { config, tokens, gradients } = parts;
  const { qNorm, kNorm } = weights;
  if (qNorm === null || kNorm === null) return [gradients.q, gradients.k];
  const { qRaw, kRaw } = gradients;
  if (qRaw === null || kRaw === null) {
    throw new TypeError('a model with q and k norm needs gradients before them');
  }
  const shape = (heads: number) => ({ rows: tokens.count * heads, width: config.headDim, eps: config.rmsNormEps });
  const q = { x: saved.qRaw, gain: qNorm, dy: gradients.q, dx: qRaw };
  const k = { x: saved.kRaw, gain: kNorm, dy: gradients.k, dx: kRaw };
  encodeRmsNormBackward(parts.gpu, program, shape(config.numHeads), q, false);
  encodeRmsNormBackward(parts.gpu, program, shape(config.numKvHeads), k, false);
  return [qRaw, kRaw];
}

/** Logits [count, V] of one block of targets to their gradient, in place; losses from `first` on. */
export function encodeCrossEntropy(
  program: Program,
  shape: { vocabulary: number; first: number; count: number },
  buffers: { logits: GPUBuffer; targets: GPUBuffer; loss: GPUBuffer },
): void {
  const lanes = shape.vocabulary < LARGE_VOCABULARY ? 1 : shape.vocabulary < HUGE_VOCABULARY ? 64 : 256;
  const tokens = lanes === 1 ? 64 : 1;
  program.add(
    'cross_entropy',
    { V: shape.vocabulary, LANES: lanes, TOKENS: tokens },
    [buffers.logits, buffers.targets, buffers.loss],
    [shape.first, shape.count],
    [Math.ceil(shape.count / tokens)],
  );
}

/** Loss of every track from its targets' losses, added to `results`. */
export function encodeTrackLoss(tokens: TrainedTokens, program: Program, loss: GPUBuffer): void {
  const groups: [number] = [Math.ceil(tokens.trackCount / 64)];
  program.add('track_loss', {}, [tokens.tracks, loss, tokens.results], [tokens.trackCount], groups);
}
