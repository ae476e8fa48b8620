/** The safetensors files of a model folder: what of them is needed, and in which parts to read it. */
import { EMBEDDING_NAME } from './config';
import { SafetensorsError } from './errors';
import { HARMLESS_TENSORS } from './harmlessKeys';
import { readJson } from './json';
import { dataStart, parseHeader, parseShardIndex, readable, type ReadableEntry } from './safetensors';
import { label, openFile, truncated, type FileSource, type OpenFile } from './source';

const WEIGHTS_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

/** Read first from each file; most headers are shorter. */
const HEAD_BYTES = 128 * 1024;

/** A weights file with what is needed of it, in the order of its bytes. */
export interface WeightFile {
  path: string;
  /** The name for messages. */
  file: string;
  /** For reading on; closed at first. */
  open: OpenFile;
  size: number;
  /** Its first bytes, up to the data. */
  head: Uint8Array;
  entries: ReadableEntry[];
}

/** Rows of a tensor that are bytes [from, to) of the file; no entry: bytes that are only hashed. */
export interface Rows {
  from: number;
  to: number;
  entry: ReadableEntry | null;
  firstRow: number;
}

/**
 * Reads the headers of a model's files and checks that the tensors of these shapes are there and no others, harmless ones aside.
 *
 * @param copy a tensor that may be there as a copy of the embedding; it is read like the others. Null when there is none
 * @throws FileError, SafetensorsError; each names file and defect
 */
export async function openWeights(
  source: FileSource,
  shapes: Map<string, number[]>,
  copy: string | null = null,
): Promise<WeightFile[]> {
  const has = async (path: string) => (source.exists ? source.exists(path) : path === WEIGHTS_FILE);
  if ((await has(WEIGHTS_FILE)) || !(await has(INDEX_FILE))) {
    return [await openWeightFile(source, WEIGHTS_FILE, shapes, copy)];
  }
  const indexFile = label(source, INDEX_FILE);
  const { shards, shardOf } = parseShardIndex(readJson(await source.read(INDEX_FILE), indexFile).value, indexFile);
  checkNames([...shardOf.keys()], shapes, copy, indexFile);
  const wanted = new Map(shards.map((shard) => [shard, new Map<string, number[]>()]));
  for (const [name, shape] of shapes) {
    const shard = shardOf.get(name);
    if (shard === undefined) throw new SafetensorsError(indexFile, `tensor ${name} is missing from "weight_map"`);
    wanted.get(shard)?.set(name, shape);
  }
  const files: WeightFile[] = [];
  for (const [shard, inShard] of wanted) {
    // A copy of the embedding has its shape, wherever that is.
    const copyHere = copy !== null && shardOf.get(copy) === shard ? copy : null;
    files.push(await openWeightFile(source, shard, inShard, copyHere, shapes));
  }
  return files;
}

/** Reads a file's header and checks that the tensors are there. @param all of the model's tensors, when some are in other files */
async function openWeightFile(
  source: FileSource,
  path: string,
  shapes: Map<string, number[]>,
  copy: string | null,
  all = shapes,
): Promise<WeightFile> {
  const file = label(source, path);
  const open = openFile(source, path);
  try {
    const size = await open.size();
    let head = await readAll(open, 0, Math.min(size, HEAD_BYTES), file);
    const dataAt = dataStart(head, size, file);
    if (dataAt > head.length) head = joined(head, await readAll(open, head.length, dataAt, file));
    const found = parseHeader(head, size, file);
    checkNames(
      found.map(({ name }) => name),
      shapes,
      copy,
      file,
    );
    const wanted = new Map(shapes);
    if (copy !== null) wanted.set(copy, all.get(EMBEDDING_NAME) as number[]);
    const entries = found
      .filter(({ name }) => wanted.has(name))
      .map((entry) => readable(entry, file))
      .sort((a, b) => a.begin - b.begin);
    for (const { name, shape } of entries) checkShape(name, shape, wanted.get(name) as number[], file);
    return { path, file, open, size, head: head.slice(0, dataAt), entries };
  } finally {
    await open.close();
  }
}

/**
 * Checks the names of the tensors of a file or an index.
 *
 * @throws SafetensorsError that names tensors nobody asks for (they would change the numbers), or one that is missing
 */
function checkNames(names: string[], shapes: Map<string, number[]>, copy: string | null, file: string): void {
  const there = new Set(names);
  const missing = [...shapes.keys()].find((name) => !there.has(name));
  const others = names.filter((name) => !shapes.has(name) && name !== copy && !isHarmlessTensor(name));
  if (missing !== undefined) {
    const where = file.endsWith(INDEX_FILE) ? ' from "weight_map"' : '';
    const prefix = otherPrefix(missing, others);
    const advice =
      prefix === null
        ? '; get config.json and weights again, from one copy of the model'
        : `; the names here begin with "${prefix}": export the model as transformers saves it`;
    throw new SafetensorsError(file, `tensor ${missing} is missing${where}${advice}`);
  }
  if (others.length === 0) return;
  const more = others.length > 3 ? ` and ${others.length - 3} more` : '';
  throw new SafetensorsError(
    file,
    `holds ${others.slice(0, 3).join(', ')}${more}, which the model of config.json does not have: without them it would compute ` +
      'something else. Get config.json and weights from one copy of the model, or choose another model',
  );
}

function isHarmlessTensor(tensor: string): boolean {
  return HARMLESS_TENSORS.some(({ name }) => name.test(tensor));
}

/** What stands before a tensor's usual name, or before its last parts, in these names; null when nothing like it is there. */
function otherPrefix(wanted: string, names: readonly string[]): string | null {
  const core = wanted.replace(/^model\./, '');
  const found = names.find((name) => name.endsWith(core));
  const prefix = found?.slice(0, found.length - core.length);
  return prefix === undefined || prefix === 'model.' ? null : prefix;
}

/** @throws SafetensorsError unless the tensor has the shape that the configuration asks for */
export function checkShape(name: string, shape: number[], wanted: number[], file: string): void {
  if (shape.join() === wanted.join()) return;
  throw new SafetensorsError(
    file,
    `tensor ${name} has shape [${shape.join(', ')}], config.json asks for [${wanted.join(', ')}]`,
  );
}

/** The file's data in parts that are read at once; with `everything`, also the bytes of tensors nobody asks for. */
export function planParts({ entries, head, size }: WeightFile, everything: boolean, partBytes: number): Rows[][] {
  const parts: Rows[][] = [];
  let partFrom = 0;
  let at = head.length;
  const add = (rows: Rows): void => {
    const part = parts.at(-1);
    if (part?.at(-1)?.to === rows.from && rows.to - partFrom <= partBytes) {
      part.push(rows);
    } else {
      parts.push([rows]);
      partFrom = rows.from;
    }
    at = rows.to;
  };
  const addGap = (to: number): void => {
    while (everything && at < to) add({ from: at, to: Math.min(to, at + partBytes), entry: null, firstRow: 0 });
  };
  for (const entry of entries) {
    addGap(entry.begin);
    const rowBytes = (entry.end - entry.begin) / entry.shape[0];
    const rows = rowsPerPart(rowBytes, partBytes);
    for (let firstRow = 0; firstRow < entry.shape[0]; firstRow += rows) {
      const from = entry.begin + firstRow * rowBytes;
      add({ from, to: Math.min(entry.end, from + rows * rowBytes), entry, firstRow });
    }
  }
  addGap(size);
  return parts;
}

/** Rows that fit a part; at least one. */
export function rowsPerPart(rowBytes: number, partBytes: number): number {
  return Math.max(1, Math.floor(partBytes / rowBytes));
}

/**
 * Bytes [from, to) of a file, all of them: a source may hand out fewer when its file was cut short meanwhile.
 *
 * @throws FileError
 */
export async function readAll(
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

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
