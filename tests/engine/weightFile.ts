/** Model folders in memory for the loader's tests, and what is in them by a decoder of its own. */
import { label, type FileSource } from '../../src/engine/source';
import { FileError } from '../../src/engine/errors';

export interface FileTensor {
  /** I64 are numbers that nobody reads. */
  dtype: 'F32' | 'F16' | 'BF16' | 'I64';
  shape: number[];
  /** Little-endian values. */
  bytes: Uint8Array;
}

/** A safetensors file with the tensors' bytes in the order given, the header's in reverse. */
export function weightFile(tensors: ReadonlyMap<string, FileTensor>): Uint8Array {
  const header: [string, unknown][] = [];
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header.unshift([name, { dtype, shape, data_offsets: [at, at + bytes.length] }]);
    at += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const file = new Uint8Array(8 + json.length + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  at = 8 + json.length;
  for (const { bytes } of tensors.values()) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** The tensors of a safetensors file, every value decoded for itself. */
export function decode(file: Uint8Array): Map<string, { shape: number[]; data: Float32Array }> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as Record<string, never>;
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] };
    const bytes = dtype === 'F32' ? 4 : 2;
    const data = new Float32Array((data_offsets[1] - data_offsets[0]) / bytes);
    for (let i = 0; i < data.length; i++) {
      const at = start + data_offsets[0] + i * bytes;
      data[i] = dtype === 'F32' ? view.getFloat32(at, true) : half(view.getUint16(at, true), dtype === 'F16' ? 5 : 8);
    }
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** A 16-bit float with this many exponent bits, after IEEE 754's definition. */
function half(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const magnitude = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** Whether two arrays have the same bits; much faster than a matcher on every value. */
export function sameBits(a: Float32Array, b: Float32Array | undefined): boolean {
  const bytes = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return b !== undefined && bytes(a).equals(bytes(b));
}

/** A folder in memory that can only be read whole. */
export function memorySource(files: Record<string, Uint8Array>): FileSource {
  const source: FileSource = {
    name: 'memory',
    async read(path) {
      const bytes = files[path];
      if (bytes === undefined) throw new FileError(label(source, path), 'no such file');
      return bytes;
    },
    exists: async (path) => path in files,
  };
  return source;
}

export interface ReadRecord {
  path: string;
  from: number;
  to: number;
}

/** A folder in memory that is read by ranges, and a record of them. */
export function rangedSource(files: Record<string, Uint8Array>): FileSource & { reads: ReadRecord[] } {
  const { read, exists } = memorySource(files);
  const reads: ReadRecord[] = [];
  return {
    name: 'memory',
    reads,
    exists,
    async read(path) {
      if (path.endsWith('.safetensors')) throw new Error(`${path} was read whole`);
      return read(path);
    },
    size: async (path) => (await read(path)).length,
    async readRange(path, from, to) {
      reads.push({ path, from, to });
      return (await read(path)).slice(from, to);
    },
  };
}
