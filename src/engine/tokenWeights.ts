/** Weights of tokens in training examples: which of them count, and how much. */
import type { TrainExample } from './types';

/** How many tokens of the examples have a weight; the first of a sequence never counts, since nothing predicts it. */
export function weightedTokens(examples: readonly TrainExample[]): number {
  let tokens = 0;
  for (const { weights } of examples) for (let t = 1; t < weights.length; t++) if (weights[t] !== 0) tokens++;
  return tokens;
}

/** Σ |w| of the weights that count (all but the first). */
export function weightSum(example: TrainExample): number {
  let sum = 0;
  for (let t = 1; t < example.weights.length; t++) sum += Math.abs(example.weights[t]);
  return sum;
}
