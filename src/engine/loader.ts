/** A model folder in Hugging Face layout → ModelWeights: config.json and model.safetensors, single or sharded. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { parseModelConfig, tensorShapes } from './config';
import { ConfigError, FileError, SafetensorsError } from './errors';
import { parseShardIndex, readSafetensors } from './safetensors';
import type { HostTensor, ModelConfig, ModelWeights } from './types';

/** Where a model's (or an adapter's) files come from: a folder, a web address, a browser's storage. */
export interface FileSource {
  /** Put before file names in messages. */
  name: string;
  /** Whole contents of a file. Throws FileError when it cannot be read. */
  read(path: string): Promise<Uint8Array>;
  /** Without it, `read` alone decides, and sharded models are not looked for. */
  exists?(path: string): Promise<boolean>;
}

/** Loaded model and the sha-256 (hex) of its weight file's bytes; of shards, their bytes in name order. */
export interface LoadedModel {
  weights: ModelWeights;
  hash: string;
}

const WEIGHTS_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

/**
 * Reads and checks a model. Every tensor the configuration asks for is there with the right shape and finite values
 * afterwards; tensors it does not ask for (a tied lm_head, inv_freq buffers) are left out.
 *
 * @throws FileError (file missing), ConfigError, SafetensorsError, WeightValueError; each names file and defect
 */
export async function loadModel(source: FileSource): Promise<LoadedModel> {
  const config = await readConfig(source);
  const shapes = tensorShapes(config);
  if (!(await has(source, WEIGHTS_FILE)) && (await has(source, INDEX_FILE))) {
    return loadShards(source, config, shapes);
  }
  const file = label(source, WEIGHTS_FILE);
  const bytes = await source.read(WEIGHTS_FILE);
  const tensors = new Map<string, HostTensor>();
  takeTensors(readSafetensors(bytes, file), shapes, tensors, file);
  checkComplete(tensors, shapes, file);
  return { weights: { config, tensors }, hash: bytesToHex(sha256(bytes)) };
}

/** config.json of a model folder. */
export async function readConfig(source: FileSource): Promise<ModelConfig> {
  return parseModelConfig(
    parseJson(await source.read('config.json'), label(source, 'config.json')),
    label(source, 'config.json'),
  );
}

/** Parses UTF-8 JSON. @throws ConfigError naming the file */
export function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ConfigError(file, 'is not JSON', { cause });
  }
}

/** The file's name as messages show it. */
export function label(source: FileSource, path: string): string {
  return source.name === '' ? path : `${source.name.replace(/\/+$/, '')}/${path}`;
}

/**
 * Files below a web address. A static host that answers a missing file with its index page (as single-page set-ups
 * do) is recognised by the content type.
 */
export function urlSource(baseUrl: string): FileSource {
  const base = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;
  const source: FileSource = {
    name: base.slice(0, -1),
    async read(path) {
      const file = label(source, path);
      const response = await request(`${base}${path}`, file);
      if (!response.ok) throw new FileError(file, `could not be fetched: HTTP ${response.status}`);
      if (isHtml(response)) throw new FileError(file, 'is missing: the server answered with an HTML page');
      try {
        return new Uint8Array(await response.arrayBuffer());
      } catch (cause) {
        throw new FileError(file, 'could not be fetched: the transfer broke off', { cause });
      }
    },
    async exists(path) {
      const response = await request(`${base}${path}`, label(source, path), { method: 'HEAD' });
      return response.ok && !isHtml(response);
    },
  };
  return source;
}

async function request(url: string, file: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    throw new FileError(file, 'could not be fetched: no answer from the server', { cause });
  }
}

function isHtml(response: Response): boolean {
  return (response.headers.get('content-type') ?? '').startsWith('text/html');
}

async function has(source: FileSource, path: string): Promise<boolean> {
  return source.exists ? source.exists(path) : path === WEIGHTS_FILE;
}

async function loadShards(
  source: FileSource,
  config: ModelConfig,
  shapes: Map<string, number[]>,
): Promise<LoadedModel> {
  const indexFile = label(source, INDEX_FILE);
  const { shards, shardOf } = parseShardIndex(parseJson(await source.read(INDEX_FILE), indexFile), indexFile);
  for (const name of shapes.keys()) {
    if (!shardOf.has(name)) throw new SafetensorsError(indexFile, `tensor ${name} is missing from "weight_map"`);
  }
  const hash = sha256.create();
  const tensors = new Map<string, HostTensor>();
  for (const shard of shards) {
    const file = label(source, shard);
    const bytes = await source.read(shard);
    hash.update(bytes);
    takeTensors(readSafetensors(bytes, file), shapes, tensors, file);
    for (const [name, where] of shardOf) {
      if (where === shard && shapes.has(name) && !tensors.has(name)) {
        throw new SafetensorsError(file, `tensor ${name} is missing`);
      }
    }
  }
  return { weights: { config, tensors }, hash: bytesToHex(hash.digest()) };
}

function takeTensors(
  found: Map<string, HostTensor>,
  shapes: Map<string, number[]>,
  into: Map<string, HostTensor>,
  file: string,
): void {
  for (const [name, tensor] of found) {
    const shape = shapes.get(name);
    if (shape === undefined) continue;
    if (tensor.shape.join() !== shape.join()) {
      throw new SafetensorsError(
        file,
        `tensor ${name} has shape [${tensor.shape.join(', ')}], config.json asks for [${shape.join(', ')}]`,
      );
    }
    into.set(name, tensor);
  }
}

function checkComplete(tensors: Map<string, HostTensor>, shapes: Map<string, number[]>, file: string): void {
  for (const name of shapes.keys()) {
    if (!tensors.has(name)) throw new SafetensorsError(file, `tensor ${name} is missing`);
  }
}
