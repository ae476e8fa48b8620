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

/**
 * Indices of the examples of exactly so many optimiser steps: epochs as in `makeBatches`, as many as it takes, the last one cut off.
 * Without examples there are no steps.
 * @param draw as in `makeBatches`
 */
export function makeSteps(examples: number, steps: number, batchSize: number, draw: DrawName): number[][] {
  if (examples === 0) return [];
  const epochs = Math.ceil(steps / Math.ceil(examples / batchSize));
  return makeBatches(examples, epochs, batchSize, draw).slice(0, steps);
}
