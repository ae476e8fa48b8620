/** Learning rate of an optimiser step, shared by the engines so that both train with the same numbers. */
import { cosPi } from './math';
import type { OptimiserSettings } from './types';

/**
 * Rate of step `step` (from 0) of a track with `totalSteps` steps: linear warm-up, then constant, linear or cosine decay, as
 * transformers' get_{constant,linear,cosine}_schedule_with_warmup. A 64-bit number.
 */
export function learningRate(settings: OptimiserSettings, step: number, totalSteps: number): number {
  const { lr, schedule, warmupSteps } = settings;
  if (step < warmupSteps) return (step / warmupSteps) * lr;
  if (schedule === 'constant') return lr;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return schedule === 'linear' ? lr * (1 - progress) : lr * (0.5 * (1 + cosPi(progress)));
}
