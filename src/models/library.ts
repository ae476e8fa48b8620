/** Stored models: list, open, delete. */
import { FileError } from '../engine/errors';
import type { FileSource } from '../engine/source';
import { StoredModelError } from './errors';
import { findFile, totalBytes, type ModelManifest } from './manifest';
import { chunkKey, readManifest, storedParts, type ChunkStore, type StoredParts } from './store';

/** A model's files with reading in parts, so that a loader never holds a whole file. */
export interface ModelFiles extends FileSource {
  /** File names, all in the root. */
  paths: string[];
  exists(path: string): Promise<boolean>;
  /** Bytes of a file. Throws FileError when there is no such file. */
  size(path: string): Promise<number>;
  /** Bytes in [from, to) of a file. Throws FileError when it is not there or the range leaves it. */
  readRange(path: string, from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The manifest's SHA-256 of a stored file, which was checked when the model was stored; null when nobody knows it. */
  sha256(path: string): Promise<string | null>;
}

/** What a model manager shows. */
export interface StoredModel {
  id: string;
  /** Null when it is damaged; `problem` says how. Such a model can be deleted only. */
  manifest: ModelManifest | null;
  problem: string | null;
  /** Chunks' bytes in the store, and of the whole model (null when unknown). */
  storedBytes: number;
  totalBytes: number | null;
  /** Everything is there and was checked; otherwise the download can go on. */
  complete: boolean;
}

/** All stored models, newest first. A damaged one does not hide the others. */
export async function listStoredModels(store: ChunkStore): Promise<StoredModel[]> {
  const models = await Promise.all((await store.models()).map((id) => describe(store, id)));
  return models
    .filter((model) => model !== null)
    .sort((a, b) => (b.manifest?.created ?? 0) - (a.manifest?.created ?? 0) || (a.id < b.id ? -1 : 1));
}

async function describe(store: ChunkStore, id: string): Promise<StoredModel | null> {
  try {
    const manifest = await readManifest(store, id);
    if (manifest !== null) {
      const { bytes, complete } = await storedParts(store, manifest);
      return { id, manifest, problem: null, storedBytes: bytes, totalBytes: totalBytes(manifest), complete };
    }
    const storedBytes = await bytesOf(store, id);
    const problem = 'its manifest is missing';
    // An empty folder is what a deletion or a start that was interrupted leaves.
    return storedBytes === 0 ? null : { id, manifest, problem, storedBytes, totalBytes: null, complete: false };
  } catch (error) {
    if (!(error instanceof StoredModelError)) throw error;
    const storedBytes = await bytesOf(store, id);
    return { id, manifest: null, problem: error.message, storedBytes, totalBytes: null, complete: false };
  }
}

async function bytesOf(store: ChunkStore, id: string): Promise<number> {
  return (await store.list(id)).reduce((sum, { size }) => sum + size, 0);
}

/** Deletes a model and frees its bytes. @throws ModelBusyError while it is being downloaded */
export async function deleteStoredModel(store: ChunkStore, id: string): Promise<void> {
  await store.exclusive(id, () => store.removeModel(id));
}

/**
 * Opens a model that is stored completely and was checked.
 *
 * @throws StoredModelError when it is not there, incomplete or damaged
 */
export async function openStoredModel(
  store: ChunkStore,
  id: string,
): Promise<ModelFiles & { manifest: ModelManifest }> {
  const manifest = await readManifest(store, id);
  if (manifest === null) throw new StoredModelError(`${id} is not stored. Download it first.`);
  const parts = await storedParts(store, manifest);
  if (!parts.complete) {
    throw new StoredModelError(
      `${id} is not stored completely (${parts.bytes} of ${totalBytes(manifest)} bytes). ` +
        (parts.bytes > 0 ? 'Start its download again: it goes on from what is stored.' : 'Start its download again.'),
    );
  }
  return { manifest, ...storedFiles(store, manifest, parts) };
}

function storedFiles(store: ChunkStore, manifest: ModelManifest, parts: StoredParts): ModelFiles {
  return modelFiles(
    manifest.id,
    manifest.files.map(({ path }) => path),
    (path) => findFile(manifest, path)?.size,
    async (path, from, to) => {
      const bytes = new Uint8Array(to - from);
      for (let at = from; at < to;) {
        const chunk = Math.floor(at / manifest.chunkBytes);
        const begin = chunk * manifest.chunkBytes;
        const part = parts.chunks.get(chunkKey(path, chunk)) as { name: string };
        const end = Math.min(to, begin + manifest.chunkBytes);
        const piece = await store.read(manifest.id, part.name, at - begin, end - begin);
        if (piece.length !== end - at)
          throw new StoredModelError(
            `A stored part of ${manifest.id} was cut short. Delete the model and load it again.`,
          );
        bytes.set(piece, at - from);
        at = end;
      }
      return bytes;
    },
    (path) => findFile(manifest, path)?.sha256 ?? null,
  );
}

/**
 * @param readRange is called with ranges inside the file only
 * @param sha256Of hashes that the files' contents were checked against
 */
export function modelFiles(
  name: string,
  paths: string[],
  sizeOf: (path: string) => number | undefined,
  readRange: ModelFiles['readRange'],
  sha256Of: (path: string) => string | null = () => null,
): ModelFiles {
  const size = (path: string): number => {
    const bytes = sizeOf(path);
    if (bytes === undefined) throw new FileError(`${name}/${path}`, 'no such file');
    return bytes;
  };
  return {
    name,
    paths,
    exists: async (path) => sizeOf(path) !== undefined,
    size: async (path) => size(path),
    sha256: async (path) => sha256Of(path),
    read: async (path) => readRange(path, 0, size(path)),
    async readRange(path, from, to) {
      const bytes = size(path);
      if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to < from || to > bytes) {
        throw new FileError(
          `${name}/${path}`,
          `has ${bytes} bytes, and bytes ${from} to ${to} were asked for; delete the model and load it again`,
        );
      }
      return readRange(path, from, to);
    },
  };
}
