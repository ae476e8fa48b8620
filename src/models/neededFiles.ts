/** Which of a repository's or folder's files make a model that this engine runs; found out before any weights are read. */
import { readModelConfig, type ConfigOptions } from '../engine/config';
import { ConfigError, SafetensorsError, UnknownKeysError } from '../engine/errors';
import { readJson } from '../engine/json';
import { parseShardIndex } from '../engine/safetensors';
import type { ModelConfig } from '../engine/types';
import { UnsupportedModelError } from './errors';
import { INDEX_FILE, WEIGHTS_FILE, isSmallFile, type ModelFile } from './manifest';

/**
 * Reads config.json before anything else is fetched.
 * @throws UnsupportedModelError when this engine does not run the model
 */
export function checkConfig(bytes: Uint8Array, model: string, options: ConfigOptions = {}): ModelConfig {
  try {
    return readModelConfig(readJson(bytes, 'config.json'), 'config.json', options);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    const keys = cause instanceof UnknownKeysError ? cause.keys : [];
    throw new UnsupportedModelError(
      model,
      `${cause.message}. Nothing was downloaded${keys.length > 0 ? '' : '; choose another model'}.`,
      {
        cause,
        keys,
      },
    );
  }
}

/**
 * The files to load out of all: one weights file, or the shards that its index names, and the small ones.
 *
 * @param read content of a file
 * @throws UnsupportedModelError when weights or tokenizer are missing
 */
export async function neededFiles(
  model: string,
  files: ModelFile[],
  read: (path: string) => Promise<Uint8Array>,
): Promise<ModelFile[]> {
  const paths = new Set(files.map(({ path }) => path));
  const weights = new Set([WEIGHTS_FILE]);
  if (!paths.has(WEIGHTS_FILE)) {
    if (!paths.has(INDEX_FILE)) throw noModel(model, files);
    weights.clear();
    weights.add(INDEX_FILE);
    for (const shard of await readShards(model, read)) weights.add(shard);
  }
  const missing = [...weights, 'tokenizer.json', 'tokenizer_config.json'].filter((path) => !paths.has(path));
  if (missing.length > 0) {
    const advice = missing.some((path) => path.startsWith('tokenizer')) ? ' Choose a copy of it with these files.' : '';
    throw new UnsupportedModelError(
      model,
      `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing.${advice}`,
    );
  }
  return files
    .filter(({ path }) => weights.has(path) || isSmallFile(path))
    .sort((a, b) => a.size - b.size || (a.path < b.path ? -1 : 1));
}

async function readShards(model: string, read: (path: string) => Promise<Uint8Array>): Promise<string[]> {
  try {
    return parseShardIndex(readJson(await read(INDEX_FILE), INDEX_FILE).value, INDEX_FILE).shards;
  } catch (cause) {
    if (!(cause instanceof ConfigError) && !(cause instanceof SafetensorsError)) throw cause;
    throw new UnsupportedModelError(model, `${cause.message}.`, { cause });
  }
}

/** Why files hold no model: what they are instead, as far as their names tell. */
export function noModel(model: string, files: ModelFile[]): UnsupportedModelError {
  const has = (pattern: RegExp) => files.some(({ path }) => pattern.test(path));
  if (has(/^adapter_config\.json$/)) {
    return new UnsupportedModelError(model, 'it is an adapter, not a model. Load the model it belongs to first.');
  }
  const other = ['.gguf', '.bin', '.onnx', '.pth'].find((ending) => files.some(({ path }) => path.endsWith(ending)));
  const offered = other ? `, only ${other}` : '';
  return new UnsupportedModelError(model, `it has no config.json with model.safetensors beside it${offered}.`);
}
