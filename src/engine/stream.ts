/**
 * A model as a stream of pieces of its tensors, so that no model is in host memory whole: config.json and
 * model.safetensors in Hugging Face layout, single or sharded.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { parseModelConfig, tensorShapes } from './config';
import { FileError, SafetensorsError } from './errors';
import { dataStart, parseHeader, parseShardIndex, valueError, widen, type TensorEntry } from './safetensors';
import { label, openFile, parseJson, truncated, type FileSource, type OpenFile, type Sha256 } from './source';
import type { HostTensor, ModelConfig, ModelWeights } from './types';

/** Rows [firstRow, firstRow + n) of a tensor, widened to f32; dimension 0 counts the rows, also of 1-D tensors. */
export interface TensorPiece {
  name: string;
  /** Of the whole tensor. */
  shape: number[];
  firstRow: number;
  data: Float32Array;
}

export interface ReadOptions {
  signal?: AbortSignal;
  /** Bytes of the weight files read so far and in all. */
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/** A model whose tensors come piece by piece. `read` may be called again (a device was lost), one call at a time. */
export interface ModelStream {
  readonly config: ModelConfig;
  /** Sum of the weight files' bytes. */
  readonly bytes: number;
  /** SHA-256 (hex) of the weight file's bytes; of shards, their bytes in name order. Null before the first complete read. */
  readonly hash: string | null;
  /**
   * Hands out every tensor the config asks for exactly once, in the files' order and in pieces of whole rows; pieces of at
   * most about 16 MiB. The sink is awaited before the next piece, and `data` may be reused once its promise settled.
   *
   * @throws FileError, SafetensorsError, WeightValueError; each names file and defect. The signal's reason on abort
   */
  read(sink: (piece: TensorPiece) => void | Promise<void>, options?: ReadOptions): Promise<void>;
}

const WEIGHTS_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

/** Read at once, unless a single row is larger; 8 MiB of F16 are 16 MiB of f32. */
const READ_BYTES = 8 * 2 ** 20;
/** Read first from each file; most headers are shorter. */
const HEAD_BYTES = 128 * 1024;

/** A weights file with what is needed of it, in the order of its bytes. */
interface WeightFile {
  path: string;
  /** The name for messages. */
  file: string;
  size: number;
  /** Its first bytes, up to the data. */
  head: Uint8Array;
  entries: TensorEntry[];
}

/** Rows of a tensor that are bytes [from, to) of the file; no entry: bytes that are only hashed. */
interface Rows {
  from: number;
  to: number;
  entry: TensorEntry | null;
  firstRow: number;
}

/**
 * Reads configuration and headers and checks that every tensor the configuration asks for is there with the right shape.
 * Tensors it does not ask for (a tied lm_head, inv_freq buffers) are left out.
 *
 * @throws FileError (file missing), ConfigError, SafetensorsError; each names file and defect
 */
export async function openModelStream(source: FileSource): Promise<ModelStream> {
  const config = await readConfig(source);
  const files = await openWeights(source, tensorShapes(config));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  let hash: string | null = null;
  return {
    config,
    bytes,
    get hash() {
      return hash;
    },
    async read(sink, options = {}) {
      const found = await readFiles(source, files, sink, options);
      if (hash !== null && found !== hash) {
        throw new FileError(files[0].file, 'was changed since it was first read; load the model again');
      }
      hash = found;
    },
  };
}

/** An in-memory model as a stream; its hash stays null, because there is no file. @throws SafetensorsError */
export function streamOf(weights: ModelWeights): ModelStream {
  const { config, tensors } = weights;
  const wanted = [...tensorShapes(config)].map(([name, shape]) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new SafetensorsError('model in memory', `tensor ${name} is missing`);
    checkShape(name, tensor.shape, shape, 'model in memory');
    return { name, ...tensor };
  });
  const bytes = wanted.reduce((sum, { data }) => sum + data.byteLength, 0);
  return {
    config,
    bytes,
    hash: null,
    async read(sink, { signal, onProgress } = {}) {
      let done = 0;
      for (const { name, shape, data } of wanted) {
        const rowValues = data.length / shape[0];
        const rows = rowsPerRead(4 * rowValues);
        for (let firstRow = 0; firstRow < shape[0]; firstRow += rows) {
          signal?.throwIfAborted();
          const piece = data.subarray(firstRow * rowValues, (firstRow + rows) * rowValues);
          await sink({ name, shape, firstRow, data: piece });
          onProgress?.((done += piece.byteLength), bytes);
        }
      }
    },
  };
}

/** All tensors of a stream in memory (for the reference engine). */
export async function collect(stream: ModelStream, options: ReadOptions = {}): Promise<ModelWeights> {
  const tensors = new Map<string, HostTensor>();
  await stream.read(({ name, shape, firstRow, data }) => {
    let tensor = tensors.get(name);
    if (tensor === undefined) {
      tensor = { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) };
      tensors.set(name, tensor);
    }
    tensor.data.set(data, firstRow * (tensor.data.length / shape[0]));
  }, options);
  return { config: stream.config, tensors };
}

/** config.json of a model folder. @throws FileError, ConfigError */
export async function readConfig(source: FileSource): Promise<ModelConfig> {
  const file = label(source, 'config.json');
  return parseModelConfig(parseJson(await source.read('config.json'), file), file);
}

async function openWeights(source: FileSource, shapes: Map<string, number[]>): Promise<WeightFile[]> {
  const has = async (path: string) => (source.exists ? source.exists(path) : path === WEIGHTS_FILE);
  if ((await has(WEIGHTS_FILE)) || !(await has(INDEX_FILE))) {
    return [await openWeightFile(source, WEIGHTS_FILE, shapes)];
  }
  const indexFile = label(source, INDEX_FILE);
  const { shards, shardOf } = parseShardIndex(parseJson(await source.read(INDEX_FILE), indexFile), indexFile);
  const wanted = new Map(shards.map((shard) => [shard, new Map<string, number[]>()]));
  for (const [name, shape] of shapes) {
    const shard = shardOf.get(name);
    if (shard === undefined) throw new SafetensorsError(indexFile, `tensor ${name} is missing from "weight_map"`);
    wanted.get(shard)?.set(name, shape);
  }
  const files: WeightFile[] = [];
  for (const [shard, inShard] of wanted) files.push(await openWeightFile(source, shard, inShard));
  return files;
}

/** Reads a file's header and checks that the tensors are there. */
async function openWeightFile(source: FileSource, path: string, shapes: Map<string, number[]>): Promise<WeightFile> {
  const file = label(source, path);
  const open = openFile(source, path);
  try {
    const size = await open.size();
    let head = await readAll(open, 0, Math.min(size, HEAD_BYTES), file);
    const dataAt = dataStart(head, size, file);
    if (dataAt > head.length) head = await readAll(open, 0, dataAt, file);
    const found = parseHeader(head, size, file);
    const entries = found.filter(({ name }) => shapes.has(name)).sort((a, b) => a.begin - b.begin);
    for (const { name, shape } of entries) checkShape(name, shape, shapes.get(name) as number[], file);
    const names = new Set(entries.map(({ name }) => name));
    for (const name of shapes.keys()) {
      if (!names.has(name)) throw new SafetensorsError(file, `tensor ${name} is missing`);
    }
    return { path, file, size, head: head.slice(0, dataAt), entries };
  } finally {
    await open.close();
  }
}

function checkShape(name: string, shape: number[], wanted: number[], file: string): void {
  if (shape.join() === wanted.join()) return;
  throw new SafetensorsError(
    file,
    `tensor ${name} has shape [${shape.join(', ')}], config.json asks for [${wanted.join(', ')}]`,
  );
}

async function readFiles(
  source: FileSource,
  files: WeightFile[],
  sink: Parameters<ModelStream['read']>[0],
  { signal, onProgress }: ReadOptions,
): Promise<string> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  // The hash of several files is not made of theirs, so it is known beforehand for a single one only.
  const known = files.length === 1 ? await source.sha256?.(files[0].path) : null;
  const hash = known ? null : (source.createSha256?.() ?? portableSha256());
  let done = 0;
  for (const weights of files) {
    hash?.update(weights.head);
    await readFile(source, weights, hash, sink, signal, (inFile) => onProgress?.(done + inFile, total));
    done += weights.size;
  }
  return known ?? (hash as Sha256).digest();
}

/** Reads one part ahead while the sink takes the pieces of the one before. */
async function readFile(
  source: FileSource,
  weights: WeightFile,
  hash: Sha256 | null,
  sink: Parameters<ModelStream['read']>[0],
  signal: AbortSignal | undefined,
  onProgress: (bytesDone: number) => void,
): Promise<void> {
  const { file, size } = weights;
  const parts = planParts(weights, hash !== null);
  const open = openFile(source, weights.path);
  const start = (part: Rows[] | undefined): Promise<Uint8Array> | null => {
    if (part === undefined) return null;
    const bytes = readAll(open, part[0].from, (part.at(-1) as Rows).to, file, signal);
    // A failure is reported where the bytes are awaited; until then it must not count as unhandled.
    bytes.catch(() => {});
    return bytes;
  };
  let next: Promise<Uint8Array> | null = null;
  const room = new Float32Array(largestHalfPiece(parts));
  try {
    signal?.throwIfAborted();
    next = start(parts[0]);
    for (const [i, part] of parts.entries()) {
      const bytes = await (next as Promise<Uint8Array>);
      signal?.throwIfAborted();
      next = start(parts[i + 1]);
      hash?.update(bytes);
      for (const rows of part) {
        if (rows.entry !== null) await sink(toPiece(rows, bytes, part[0].from, room, file));
        signal?.throwIfAborted();
        onProgress(i === parts.length - 1 && rows === part.at(-1) ? size : rows.to);
      }
    }
  } finally {
    await next?.catch(() => {});
    await open.close();
  }
}

function toPiece(rows: Rows, part: Uint8Array, partFrom: number, room: Float32Array, file: string): TensorPiece {
  const { name, shape, dtype } = rows.entry as TensorEntry;
  const { data, bad } = widen(part.subarray(rows.from - partFrom, rows.to - partFrom), dtype, room);
  if (bad >= 0) {
    const rowValues = shape.slice(1).reduce((product, size) => product * size, 1);
    throw valueError(name, data[bad] as number, rows.firstRow * rowValues + bad, file);
  }
  return { name, shape, firstRow: rows.firstRow, data };
}

/** The file's data in parts that are read at once; with `everything`, also the bytes of tensors nobody asks for. */
function planParts({ entries, head, size }: WeightFile, everything: boolean): Rows[][] {
  const parts: Rows[][] = [];
  let partFrom = 0;
  let at = head.length;
  const add = (rows: Rows): void => {
    const part = parts.at(-1);
    if (part?.at(-1)?.to === rows.from && rows.to - partFrom <= READ_BYTES) {
      part.push(rows);
    } else {
      parts.push([rows]);
      partFrom = rows.from;
    }
    at = rows.to;
  };
  const addGap = (to: number): void => {
    while (everything && at < to) add({ from: at, to: Math.min(to, at + READ_BYTES), entry: null, firstRow: 0 });
  };
  for (const entry of entries) {
    addGap(entry.begin);
    const rowBytes = (entry.end - entry.begin) / entry.shape[0];
    const rows = rowsPerRead(rowBytes);
    for (let firstRow = 0; firstRow < entry.shape[0]; firstRow += rows) {
      const from = entry.begin + firstRow * rowBytes;
      add({ from, to: Math.min(entry.end, from + rows * rowBytes), entry, firstRow });
    }
  }
  addGap(size);
  return parts;
}

function rowsPerRead(rowBytes: number): number {
  return Math.max(1, Math.floor(READ_BYTES / rowBytes));
}

/** Values of the largest piece that is widened rather than viewed. */
function largestHalfPiece(parts: Rows[][]): number {
  const halves = parts.flat().filter(({ entry }) => entry !== null && entry.dtype !== 'F32');
  return halves.reduce((most, { from, to }) => Math.max(most, (to - from) / 2), 0);
}

/** A source may hand out fewer bytes when its file was cut short meanwhile. */
async function readAll(
  open: OpenFile,
  from: number,
  to: number,
  file: string,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = await open.read(from, to, signal);
  if (bytes.length !== to - from) throw truncated(file, from + bytes.length, to);
  return bytes;
}

function portableSha256(): Sha256 {
  const hash = sha256.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}
