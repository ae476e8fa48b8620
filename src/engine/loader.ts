/** A model folder in Hugging Face layout → ModelWeights, all of it in host memory; ./stream reads it in pieces. */
import type { FileSource } from './source';
import { collect, openModelStream, type ReadOptions } from './stream';
import type { ModelWeights } from './types';

export { label, parseJson, type FileSource } from './source';
export { readConfig } from './stream';
export { urlSource } from './urlSource';

/** Loaded model and the sha-256 (hex) of its weight file's bytes; of shards, their bytes in name order. */
export interface LoadedModel {
  weights: ModelWeights;
  hash: string;
}

/**
 * Reads and checks a model. Every tensor the configuration asks for is there with the right shape and finite values
 * afterwards; tensors it does not ask for (a tied lm_head, inv_freq buffers) are left out.
 *
 * @throws FileError (file missing), ConfigError, SafetensorsError, WeightValueError; each names file and defect
 */
export async function loadModel(source: FileSource, options: ReadOptions = {}): Promise<LoadedModel> {
  const stream = await openModelStream(source);
  const weights = await collect(stream, options);
  return { weights, hash: stream.hash as string };
}
