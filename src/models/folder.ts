/** A model folder that the visitor chose or dropped: used as it is, or copied into the store like a download. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ConfigOptions } from '../engine/config';
import { FileError } from '../engine/errors';
import { checkLimit, MODEL_LIMITS } from '../engine/limits';
import { UnsupportedModelError } from './errors';
import { modelFiles, type ModelFiles } from './library';
import { CHUNK_BYTES, ROOT_OR_ONNX, type ModelFile, type ModelManifest } from './manifest';
import { checkConfig, neededFiles } from './neededFiles';
import { onnxFiles } from './onnxFiles';
import type { Transport } from './transport';

/** Files of one folder by name, those of its folder `onnx` among them. Can be posted to a worker. */
export interface ModelFolder {
  name: string;
  files: Map<string, Blob>;
}

/** A wrongly chosen folder (a home directory) should not take minutes to be recognised as one. */
const MOST_FILES = 5_000;
const DEEPEST = 4;

/** The model in a directory from `showDirectoryPicker()`. @throws UnsupportedModelError when there is none */
export async function folderFromHandle(directory: FileSystemDirectoryHandle): Promise<ModelFolder> {
  const found = new Map<string, Blob>();
  const visit = async (handle: FileSystemDirectoryHandle, prefix: string, depth: number): Promise<void> => {
    for await (const [name, entry] of handle.entries()) {
      if (name.startsWith('.') || found.size >= MOST_FILES) continue;
      if (entry.kind === 'file') found.set(prefix + name, await (entry as FileSystemFileHandle).getFile());
      else if (depth < DEEPEST) await visit(entry as FileSystemDirectoryHandle, `${prefix}${name}/`, depth + 1);
    }
  };
  await visit(directory, '', 1);
  return pickFolder(directory.name, found);
}

/** The model among the files of an `<input type="file" webkitdirectory>` or a plain multiple one. */
export function folderFromFiles(files: Iterable<File>): ModelFolder {
  const found = new Map<string, Blob>();
  for (const file of files) found.set(file.webkitRelativePath || file.name, file);
  return pickFolder('files', found);
}

/**
 * The model in what was dropped, a folder or its files. Call it inside the drop event: browsers empty the list afterwards.
 */
export function folderFromDrop(items: DataTransferItemList): Promise<ModelFolder> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = new Map<string, Blob>();
  const visit = async (entry: FileSystemEntry, depth: number): Promise<void> => {
    if (found.size >= MOST_FILES || entry.name.startsWith('.')) return;
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      found.set(entry.fullPath.replace(/^\//, ''), file);
    } else if (depth <= DEEPEST) {
      for (const child of await readEntries(entry as FileSystemDirectoryEntry)) await visit(child, depth + 1);
    }
  };
  return (async () => {
    for (const entry of entries) await visit(entry, 1);
    return pickFolder('files', found);
  })();
}

/** Browsers hand out a directory's entries in portions of about 100, an empty one at the end. */
async function readEntries(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  while (all.length < MOST_FILES) {
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) break;
    all.push(...portion);
  }
  return all;
}

/** The folder that has a config.json, out of all files by path. */
function pickFolder(name: string, found: Map<string, Blob>): ModelFolder {
  const configs = [...found.keys()].filter((path) => /(^|\/)config\.json$/.test(path));
  const depth = (path: string) => path.split('/').length;
  const shallowest = Math.min(...configs.map(depth));
  const candidates = configs.filter((path) => depth(path) === shallowest);
  if (candidates.length === 0) {
    throw new UnsupportedModelError(name, 'no config.json was found. Choose the folder that has it, with its files.');
  }
  if (candidates.length > 1) {
    const folders = candidates.map((path) => path.slice(0, -'/config.json'.length)).join(', ');
    throw new UnsupportedModelError(name, `there are several models (${folders}). Choose the folder of one.`);
  }
  const prefix = (candidates[0] as string).slice(0, -'config.json'.length);
  const files = [...found].filter(([path]) => path.startsWith(prefix) && ROOT_OR_ONNX.test(path.slice(prefix.length)));
  return {
    name: prefix.split('/').at(-2) ?? name,
    files: new Map(files.map(([path, file]) => [path.slice(prefix.length), file])),
  };
}

/**
 * The model's files of a folder, read where they are. What else lies there is not among them.
 *
 * @param options how config.json is checked; null: whoever opens it checks it
 * @throws UnsupportedModelError when files are missing or the engine does not run the model; before weights are read
 */
export async function openFolder(folder: ModelFolder, options: ConfigOptions | null = {}): Promise<ModelFiles> {
  const sizes = new Map((await needed(folder, options)).map(({ path, size }) => [path, size]));
  return modelFiles(
    folder.name,
    [...sizes.keys()],
    (path) => sizes.get(path),
    async (path, from, to) => readBlob(folder, path, from, to),
  );
}

/**
 * Manifest of a folder, for `downloadModel` with `folderTransport`: reads every needed file once for its hash.
 *
 * @param options `onnx`: the format of a model in ONNX for transformers.js, in place of the engine's model;
 *   `onProgress`: bytes hashed so far and in all
 */
export async function resolveFolder(
  folder: ModelFolder,
  options: ConfigOptions & {
    signal?: AbortSignal;
    onProgress?: (done: number, total: number) => void;
    chunkBytes?: number;
    onnx?: string;
  } = {},
): Promise<ModelManifest> {
  const { onnx } = options;
  const files = onnx === undefined ? await needed(folder, options) : onnxFiles(folder.name, listed(folder), onnx);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const all = sha256.create();
  let done = 0;
  for (const file of files) {
    const hash = sha256.create();
    for (let from = 0; from < file.size; from += CHUNK_BYTES) {
      options.signal?.throwIfAborted();
      const bytes = await readBlob(folder, file.path, from, Math.min(file.size, from + CHUNK_BYTES));
      hash.update(bytes);
      options.onProgress?.((done += bytes.length), total);
    }
    file.sha256 = bytesToHex(hash.digest());
    all.update(new TextEncoder().encode(`${file.path}\0${file.sha256}\n`));
  }
  const revision = bytesToHex(all.digest()).slice(0, 40);
  return {
    schema: 1,
    id: `folder:${folder.name.replace(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 60)}@${revision}${onnx ? `+onnx.${onnx}` : ''}`,
    origin: 'folder',
    repo: folder.name,
    revision,
    requested: '',
    endpoint: '',
    created: Date.now(),
    chunkBytes: options.chunkBytes ?? CHUNK_BYTES,
    files,
    ...(options.ignore?.length && { ignore: [...options.ignore] }),
    ...(onnx !== undefined && { seat: { runtime: 'transformers', name: '' } }),
  };
}

/** Content of a folder's files, for copying them into the store. */
export function folderTransport(folder: ModelFolder): Transport {
  return {
    async open(_manifest, file, range) {
      const { from, to } = range ?? { from: 0, to: file.size };
      const reader = blobOf(folder, file.path).slice(from, to).stream().getReader();
      const stream = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const { done, value } = await reader.read().catch((cause: unknown) => {
            throw unreadable(folder, file.path, cause);
          });
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      });
      return { start: from, stream };
    },
  };
}

function listed(folder: ModelFolder): ModelFile[] {
  return Array.from(folder.files, ([path, { size }]) => ({ path, size, sha256: null, gitSha1: null }));
}

async function needed(folder: ModelFolder, options: ConfigOptions | null): Promise<ModelFile[]> {
  const files = listed(folder);
  const read = (path: string) => {
    const { size } = blobOf(folder, path);
    const fileError = (problem: string) => new FileError(`${folder.name}/${path}`, problem);
    checkLimit(size, MODEL_LIMITS.jsonBytes, fileError);
    return readBlob(folder, path, 0, size);
  };
  if (options !== null) checkConfig(await read('config.json'), folder.name, options);
  return neededFiles(folder.name, files, read);
}

function blobOf(folder: ModelFolder, path: string): Blob {
  const blob = folder.files.get(path);
  if (!blob) throw new FileError(`${folder.name}/${path}`, 'no such file');
  return blob;
}

async function readBlob(folder: ModelFolder, path: string, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blobOf(folder, path).slice(from, to).arrayBuffer());
  } catch (cause) {
    throw cause instanceof FileError ? cause : unreadable(folder, path, cause);
  }
}

/** Browsers refuse a file that was changed or moved after it was chosen. */
function unreadable(folder: ModelFolder, path: string, cause: unknown): FileError {
  return new FileError(`${folder.name}/${path}`, 'cannot be read any more; choose the folder again', { cause });
}
