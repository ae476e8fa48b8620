/** What a model consists of: its files with exact sizes and hashes, known before the first byte is downloaded. */
import { HUB_LIMITS } from '../engine/limits';
import { StoredModelError } from './errors';

export interface ModelFile {
  /** Name in the repository: in its root, or in its folder `onnx`. */
  path: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of the content, hex; null when the hub names only the git id. */
  sha256: string | null;
  /** Git blob id: SHA-1 of "blob <size>\0" and the content, hex; null when there is a sha256. */
  gitSha1: string | null;
}

export interface ModelManifest {
  /** Version of this format. */
  schema: 1;
  /** `owner/name@commit` from the hub, `folder:name@hash` from a folder. Names the model in the store. */
  id: string;
  origin: 'hub' | 'folder';
  /** `owner/name`, or the folder's name. */
  repo: string;
  /** Commit (40 hex digits); of a folder, a hash over its files. */
  revision: string;
  /** The branch, tag or commit that was asked for; of a folder, ''. */
  requested: string;
  /** Where it was downloaded, without a slash at its end; of a folder, ''. */
  endpoint: string;
  /** Milliseconds since 1970. */
  created: number;
  /** Files are stored in chunks of this many bytes, the last one shorter. */
  chunkBytes: number;
  files: ModelFile[];
  /** Keys of config.json that the visitor chose to ignore; absent when there are none. */
  ignore?: string[];
  /** Files for another runtime than the engine, which cannot run them: which one, and what a seat named. Absent = the engine's. */
  seat?: { runtime: string; name: string };
}

/** 4 MiB: small enough that a reload loses little, large enough that a gigabyte is a few hundred files. */
export const CHUNK_BYTES = 4 * 2 ** 20;

/** Where the files of a model lie. */
export const ROOT_OR_ONNX = /^(onnx\/)?[^/\\]+$/;

/** A chunk is held in memory. */
const MOST_CHUNK_BYTES = 64 * 2 ** 20;

/** Files of a repository that are needed to run a model, besides its weights. */
const SMALL_FILES =
  /^(config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|chat_template\.[a-z]+)$/;
export const WEIGHTS_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** Whether a file of this name is needed, weights aside. */
export function isSmallFile(path: string): boolean {
  return SMALL_FILES.test(path);
}

/** Bytes of all files. */
export function totalBytes(manifest: ModelManifest): number {
  return manifest.files.reduce((sum, file) => sum + file.size, 0);
}

/** Chunks of a file; an empty file has none. */
export function chunkCount(file: ModelFile, chunkBytes: number): number {
  return Math.ceil(file.size / chunkBytes);
}

/** Bytes of one chunk. */
export function chunkSize(file: ModelFile, chunk: number, chunkBytes: number): number {
  return Math.min(chunkBytes, file.size - chunk * chunkBytes);
}

/** The file of that name. */
export function findFile(manifest: ModelManifest, path: string): ModelFile | undefined {
  return manifest.files.find((file) => file.path === path);
}

/** @throws StoredModelError when the text is not a manifest */
export function parseManifest(text: string, id: string): ModelManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new StoredModelError(`The manifest of ${id} is damaged. Delete the model and load it again.`, { cause });
  }
  if (!isManifest(json) || json.id !== id) {
    throw new StoredModelError(
      `The manifest of ${id} cannot be read: it is damaged or from a newer version of this page. Reload the page, or ` +
        'delete the model and load it again.',
    );
  }
  return json;
}

function isManifest(json: unknown): json is ModelManifest {
  const value = json as Partial<ModelManifest> | null;
  return (
    typeof value === 'object' &&
    value !== null &&
    value.schema === 1 &&
    (value.origin === 'hub' || value.origin === 'folder') &&
    [value.id, value.repo, value.revision, value.requested, value.endpoint].every((text) => typeof text === 'string') &&
    isCount(value.created) &&
    isCount(value.chunkBytes) &&
    value.chunkBytes > 0 &&
    value.chunkBytes <= MOST_CHUNK_BYTES &&
    Array.isArray(value.files) &&
    value.files.length <= HUB_LIMITS.listedFiles.max &&
    value.files.every(isModelFile) &&
    value.files.every((file) => chunkCount(file, value.chunkBytes as number) <= HUB_LIMITS.chunks.max) &&
    (value.ignore === undefined ||
      (Array.isArray(value.ignore) && value.ignore.every((key) => typeof key === 'string'))) &&
    (value.seat === undefined || (typeof value.seat?.runtime === 'string' && typeof value.seat.name === 'string'))
  );
}

function isModelFile(value: unknown): value is ModelFile {
  const file = value as Partial<ModelFile> | null;
  return (
    typeof file === 'object' &&
    file !== null &&
    typeof file.path === 'string' &&
    ROOT_OR_ONNX.test(file.path) &&
    isCount(file.size) &&
    isHash(file.sha256, 64) &&
    isHash(file.gitSha1, 40) &&
    (file.sha256 !== null || file.gitSha1 !== null)
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isHash(value: unknown, digits: number): boolean {
  return value === null || (typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/.test(value));
}
