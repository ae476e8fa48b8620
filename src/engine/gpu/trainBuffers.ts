/** The buffers of a training step, sized for the largest batch of a job. */

import { MemoryPlanError } from '../errors';
import { createGradientBuffers, STEP_WORDS, TRACK_WORDS, type GradientBuffers } from './backward';
import type { BatchSize } from './batch';
import type { Gpu } from './device';
import {
  createTrainingActivations,
  trainingActivationBytes,
  type ForwardParts,
  type LayerActivations,
  type TokenList,
} from './forward';
import { NORM_CHUNKS } from './optimiser';

/** How much memory a step may spend on saving time; the results are the same bit for bit. */
export interface TrainMemory {
  /** All layers' activations are kept while they take at most this many bytes, else each layer is computed twice. */
  activationBytes: number;
  /** Logits of a block of targets take at most this many bytes (or 64 targets', if that is more). */
  logitsBytes: number;
}

export const DEFAULT_MEMORY: TrainMemory = { activationBytes: 256 << 20, logitsBytes: 64 << 20 };
/** Largest batch that the buffers hold. */
export type Capacity = BatchSize & { tracks: number };

/** What depends on the batch's largest size. */
export interface StepBuffers {
  capacity: Capacity;
  list: Omit<TokenList, 'count'>;
  tiles: GPUBuffer;
  positions: GPUBuffer;
  targets: GPUBuffer;
  loss: GPUBuffer;
  tracks: GPUBuffer;
  steps: GPUBuffer;
  results: GPUBuffer;
  partials: GPUBuffer;
  /** Residual stream before each layer and after the last, [L + 1] of [T, D]. */
  hidden: GPUBuffer[];
  /** One set per layer, or one for all when they would take too much. */
  activations: Omit<LayerActivations, 'x' | 'out'>[];
  gradients: GradientBuffers;
  head: HeadBuffers;
}

/** One block of targets at the head. */
export interface HeadBuffers {
  /** Targets per block, a multiple of 64. */
  block: number;
  /** [block, D] */
  hidden: GPUBuffer;
  normed: GPUBuffer;
  dNormed: GPUBuffer;
  dHidden: GPUBuffer;
  /** [block, V] */
  logits: GPUBuffer;
}

export function tooLarge({ tokens }: Capacity, problem: string): MemoryPlanError {
  return new MemoryPlanError(
    `a training batch of ${tokens} tokens does not fit: ${problem}; ` +
      'a smaller batch, more accumulation or shorter examples need less',
  );
}

export function createStepBuffers(parts: ForwardParts, size: Capacity, memory: TrainMemory): StepBuffers {
  const { gpu, config, adapters } = parts;
  const { numLayers, hiddenSize } = config;
  const { rank } = adapters.layout;
  // Padding a batch to the next size that programs are recorded for adds at most a tile for every TOKEN_TILE tokens.
  const capacity = { ...size, targets: roundUp(size.targets, 64), tiles: roundUp(size.tiles, 64) + size.tokens };
  const words = (name: string, count: number): GPUBuffer => gpu.buffer(`training ${name}`, count * 4);
  const each = trainingActivationBytes(config, rank, capacity.tokens);
  const sets = each * numLayers <= memory.activationBytes ? numLayers : 1;
  return {
    capacity,
    list: {
      ids: words('ids', capacity.tokens),
      row: words('row', capacity.tokens),
      pos: words('pos', capacity.tokens),
      slot: words('slot', capacity.tokens),
      rowBase: words('rowBase', capacity.tokens),
    },
    tiles: words('tiles', 4 * capacity.tiles),
    positions: words('positions', capacity.targets),
    targets: words('targets', 2 * capacity.targets),
    loss: words('loss', capacity.targets),
    tracks: words('tracks', TRACK_WORDS * capacity.tracks),
    steps: words('steps', STEP_WORDS * capacity.tracks),
    results: words('results', 2 * capacity.tracks),
    partials: words('partial norms', NORM_CHUNKS * capacity.tracks),
    hidden: Array.from({ length: numLayers + 1 }, (_, l) => words(`hidden ${l}`, capacity.tokens * hiddenSize)),
    activations: Array.from({ length: sets }, () => createTrainingActivations(gpu, config, rank, capacity.tokens)),
    gradients: createGradientBuffers(gpu, config, rank, capacity.tokens),
    head: createHeadBuffers(gpu, hiddenSize, config.vocabSize, capacity.targets, memory.logitsBytes),
  };
}

function createHeadBuffers(gpu: Gpu, D: number, V: number, targets: number, logitsBytes: number): HeadBuffers {
  // A block begins at a multiple of 64 targets, so that a binding of `positions` may begin there.
  const block = Math.min(targets, Math.max(64, Math.floor(logitsBytes / (4 * V) / 64) * 64));
  const make = (name: string, width: number): GPUBuffer => gpu.buffer(`head ${name}`, block * width * 4);
  return {
    block,
    hidden: make('hidden', D),
    normed: make('normed', D),
    dNormed: make('gradient normed', D),
    dHidden: make('gradient hidden', D),
    logits: make('logits', V),
  };
}

/** Every buffer inside a nested record or list. */
export function buffersOf(value: unknown): GPUBuffer[] {
  if (typeof value !== 'object' || value === null) return [];
  if (value instanceof GPUBuffer) return [value];
  return Object.values(value).flatMap(buffersOf);
}

/** `value` or the next multiple of `step` above it. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
