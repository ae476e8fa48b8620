/** The buffers of a training step, sized for the largest batch of a job. */

import { headBlock, headSizes, stepSizes, type TrainingSize } from '../buffers';
import { MemoryPlanError } from '../errors';
import { keptLayers, stepCapacity, type TrainMemory } from '../plan';
import type { ModelConfig } from '../types';
import { createTrainingActivations, type LayerActivations } from './activations';
import { createGradientBuffers, type GradientBuffers } from './backward';
import type { Gpu } from './device';
import type { ForwardParts, TokenList } from './forward';

/** Largest batch that the buffers hold; stretches for attention are bounded by its tokens. */
export type Capacity = TrainingSize;

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
  /** [OUTPUT_SPLITS, block, D]; large vocabularies only */
  splits: GPUBuffer | null;
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
  const { rank } = adapters.layout;
  const capacity = stepCapacity(size);
  const { tokens, targets } = capacity;
  const bytes = stepSizes(capacity);
  const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(`training ${name}`, bytes[name]);
  const hidden = tokens * config.hiddenSize * 4;
  const sets = keptLayers(config, rank, tokens, memory);
  return {
    capacity,
    list: { ids: make('ids'), row: make('row'), pos: make('pos'), slot: make('slot'), rowBase: make('rowBase') },
    tiles: make('tiles'),
    positions: make('positions'),
    targets: make('targets'),
    loss: make('loss'),
    tracks: make('tracks'),
    steps: make('steps'),
    results: make('results'),
    partials: make('partial norms'),
    hidden: Array.from({ length: config.numLayers + 1 }, (_, l) => gpu.buffer(`training hidden ${l}`, hidden)),
    activations: Array.from({ length: sets }, () => createTrainingActivations(gpu, config, rank, tokens)),
    gradients: createGradientBuffers(gpu, config, rank, tokens),
    head: createHeadBuffers(gpu, config, headBlock(config, targets, memory.logitsBytes)),
  };
}

function createHeadBuffers(gpu: Gpu, config: ModelConfig, block: number): HeadBuffers {
  const bytes = headSizes(config, block);
  const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(`head ${name}`, bytes[name]);
  return {
    block,
    hidden: make('hidden'),
    normed: make('normed'),
    dNormed: make('gradient normed'),
    dHidden: make('gradient hidden'),
    splits: bytes['gradient splits'] > 0 ? make('gradient splits') : null,
    logits: make('logits'),
  };
}

/** Every buffer inside a nested record or list. */
export function buffersOf(value: unknown): GPUBuffer[] {
  if (typeof value !== 'object' || value === null) return [];
  if (value instanceof GPUBuffer) return [value];
  return Object.values(value).flatMap(buffersOf);
}
