/** The intermediates of a layer: what the forward pass writes, and in training the backward pass reads. */

import { sharedActivationSizes, trainingActivationSizes } from '../buffers';
import { PROJECTIONS, type CacheDtype, type ModelConfig, type Projection } from '../types';
import type { Gpu } from './device';

/**
 * The intermediates of one layer, f32 [T, ·] unless it says otherwise. Training gives each its own buffer, because the backward pass reads them;
 * generation reuses buffers that are not needed at the same time.
 */
export interface LayerActivations {
  /** [T, D] input */
  x: GPUBuffer;
  normed1: GPUBuffer;
  /** Outputs of q_proj and k_proj, before norm and RoPE. */
  qRaw: GPUBuffer;
  kRaw: GPUBuffer;
  /** After the norm per head; only with qkNorm. */
  qNormed: GPUBuffer | null;
  kNormed: GPUBuffer | null;
  /** [T, H·Dh] after RoPE */
  q: GPUBuffer;
  /** [rowBase[row] + pos, K·Dh] after RoPE: a cache, or in training the tokens' own list. */
  k: GPUBuffer;
  v: GPUBuffer;
  /** Format of k and v. */
  cache: CacheDtype;
  /** Output of v_proj when `v` is a cache; null: v_proj writes `v` itself, token t at t. */
  vRaw: GPUBuffer | null;
  /** [T, H·Dh] */
  attn: GPUBuffer;
  /** [T, H] */
  lse: GPUBuffer;
  /** [T, D] x + attention */
  afterAttn: GPUBuffer;
  normed2: GPUBuffer;
  /** [T, F] */
  gate: GPUBuffer;
  up: GPUBuffer;
  act: GPUBuffer;
  /** [T, D]; may be x's buffer, not afterAttn's */
  out: GPUBuffer;
  /** [T, R] scale · A x of each projection: the scale is included. */
  xa: Record<Projection, GPUBuffer>;
}

/** What the tokens of a decode step take beside them: see fewTokens.ts. */
export interface FewActivations {
  /** [STEP_TOKENS, rows of the stack] queries, keys and values of a token. */
  qkv: GPUBuffer;
  /** [STEP_TOKENS, 3, R] scale · A x of the parts of a stack. */
  stackedXa: GPUBuffer;
}

/** Every intermediate in a buffer of its own, for training; x and out are the caller's. */
export function createTrainingActivations(
  gpu: Gpu,
  config: ModelConfig,
  rank: number,
  tokens: number,
): Omit<LayerActivations, 'x' | 'out'> {
  const bytes = trainingActivationSizes(config, rank, tokens);
  const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(`activation ${name}`, bytes[name]);
  const xa = Object.fromEntries(PROJECTIONS.map((name) => [name, make(`xa ${name}`)]));
  return {
    normed1: make('normed1'),
    qRaw: make('q raw'),
    kRaw: make('k raw'),
    qNormed: config.qkNorm ? make('q normed') : null,
    kNormed: config.qkNorm ? make('k normed') : null,
    q: make('q'),
    k: make('k'),
    v: make('v'),
    cache: 'f32',
    vRaw: null,
    attn: make('attn'),
    lse: make('lse'),
    afterAttn: make('after attention'),
    normed2: make('normed2'),
    gate: make('gate'),
    up: make('up'),
    act: make('act'),
    xa: xa as Record<Projection, GPUBuffer>,
  };
}

/** A small set of buffers that the layers of a generation step share; keys and values live in `cache`. */
export function createSharedActivations(
  gpu: Gpu,
  config: ModelConfig,
  rank: number,
  tokens: number,
): Omit<LayerActivations, 'k' | 'v' | 'cache'> & FewActivations {
  const bytes = sharedActivationSizes(config, rank, tokens);
  const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(`shared ${name}`, bytes[name]);
  const hidden = make('hidden');
  const normed = make('normed');
  const shrunk = make('xa');
  return {
    x: hidden,
    out: hidden,
    normed1: normed,
    normed2: normed,
    qRaw: make('q raw'),
    kRaw: make('k raw'),
    qNormed: config.qkNorm ? make('q normed') : null,
    kNormed: config.qkNorm ? make('k normed') : null,
    q: make('q'),
    vRaw: make('v raw'),
    attn: make('attn'),
    lse: make('lse'),
    afterAttn: make('after attention'),
    gate: make('gate'),
    up: make('up'),
    act: make('act'),
    xa: Object.fromEntries(PROJECTIONS.map((name) => [name, shrunk])) as Record<Projection, GPUBuffer>,
    qkv: make('q, k, v'),
    stackedXa: make('xa of a stack'),
  };
}
