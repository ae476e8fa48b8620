/** Order of the examples in finetuning. */
import { shuffled, type DrawName } from '../random';

/**
 * Indices of the examples of every optimiser step: each epoch is a fresh permutation cut into batches; the last batch of an
 * epoch may be short, nothing is dropped or repeated within an epoch.
 * @param draw name of the permutation; the epoch (0..) becomes its round.
 */
export function makeBatches(examples: number, epochs: number, batchSize: number, draw: DrawName): number[][] {
  const batches: number[][] = [];
  const indices = Array.from({ length: examples }, (_, index) => index);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = shuffled(indices, { ...draw, round: epoch });
    for (let start = 0; start < examples; start += batchSize) batches.push(order.slice(start, start + batchSize));
  }
  return batches;
}
