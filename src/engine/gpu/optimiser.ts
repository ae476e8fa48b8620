/** Records the optimiser's part of a step: squared gradient norm per track, then clipping and AdamW on the device. */

import { NORM_CHUNKS, STEP_WORDS } from '../buffers';
import type { OptimiserSettings } from '../types';
import type { TrainedPool, TrainedTokens } from './backward';
import { flatGroups, type Program } from './program';

/** Squared gradient norm of every track into `results`, from the gradient pool; `partials` is f32 [G, NORM_CHUNKS]. */
export function encodeGradientNorm(
  pool: TrainedPool,
  tokens: TrainedTokens,
  partials: GPUBuffer,
  program: Program,
): void {
  program.add(
    'sum_of_squares',
    { CHUNKS: NORM_CHUNKS },
    [tokens.tracks, pool.gradients, partials],
    [pool.layout.slotElements],
    [NORM_CHUNKS / 64, tokens.trackCount],
  );
  program.add(
    'sum_of_squares_total',
    { CHUNKS: NORM_CHUNKS },
    [partials, tokens.results],
    [tokens.trackCount],
    [Math.ceil(tokens.trackCount / 64)],
  );
}

/** One AdamW update of every track in `steps` ([trackCount] entries of STEP_WORDS, see `packSteps`). */
export function encodeAdamW(
  pool: TrainedPool,
  tokens: TrainedTokens,
  steps: GPUBuffer,
  settings: OptimiserSettings,
  program: Program,
): void {
  const { slotElements } = pool.layout;
  // A rank of 32 on half a billion parameters is more than one dimension holds.
  const [x, z] = flatGroups(slotElements / 4, 64);
  program.add(
    'adamw',
    {},
    [steps, tokens.results, pool.weights, pool.gradients, pool.m, pool.v],
    [
      slotElements,
      { f32: settings.beta1 },
      { f32: settings.beta2 },
      { f32: 1 - settings.beta1 },
      { f32: 1 - settings.beta2 },
      { f32: settings.eps },
      x,
      tokens.trackCount,
    ],
    [x, tokens.trackCount, z],
  );
}

/** What one track's update depends on. */
export interface TrackStep {
  slot: number;
  lr: number;
  /** Updates of this adapter so far, this one included: 1 for the first. */
  update: number;
}

/** The step list that `adamw` reads, for `capacity` tracks; entries past `steps` are zero. */
export function packSteps(steps: readonly TrackStep[], settings: OptimiserSettings, capacity: number): Uint32Array {
  const words = new Uint32Array(capacity * STEP_WORDS);
  const floats = new Float32Array(words.buffer);
  steps.forEach(({ slot, lr, update }, g) => {
    const at = g * STEP_WORDS;
    words[at] = slot;
    floats[at + 1] = settings.clip ?? 0;
    floats[at + 2] = lr / (1 - settings.beta1 ** update);
    floats[at + 3] = Math.sqrt(1 - settings.beta2 ** update);
    floats[at + 4] = 1 - lr * settings.weightDecay;
  });
  return words;
}
