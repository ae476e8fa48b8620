/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes little-endian header length, a
 * JSON header {name: {dtype, shape, data_offsets}}, then the tensors' bytes without holes.
 * Reads F32, F16 and BF16 (widened to f32), writes F32.
 */
import { SafetensorsError, WeightValueError } from './errors';
import type { HostTensor } from './types';

const BYTES_PER_VALUE = { F32: 4, F16: 2, BF16: 2 } as const;
type Dtype = keyof typeof BYTES_PER_VALUE;

/** The format's own limit on the header. */
const MAX_HEADER_BYTES = 100_000_000;

interface Entry {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * Every tensor of a safetensors file, widened to f32, in the file's order.
 *
 * F32 data that happens to be aligned is not copied: such a tensor is a view of `bytes`, so do not write to either.
 *
 * @param file the file's name, for messages
 * @throws SafetensorsError when the file is truncated or inconsistent or has a dtype other than F32, F16, BF16
 * @throws WeightValueError when a value is NaN or infinite
 */
export function readSafetensors(bytes: Uint8Array, file: string): Map<string, HostTensor> {
  const { entries, dataStart } = readHeader(bytes, file);
  const tensors = new Map<string, HostTensor>();
  for (const entry of entries) {
    const data = widen(bytes.subarray(dataStart + entry.begin, dataStart + entry.end), entry.dtype);
    const bad = firstNonFinite(data);
    if (bad >= 0) {
      throw new WeightValueError(file, `tensor ${entry.name} holds ${data[bad]} at index ${bad}`);
    }
    tensors.set(entry.name, { shape: entry.shape, data });
  }
  return tensors;
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
  const names = [...tensors.keys()].sort();
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const name of names) {
    const { shape, data } = tensors.get(name) as HostTensor;
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = JSON.stringify(header);
  const utf8 = new TextEncoder().encode(json);
  // Spaces up to a multiple of 8, as the reference implementation does, so that the data is aligned.
  const headerLength = Math.ceil(utf8.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(utf8, 8);
  bytes.fill(0x20, 8 + utf8.length, 8 + headerLength);
  let at = 8 + headerLength;
  for (const name of names) {
    const { data } = tensors.get(name) as HostTensor;
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** Shard file names of a `model.safetensors.index.json`, each once, in name order, and the shard of each tensor. */
export function parseShardIndex(json: unknown, file: string): { shards: string[]; shardOf: Map<string, string> } {
  const weightMap = (json as { weight_map?: unknown } | null)?.weight_map;
  if (typeof weightMap !== 'object' || weightMap === null) throw new SafetensorsError(file, 'has no "weight_map"');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== 'string' || shard.includes('/') || shard.includes('\\') || !shard.endsWith('.safetensors')) {
      throw new SafetensorsError(file, `"weight_map" gives no safetensors file name for ${name}`);
    }
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0) throw new SafetensorsError(file, '"weight_map" is empty');
  return { shards: [...new Set(shardOf.values())].sort(), shardOf };
}

/** Index of the first NaN or infinity, −1 when there is none. */
export function firstNonFinite(data: Float32Array): number {
  // x − x is 0 for every finite x and NaN otherwise.
  for (let i = 0; i < data.length; i++) {
    const x = data[i];
    if (x - x !== 0) return i;
  }
  return -1;
}

function readHeader(bytes: Uint8Array, file: string): { entries: Entry[]; dataStart: number } {
  if (bytes.length < 8) throw new SafetensorsError(file, `is truncated: ${bytes.length} bytes, no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > MAX_HEADER_BYTES) {
    throw new SafetensorsError(file, `is not a safetensors file: header length ${headerLength} is above the limit`);
  }
  const dataStart = 8 + headerLength;
  if (dataStart > bytes.length) {
    throw new SafetensorsError(
      file,
      `header is truncated: ${headerLength} bytes announced, ${bytes.length - 8} present`,
    );
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart)));
  } catch (cause) {
    throw new SafetensorsError(file, 'header is not JSON', { cause });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new SafetensorsError(file, 'header is not a JSON object');
  }
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') entries.push(parseEntry(name, value, file));
  }
  checkOffsets(entries, bytes.length - dataStart, file);
  return { entries, dataStart };
}

function parseEntry(name: string, value: unknown, file: string): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw new SafetensorsError(file, `header entry of ${name} lacks dtype, shape or data_offsets`);
  }
  if (!Object.hasOwn(BYTES_PER_VALUE, dtype)) {
    throw new SafetensorsError(file, `tensor ${name} has dtype ${dtype} (known: F32, F16, BF16)`);
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((product, size) => product * size, BYTES_PER_VALUE[dtype as Dtype]);
  if (end - begin !== expected) {
    throw new SafetensorsError(
      file,
      `tensor ${name}: shape [${shape.join(', ')}] of ${dtype} is ${expected} bytes, its offsets span ${end - begin}`,
    );
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

/** The format allows neither overlaps nor holes; both mean that header and data do not belong together. */
function checkOffsets(entries: Entry[], dataLength: number, file: string): void {
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

function widen(bytes: Uint8Array, dtype: Dtype): Float32Array {
  // Typed arrays use the platform's byte order, which is little-endian wherever a browser or Node runs today.
  const aligned = bytes.byteOffset % BYTES_PER_VALUE[dtype] === 0 ? bytes : bytes.slice();
  if (dtype === 'F32') return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const words = new Uint32Array(halves.length);
  if (dtype === 'BF16') {
    for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  } else {
    for (let i = 0; i < halves.length; i++) words[i] = f16ToF32Bits(halves[i]);
  }
  return new Float32Array(words.buffer);
}

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
