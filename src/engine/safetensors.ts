/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes little-endian header length, a
 * JSON header {name: {dtype, shape, data_offsets}}, then the tensors' bytes without holes.
 * Reads F32, F16 and BF16 (widened to f32), writes F32.
 */
import { duplicateKey } from './duplicateKeys';
import { SafetensorsError, WeightValueError } from './errors';
import { aboveLimit, checkLimit, MODEL_LIMITS } from './limits';
import type { HostTensor } from './types';

const BYTES_PER_VALUE = { F32: 4, F16: 2, BF16: 2 } as const;
export type TensorDtype = keyof typeof BYTES_PER_VALUE;

/** A tensor of a file: its bytes are [begin, end), counted from the file's start. */
export interface TensorEntry {
  name: string;
  /** As the header names it. */
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

/** A tensor whose values can be read. */
export interface ReadableEntry extends TensorEntry {
  dtype: TensorDtype;
}

/**
 * Every tensor of a safetensors file, widened to f32, in the header's order.
 *
 * F32 data that happens to be aligned is not copied: such a tensor is a view of `bytes`, so do not write to either.
 *
 * @param file the file's name, for messages
 * @throws SafetensorsError when the file is truncated or inconsistent or has a dtype other than F32, F16, BF16
 * @throws WeightValueError when a value is NaN or infinite
 */
export function readSafetensors(bytes: Uint8Array, file: string): Map<string, HostTensor> {
  const tensors = new Map<string, HostTensor>();
  for (const entry of parseHeader(bytes, bytes.length, file).map((found) => readable(found, file))) {
    const { data, bad } = widen(bytes.subarray(entry.begin, entry.end), entry.dtype);
    if (bad >= 0) throw valueError(entry.name, data[bad] as number, bad, file);
    tensors.set(entry.name, { shape: entry.shape, data });
  }
  return tensors;
}

/** What to throw for a weight that is NaN or infinite; `index` counts the tensor's values. */
export function valueError(name: string, value: number, index: number, file: string): WeightValueError {
  return new WeightValueError(file, `tensor ${name} holds ${value} at index ${index}`);
}

/**
 * A safetensors file with F32 tensors in name order.
 *
 * @param metadata string pairs for `__metadata__`; transformers and PEFT expect {format: 'pt'}
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Record<string, string> = { format: 'pt' },
): Uint8Array<ArrayBuffer> {
  const { head, places, size } = layOutSafetensors(
    new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    metadata,
  );
  const bytes = new Uint8Array(size);
  bytes.set(head);
  for (const [name, { data }] of tensors) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), places.get(name));
  }
  return bytes;
}

/** Where F32 tensors of these shapes go in a file, sorted by name: its first bytes, the first byte of each tensor, its size. */
export function layOutSafetensors(
  shapes: ReadonlyMap<string, number[]>,
  metadata: Record<string, string> = { format: 'pt' },
): { head: Uint8Array; places: Map<string, number>; size: number } {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const offsets = new Map<string, number>();
  let end = 0;
  for (const [name, shape] of [...shapes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    offsets.set(name, end);
    const begin = end;
    end += 4 * shape.reduce((product, length) => product * length, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const utf8 = new TextEncoder().encode(JSON.stringify(header));
  // Spaces up to a multiple of 8, as the reference implementation does, so that the data is aligned.
  const headerLength = Math.ceil(utf8.length / 8) * 8;
  const head = new Uint8Array(8 + headerLength).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerLength), true);
  head.set(utf8, 8);
  const places = new Map([...offsets].map(([name, offset]) => [name, head.length + offset]));
  return { head, places, size: head.length + end };
}

/** Shard file names of a `model.safetensors.index.json`, each once, in name order, and the shard of each tensor. */
export function parseShardIndex(json: unknown, file: string): { shards: string[]; shardOf: Map<string, string> } {
  const weightMap = (json as { weight_map?: unknown } | null)?.weight_map;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new SafetensorsError(file, 'has no "weight_map" that is an object of tensors and their files');
  }
  const entries = Object.entries(weightMap);
  checkLimit(entries.length, MODEL_LIMITS.tensors, (problem) => new SafetensorsError(file, problem));
  const shardOf = new Map<string, string>();
  for (const [name, shard] of entries) {
    if (typeof shard !== 'string' || shard.includes('/') || shard.includes('\\') || !shard.endsWith('.safetensors')) {
      throw new SafetensorsError(file, `"weight_map" gives no safetensors file name for ${name}`);
    }
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0) throw new SafetensorsError(file, '"weight_map" is empty');
  const shards = [...new Set(shardOf.values())].sort();
  checkLimit(shards.length, MODEL_LIMITS.shards, (problem) => new SafetensorsError(file, problem));
  return { shards, shardOf };
}

/**
 * Where a file's data starts, in bytes.
 *
 * @param start the file's first 8 bytes, or more, or all of a shorter file
 * @param size bytes of the whole file
 * @throws SafetensorsError when the header cannot be in the file
 */
export function dataStart(start: Uint8Array, size: number, file: string): number {
  if (size < 8 || start.length < 8) throw new SafetensorsError(file, `is truncated: ${size} bytes, no header`);
  const headerLength = Number(new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true));
  const problem = aboveLimit(headerLength, MODEL_LIMITS.headerBytes);
  if (problem !== null) throw new SafetensorsError(file, `is not a safetensors file that can be read: ${problem}`);
  if (8 + headerLength > size) {
    throw new SafetensorsError(file, `header is truncated: ${headerLength} bytes announced, ${size - 8} present`);
  }
  return 8 + headerLength;
}

/**
 * The tensors of a file, in the header's order, whatever their dtype: a file may hold some that nobody asks for.
 *
 * @param start the file's first `dataStart` bytes or more
 * @param size bytes of the whole file
 * @throws SafetensorsError when the header is no header or does not fit the file
 */
export function parseHeader(start: Uint8Array, size: number, file: string): TensorEntry[] {
  const dataAt = dataStart(start, size, file);
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(start.subarray(8, dataAt));
    header = JSON.parse(text);
  } catch (cause) {
    throw new SafetensorsError(file, 'header is not JSON', { cause });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new SafetensorsError(file, 'header is not a JSON object');
  }
  const twice = duplicateKey(text);
  if (twice !== null) {
    throw new SafetensorsError(file, `header has ${JSON.stringify(twice)} twice; choose another copy of the file`);
  }
  const found = Object.entries(header);
  checkLimit(found.length, MODEL_LIMITS.tensors, (problem) => new SafetensorsError(file, problem));
  const entries: TensorEntry[] = [];
  for (const [name, value] of found) {
    if (name !== '__metadata__') entries.push(parseEntry(name, value, file));
    else if (!isTextMap(value)) throw new SafetensorsError(file, 'header has a "__metadata__" that is no map of texts');
  }
  checkOffsets(entries, size - dataAt, file);
  return entries.map((entry) => ({ ...entry, begin: entry.begin + dataAt, end: entry.end + dataAt }));
}

function parseEntry(name: string, value: unknown, file: string): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw new SafetensorsError(file, `header entry of ${name} lacks dtype, shape or data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw new SafetensorsError(file, `tensor ${name} ends at byte ${end}, before its start at ${begin}`);
  if (isKnown(dtype)) {
    const expected = shape.reduce((product, size) => product * size, BYTES_PER_VALUE[dtype]);
    if (end - begin !== expected) {
      throw new SafetensorsError(
        file,
        `tensor ${name}: shape [${shape.join(', ')}] of ${dtype} is ${expected} bytes, its offsets span ${end - begin}`,
      );
    }
  }
  return { name, dtype, shape, begin, end };
}

/** The tensor, if its values can be read. @throws SafetensorsError when its dtype is not F32, F16 or BF16 */
export function readable(entry: TensorEntry, file: string): ReadableEntry {
  const { dtype } = entry;
  if (isKnown(dtype)) return { ...entry, dtype };
  throw new SafetensorsError(
    file,
    `tensor ${entry.name} has dtype ${dtype} (known: F32, F16, BF16); choose a copy of the model that is not quantised`,
  );
}

function isKnown(dtype: string): dtype is TensorDtype {
  return Object.hasOwn(BYTES_PER_VALUE, dtype);
}

function isTextMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

/** The format allows neither overlaps nor holes; both mean that header and data do not belong together. */
function checkOffsets(entries: TensorEntry[], dataLength: number, file: string): void {
  let position = 0;
  for (const { name, begin, end } of entries.slice().sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end > dataLength) {
      throw new SafetensorsError(file, `data is truncated: tensor ${name} ends at byte ${end} of ${dataLength}`);
    }
    if (begin < position) throw new SafetensorsError(file, `tensor ${name} overlaps the one before it`);
    if (begin > position) throw new SafetensorsError(file, `there is a hole before tensor ${name}`);
    position = end;
  }
  if (position !== dataLength) {
    throw new SafetensorsError(file, `has ${dataLength - position} bytes that belong to no tensor`);
  }
}

/**
 * Values as f32, and the index of the first that is NaN or infinite (−1: none; the values after it may be missing).
 *
 * @param room where to put them, if it is large enough; aligned F32 is not copied but viewed
 */
export function widen(bytes: Uint8Array, dtype: TensorDtype, room?: Float32Array): { data: Float32Array; bad: number } {
  // Typed arrays use the platform's byte order, which is little-endian wherever a browser or Node runs today.
  // Not slice(): that of Node's Buffer copies nothing.
  const aligned = bytes.byteOffset % BYTES_PER_VALUE[dtype] === 0 ? bytes : new Uint8Array(bytes);
  const count = aligned.byteLength / BYTES_PER_VALUE[dtype];
  if (dtype === 'F32') {
    const data = new Float32Array(aligned.buffer, aligned.byteOffset, count);
    return { data, bad: firstNonFinite(data) };
  }
  const data = room !== undefined && room.length >= count ? room.subarray(0, count) : new Float32Array(count);
  const words = new Uint32Array(data.buffer, data.byteOffset, count);
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, count);
  return { data, bad: dtype === 'BF16' ? widenBf16(halves, words) : widenF16(halves, words) };
}

/** Index of the first NaN or infinity, −1 when there is none. */
function firstNonFinite(data: Float32Array): number {
  // x − x is 0 for every finite x and NaN otherwise.
  for (let i = 0; i < data.length; i++) {
    const x = data[i];
    if (x - x !== 0) return i;
  }
  return -1;
}

function widenBf16(halves: Uint16Array, words: Uint32Array): number {
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    words[i] = half << 16;
    if ((half & 0x7f80) === 0x7f80) return i;
  }
  return -1;
}

function widenF16(halves: Uint16Array, words: Uint32Array): number {
  f16Bits ??= Uint32Array.from({ length: 65536 }, (_, half) => f16ToF32Bits(half));
  const table = f16Bits;
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    words[i] = table[half];
    if ((half & 0x7c00) === 0x7c00) return i;
  }
  return -1;
}

/** f32 bits of every f16, made when the first F16 tensor is read. */
let f16Bits: Uint32Array | null = null;

/** IEEE 754 binary16 → binary32 bits; exact for every input, subnormals included. */
function f16ToF32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Subnormal: fraction · 2⁻²⁴ with the leading one moved to the implicit place.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
