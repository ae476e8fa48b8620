/**
 * A model as a stream of pieces of its tensors, so that no model is in host memory whole: config.json and
 * model.safetensors in Hugging Face layout, single or sharded.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { HEAD_NAME, readModelConfig, tensorShapes, withGenerationConfig, type ConfigOptions } from './config';
import { FileError, MemoryPlanError, SafetensorsError } from './errors';
import { readJson } from './json';
import { valueError, widen, type ReadableEntry } from './safetensors';
import { label, type FileSource, type Sha256 } from './source';
import { HeadCheck } from './tiedHead';
import type { HostTensor, ModelConfig, ModelWeights } from './types';
import { checkShape, openWeights, planParts, readAll, rowsPerPart, type Rows, type WeightFile } from './weightFiles';

/** Rows [firstRow, firstRow + n) of a tensor, widened to f32; dimension 0 counts the rows, also of 1-D tensors. */
export interface TensorPiece {
  name: string;
  /** Of the whole tensor. */
  shape: number[];
  firstRow: number;
  /** For reading only: it may be a view of the file's bytes. */
  data: Float32Array;
}

export interface ReadOptions {
  signal?: AbortSignal;
  /** Bytes of the weight files read so far and in all. */
  onProgress?: (bytesDone: number, bytesTotal: number) => void;
  /** Bytes read at once, unless a single row is larger; default 8 MiB, which are 16 MiB of f32 when the file has F16. */
  partBytes?: number;
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

const GENERATION_FILE = 'generation_config.json';

/** 8 MiB of F16 are 16 MiB of f32. */
const PART_BYTES = 8 * 2 ** 20;

/**
 * Reads configuration and headers and checks that every tensor the configuration asks for is there with the right shape.
 * A tensor it does not ask for is refused by name, unless it is on the list of harmless ones; a head in the file of a tied model has
 * to be a copy of the embedding, which is found out while it is read.
 *
 * @throws FileError (file missing), ConfigError, SafetensorsError; each names file and defect
 */
export async function openModelStream(source: FileSource, options: ConfigOptions = {}): Promise<ModelStream> {
  const config = await readConfig(source, options);
  const files = await openWeights(source, tensorShapes(config), config.tieWordEmbeddings ? HEAD_NAME : null);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  let hash: string | null = null;
  return {
    config,
    bytes,
    get hash() {
      return hash;
    },
    async read(sink, options = {}) {
      const tied = config.tieWordEmbeddings && files.some(({ entries }) => entries.some(isHead));
      const check = tied && hash === null ? new HeadCheck(source.createSha256 ?? portableSha256) : null;
      // The copy is compared, not handed out.
      const wanted = async (piece: TensorPiece): Promise<void> => {
        check?.see(piece);
        if (!(tied && isHead(piece))) await sink(piece);
      };
      const found = await readFiles(source, files, tied ? wanted : sink, options);
      check?.finish(files.find(({ entries }) => entries.some(isHead))?.file ?? files[0].file);
      if (hash !== null && found !== hash) {
        throw new FileError(files[0].file, 'was changed since it was first read; load the model again');
      }
      hash = found;
    },
  };
}

function isHead({ name }: { name: string }): boolean {
  return name === HEAD_NAME;
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
    async read(sink, { signal, onProgress, partBytes = PART_BYTES } = {}) {
      let done = 0;
      for (const { name, shape, data } of wanted) {
        const rowValues = data.length / shape[0];
        const rows = rowsPerPart(4 * rowValues, partBytes);
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

/**
 * All tensors of a stream in memory (for the reference engine).
 * @throws what `read` throws; MemoryPlanError when there is no memory for one
 */
export async function collect(stream: ModelStream, options: ReadOptions = {}): Promise<ModelWeights> {
  const tensors = new Map<string, HostTensor>();
  await stream.read(({ name, shape, firstRow, data }) => {
    let tensor = tensors.get(name);
    if (tensor === undefined) {
      tensor = { shape, data: tensorRoom(name, shape, stream.config) };
      tensors.set(name, tensor);
    }
    tensor.data.set(data, firstRow * (tensor.data.length / shape[0]));
  }, options);
  return { config: stream.config, tensors };
}

/** Of a browser without WebGPU, a model of a gigabyte may be more than a tab is given. */
function tensorRoom(name: string, shape: number[], config: ModelConfig): Float32Array {
  const values = shape.reduce((product, size) => product * size, 1);
  try {
    return new Float32Array(values);
  } catch (cause) {
    const all = [...tensorShapes(config).values()].reduce((sum, sizes) => sum + sizes.reduce((a, b) => a * b, 1), 0);
    throw new MemoryPlanError(
      `there is no memory for ${name}: without WebGPU all ${Math.ceil((4 * all) / 2 ** 20)} MiB of the weights must be in ` +
        'memory as f32; choose int4 weights, a smaller model, or a browser with WebGPU',
      { cause },
    );
  }
}

/**
 * config.json of a model folder, and the end tokens of its generation_config.json.
 * @throws FileError, ConfigError, UnknownKeysError
 */
export async function readConfig(source: FileSource, options: ConfigOptions = {}): Promise<ModelConfig> {
  const file = label(source, 'config.json');
  const config = readModelConfig(readJson(await source.read('config.json'), file), file, options);
  if (!(await source.exists?.(GENERATION_FILE))) return config;
  const generation = label(source, GENERATION_FILE);
  return withGenerationConfig(config, readJson(await source.read(GENERATION_FILE), generation).value, generation);
}

async function readFiles(
  source: FileSource,
  files: WeightFile[],
  sink: Parameters<ModelStream['read']>[0],
  options: ReadOptions,
): Promise<string> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  // The hash of several files is not made of theirs, so it is known beforehand for a single one only.
  const known = files.length === 1 ? await source.sha256?.(files[0].path) : null;
  const hash = known ? null : (source.createSha256?.() ?? portableSha256());
  let done = 0;
  for (const weights of files) {
    hash?.update(weights.head);
    const onProgress = (bytesInFile: number) => options.onProgress?.(done + bytesInFile, total);
    await readFile(weights, hash, sink, { ...options, onProgress });
    done += weights.size;
  }
  return known ?? (hash as Sha256).digest();
}

/** Reads one part ahead while the sink takes the pieces of the one before. */
async function readFile(
  weights: WeightFile,
  hash: Sha256 | null,
  sink: Parameters<ModelStream['read']>[0],
  { signal, partBytes, onProgress }: { signal?: AbortSignal; partBytes?: number; onProgress: (done: number) => void },
): Promise<void> {
  const { file, open, size } = weights;
  const parts = planParts(weights, hash !== null, partBytes ?? PART_BYTES);
  // Ends the read ahead when the sink fails.
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const start = (part: Rows[] | undefined): Promise<Uint8Array> | null => {
    if (part === undefined) return null;
    const bytes = readAll(open, part[0].from, (part.at(-1) as Rows).to, file, either);
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
    stop.abort();
    await next?.catch(() => {});
    await open.close();
  }
}

function toPiece(rows: Rows, part: Uint8Array, partFrom: number, room: Float32Array, file: string): TensorPiece {
  const { name, shape, dtype } = rows.entry as ReadableEntry;
  const { data, bad } = widen(part.subarray(rows.from - partFrom, rows.to - partFrom), dtype, room);
  if (bad >= 0) {
    const rowValues = shape.slice(1).reduce((product, size) => product * size, 1);
    throw valueError(name, data[bad] as number, rows.firstRow * rowValues + bad, file);
  }
  return { name, shape, firstRow: rows.firstRow, data };
}

/** Values of the largest piece that is widened rather than viewed. */
function largestHalfPiece(parts: Rows[][]): number {
  const halves = parts.flat().filter(({ entry }) => entry !== null && entry.dtype !== 'F32');
  return halves.reduce((most, { from, to }) => Math.max(most, (to - from) / 2), 0);
}

function portableSha256(): Sha256 {
  const hash = sha256.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}
