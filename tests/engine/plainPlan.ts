import type { MemoryPlan } from '../../src/engine/types';

/** The sums of a plan, without what they are made of. */
export const plain = ({ weights, kvCache, activations, adapters, optimiser, total }: MemoryPlan): MemoryPlan => ({
  weights,
  kvCache,
  activations,
  adapters,
  optimiser,
  total,
});
