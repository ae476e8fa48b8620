/** What runtimes give. */
import type { RuntimeCapabilities } from './types';

/** The engine's, which gives everything; `grams` some engines only. */
export const ENGINE_CAPABILITIES: Readonly<RuntimeCapabilities> = {
  ids: true,
  logprobs: true,
  margins: true,
  adapters: true,
  training: true,
  scores: true,
  embeddings: true,
  rewards: true,
  mixtures: true,
  merging: true,
  grams: true,
  repeats: true,
};
