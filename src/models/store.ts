/**
 * Where models are kept: a flat folder of small files per model. Three implementations: `OpfsChunkStore` (browsers),
 * `MemoryChunkStore` (tests, browsers without storage) and `FolderChunkStore` (Node, in ./store-node).
 *
 * Each chunk is a file of its own, because browsers commit a file when it is closed: whatever interrupts a download, what
 * was closed before is there and whole. A chunk's name carries the SHA-256 of its content, so damage is found without a
 * second record that could disagree.
 */
import { ModelBusyError, StoredModelError } from './errors';
import { expectedHash } from './hash';
import { chunkCount, chunkSize, findFile, parseManifest, type ModelFile, type ModelManifest } from './manifest';

/** All methods reject with the errors of ./errors. Names are URI-encoded. */
export interface ChunkStore {
  /** Names of all models that have a folder. */
  models(): Promise<string[]>;
  /** Files of a model; empty when there is no such model. */
  list(model: string): Promise<{ name: string; size: number }[]>;
  /** Writes a file, all or nothing, over what was there. @throws ModelStorageFullError when there is no room */
  write(model: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Bytes in [from, to) of a file; to the end without `to`. @throws StoredModelError when it is not there */
  read(model: string, name: string, from?: number, to?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Deletes a file, if it is there. */
  remove(model: string, name: string): Promise<void>;
  /** Deletes a model with all its files, if it is there. */
  removeModel(model: string): Promise<void>;
  /** Bytes used and allowed by the browser or disk, for everything; null when nobody knows. */
  estimate(): Promise<{ usedBytes: number; quotaBytes: number } | null>;
  /** Runs `work` while nobody else works exclusively on this model. @throws ModelBusyError when somebody does */
  exclusive<T>(model: string, work: () => Promise<T>): Promise<T>;
}

/** A chunk as it is stored. */
export interface StoredChunk {
  /** File it belongs to, and its place there. */
  path: string;
  chunk: number;
  size: number;
  /** SHA-256 of the content as it was when it was written, hex. */
  digest: string;
  /** File name in the store. */
  name: string;
}

export const MANIFEST = 'manifest.json';
// encodeURIComponent leaves no slash; the last two parts have a fixed form, so any file name can be told apart.
const CHUNK_NAME = /^(.+)~(\d+)~([0-9a-f]{64})$/;

/** Name under which a chunk is stored. */
export function chunkName(path: string, chunk: number, digest: string): string {
  return `${encodeURIComponent(path)}~${chunk}~${digest}`;
}

/** Name of the empty file that says: the whole file was read back and has the announced hash. */
export function verifiedName(file: ModelFile): string {
  return `${encodeURIComponent(file.path)}~verified~${expectedHash(file)}`;
}

/** What is stored of a model. */
export interface StoredParts {
  /** By `chunkKey`; only chunks of the right length. */
  chunks: Map<string, StoredChunk>;
  /** Paths of files whose hash was checked. */
  verified: Set<string>;
  bytes: number;
  /** Every chunk is there and every file was checked. */
  complete: boolean;
}

export function chunkKey(path: string, chunk: number): string {
  return `${path}~${chunk}`;
}

/** Looks up what is stored of a model. Files that are no whole chunk of this manifest are left out. */
export async function storedParts(store: ChunkStore, manifest: ModelManifest): Promise<StoredParts> {
  const chunks = new Map<string, StoredChunk>();
  const names = new Set<string>();
  let bytes = 0;
  for (const { name, size } of await store.list(manifest.id)) {
    names.add(name);
    const match = CHUNK_NAME.exec(name);
    if (match === null) continue;
    const [path, chunk] = [decodeURIComponent(match[1] as string), Number(match[2])];
    const file = findFile(manifest, path);
    const key = chunkKey(path, chunk);
    if (file === undefined || chunk >= chunkCount(file, manifest.chunkBytes) || chunks.has(key)) continue;
    if (size !== chunkSize(file, chunk, manifest.chunkBytes)) continue;
    chunks.set(key, { path, chunk, size, digest: match[3] as string, name });
    bytes += size;
  }
  const wanted = manifest.files.reduce((sum, file) => sum + chunkCount(file, manifest.chunkBytes), 0);
  const verified = manifest.files.filter((file) => names.has(verifiedName(file))).map((file) => file.path);
  const complete = chunks.size === wanted && verified.length === manifest.files.length;
  return { chunks, verified: new Set(verified), bytes, complete };
}

/** The manifest of a stored model; null when there is none. @throws StoredModelError when it is damaged */
export async function readManifest(store: ChunkStore, id: string): Promise<ModelManifest | null> {
  const files = await store.list(id);
  // Empty: its writing was interrupted before anything else was stored.
  if (!files.some(({ name, size }) => name === MANIFEST && size > 0)) return null;
  return parseManifest(new TextDecoder().decode(await store.read(id, MANIFEST)), id);
}

/** Keeps everything in memory: for tests, and for a visit where the browser offers no storage. */
export class MemoryChunkStore implements ChunkStore {
  readonly folders = new Map<string, Map<string, Uint8Array<ArrayBuffer>>>();
  private readonly busy = new Set<string>();

  async models(): Promise<string[]> {
    return [...this.folders.keys()];
  }

  async list(model: string): Promise<{ name: string; size: number }[]> {
    return [...(this.folders.get(model) ?? [])].map(([name, bytes]) => ({ name, size: bytes.length }));
  }

  async write(model: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let folder = this.folders.get(model);
    if (!folder) this.folders.set(model, (folder = new Map()));
    folder.set(name, bytes.slice());
  }

  async read(model: string, name: string, from = 0, to?: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.folders.get(model)?.get(name);
    if (!bytes) throw missing(model, name);
    return bytes.slice(from, to);
  }

  async remove(model: string, name: string): Promise<void> {
    this.folders.get(model)?.delete(name);
  }

  async removeModel(model: string): Promise<void> {
    this.folders.delete(model);
  }

  async estimate(): Promise<{ usedBytes: number; quotaBytes: number } | null> {
    return null;
  }

  exclusive<T>(model: string, work: () => Promise<T>): Promise<T> {
    return exclusively(this.busy, model, work);
  }
}

/** One at a time inside this process. */
export async function exclusively<T>(busy: Set<string>, model: string, work: () => Promise<T>): Promise<T> {
  if (busy.has(model)) throw new ModelBusyError(model);
  busy.add(model);
  try {
    return await work();
  } finally {
    busy.delete(model);
  }
}

export function missing(model: string, name: string, options?: ErrorOptions): StoredModelError {
  return new StoredModelError(
    `A part of ${model} (${name}) is gone from the storage. Start its download again: only what is missing is fetched.`,
    options,
  );
}

/** The id that `folderName` was made from; null when the folder is not a model's. */
export function modelOfFolder(name: string): string | null {
  if (!name.includes('%40')) return null;
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}

/** A model's id as a folder name, on every file system. */
export function folderName(model: string): string {
  return encodeURIComponent(model).replace(/[*!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
