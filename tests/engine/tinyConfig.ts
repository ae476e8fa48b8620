/** The shape of a model so small that a test computes it at once. */
import type { ModelConfig } from '../../src/engine/types';

export const TINY: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 20,
  intermediateSize: 28,
  numLayers: 2,
  numHeads: 3,
  numKvHeads: 1,
  headDim: 6,
  vocabSize: 29,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  qkvBias: false,
  qkNorm: false,
  tieWordEmbeddings: true,
  maxPositions: 64,
  bosTokenId: 1,
  eosTokenIds: [2],
};
