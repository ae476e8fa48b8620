import { describe, expect, it } from 'vitest';
import { SafetensorsError, WeightValueError } from '../../src/engine/errors';
import { parseShardIndex, readSafetensors, writeSafetensors } from '../../src/engine/safetensors';

/** A file from a header and data, however wrong they are. */
function file(header: unknown, data: ArrayLike<number> = [], headerLength?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? json.length), true);
  bytes.set(json, 8);
  bytes.set(Array.from(data), 8 + json.length);
  return bytes;
}

function halves(...words: number[]): number[] {
  return words.flatMap((word) => [word & 255, word >> 8]);
}

const entry = (dtype: string, shape: number[], begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('readSafetensors', () => {
  it('reads back what writeSafetensors wrote, names in order, aligned', () => {
    const tensors = new Map([
      ['b', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 1e-40, 0, -0) }],
      ['a', { shape: [], data: Float32Array.of(7) }],
      ['empty', { shape: [0, 4], data: new Float32Array(0) }],
    ]);
    const bytes = writeSafetensors(tensors);
    expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0);
    const read = readSafetensors(bytes, 'f');
    expect([...read.keys()]).toEqual(['a', 'b', 'empty']);
    for (const [name, tensor] of tensors) expect(read.get(name)).toEqual(tensor);
  });

  it('reads tensors that are not aligned, also from a Buffer of Node', () => {
    const bytes = file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', [0, 0, 0xe0, 0x40]);
    expect(bytes.length % 4).not.toBe(0);
    for (const given of [bytes, Buffer.from(bytes)])
      expect(readSafetensors(given, 'f').get('a')).toEqual({ shape: [1], data: Float32Array.of(7) });
  });

  it('widens F16 exactly, subnormals and the largest included', () => {
    const words = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x8000, 0x3555, 0x8201];
    const values = [1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, -0, 0x555 * 2 ** -12, -0x201 * 2 ** -24];
    const read = readSafetensors(file({ x: entry('F16', [9], 0, 18) }, halves(...words)), 'f');
    expect(Array.from(read.get('x')!.data)).toEqual(values);
  });

  it('widens BF16 exactly', () => {
    const read = readSafetensors(file({ x: entry('BF16', [4], 0, 8) }, halves(0x3f80, 0xc049, 0x0001, 0x8000)), 'f');
    expect(Array.from(read.get('x')!.data)).toEqual([1, -3.140625, 2 ** -133, -0]);
  });

  it('reads F32 that is not aligned', () => {
    const header = JSON.stringify({ x: entry('F32', [1], 0, 4) });
    for (const padding of ['', ' ', '  ', '   ']) {
      const read = readSafetensors(file(header + padding, [0, 0, 128, 63]), 'f');
      expect(Array.from(read.get('x')!.data)).toEqual([1]);
    }
  });

  const one = { x: entry('F32', [1], 0, 4) };
  const defects: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /truncated: 0 bytes/],
    ['half a length', new Uint8Array(5), /truncated: 5 bytes/],
    ['a truncated header', file(one).subarray(0, 30), /header is truncated/],
    ['a length beyond the file', file(one, [0, 0, 0, 0], 10_000), /header is truncated: 10000 bytes announced/],
    ['an absurd length', file(one, [0, 0, 0, 0], 2 ** 50), /not a safetensors file/],
    [
      'a tensor that stands twice',
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        [0, 0, 0, 0],
      ),
      /header has "a" twice; choose another copy/,
    ],
    [
      'a shape that stands twice',
      file('{"a":{"dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,4]}}', [0, 0, 0, 0]),
      /header has "shape" twice/,
    ],
    ['a header that is not JSON', file('{"x": '), /header is not JSON/],
    ['a header that is not an object', file('[1]'), /not a JSON object/],
    ['an entry without a shape', file({ x: { dtype: 'F32', data_offsets: [0, 4] } }), /entry of x lacks/],
    ['a null entry', file({ x: null }), /entry of x lacks/],
    ['a negative size', file({ x: entry('F32', [-1], 0, 4) }), /entry of x lacks/],
    ['an unknown dtype', file({ x: entry('I8', [1], 0, 1) }, [0]), /tensor x has dtype I8 .*not quantised/],
    ['an inherited dtype', file({ x: entry('toString', [1], 0, 1) }, [0]), /dtype toString/],
    ['a shape that disagrees', file({ x: entry('F32', [2], 0, 4) }, [0, 0, 0, 0]), /8 bytes, its offsets span 4/],
    ['truncated data', file(one, [0, 0]), /data is truncated: tensor x ends at byte 4 of 2/],
    ['an overlap', file({ a: entry('F32', [2], 0, 8), b: entry('F32', [1], 4, 8) }, new Array(8).fill(0)), /overlaps/],
    ['a hole', file({ a: entry('F32', [1], 4, 8) }, new Array(8).fill(0)), /hole before tensor a/],
    ['bytes of nobody', file(one, new Array(9).fill(0)), /5 bytes that belong to no tensor/],
  ];
  it.each(defects)('refuses %s', (_, bytes, message) => {
    const read = (): unknown => readSafetensors(bytes, 'dir/model.safetensors');
    expect(read).toThrow(SafetensorsError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^dir\/model\.safetensors: /);
  });

  it.each([
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['-Infinity', -Infinity],
  ])('refuses a weight that is %s and names the tensor', (name, value) => {
    const bytes = writeSafetensors(
      new Map([['model.norm.weight', { shape: [3], data: Float32Array.of(1, 2, value) }]]),
    );
    expect(() => readSafetensors(bytes, 'f')).toThrow(WeightValueError);
    expect(() => readSafetensors(bytes, 'f')).toThrow(`f: tensor model.norm.weight holds ${name} at index 2`);
  });
});

describe('parseShardIndex', () => {
  it('lists shards and where tensors are', () => {
    const { shards, shardOf } = parseShardIndex(
      { weight_map: { a: 'm-2.safetensors', b: 'm-1.safetensors', c: 'm-2.safetensors' } },
      'f',
    );
    expect(shards).toEqual(['m-1.safetensors', 'm-2.safetensors']);
    expect(shardOf.get('c')).toBe('m-2.safetensors');
  });

  it('refuses what is not an index, and files outside the folder', () => {
    for (const json of [null, {}, { weight_map: 3 }, { weight_map: {} }]) {
      expect(() => parseShardIndex(json, 'f')).toThrow(SafetensorsError);
    }
    for (const shard of ['../secret.safetensors', 'a.bin', 5]) {
      expect(() => parseShardIndex({ weight_map: { a: shard } }, 'f')).toThrow(/no safetensors file name for a/);
    }
  });
});
