/** A model folder in Hugging Face layout → ModelWeights, all of it in host memory, as no part of the lab has it. */
import type { FileSource } from '../../src/engine/source';
import { collect, openModelStream, type ReadOptions } from '../../src/engine/stream';
import type { ModelWeights } from '../../src/engine/types';

/**
 * Reads and checks a model; `hash` is the sha-256 (hex) of its weight file's bytes, of shards their bytes in name order.
 *
 * @throws FileError (file missing), ConfigError, SafetensorsError, WeightValueError; each names file and defect
 */
export async function loadModel(
  source: FileSource,
  options: ReadOptions = {},
): Promise<{ weights: ModelWeights; hash: string }> {
  const stream = await openModelStream(source);
  const weights = await collect(stream, options);
  return { weights, hash: stream.hash as string };
}
