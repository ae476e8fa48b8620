/** Matrices in int8 and int4 as the exact engine keeps them: the values of `quantiseValues`, and the oracle's products, bit for bit. */
import { describe, expect, it } from 'vitest';
import { Arena } from '../../src/engine/exact/arena';
import { ExactEngine } from '../../src/engine/exact/engine';
import { makeKernels } from '../../src/engine/exact/kernels';
import { WasmArithmetic } from '../../src/engine/exact/wasmArithmetic';
import {
  emptyPacked,
  frozenBytes,
  packRows,
  unpacked,
  type PackedTensor,
} from '../../src/engine/reference/packedTensor';
import { plainArithmetic } from '../../src/engine/reference/plain';
import { quantiseValues } from '../../src/engine/reference/quantise';
import { randomStream, shapeConfig } from '../../src/engine/shapes';
import { drawUniform } from '../../src/random';

const DTYPES = ['int8', 'int4'] as const;
/** Rows below, at and above whole panels; columns within, at and beyond groups of 32. */
const SIZES = [
  [1, 4],
  [7, 36],
  [15, 32],
  [16, 60],
  [17, 64],
  [33, 68],
  [48, 100],
] as const;

function numbers(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => {
    const value = drawUniform({ seed, stream: 5 }, i) - 0.5;
    // A group of zeros, and a few weights that are much larger than their company.
    return Math.floor(i / 32) % 7 === 3 ? 0 : value * (i % 41 === 0 ? 9 : 1);
  });
}

function packed(data: Float32Array, rows: number, columns: number, dtype: (typeof DTYPES)[number]): PackedTensor {
  const tensor = emptyPacked(rows, columns, dtype);
  // In pieces that end within a panel.
  for (let row = 0; row < rows; row += 5) packRows(tensor, row, data.subarray(row * columns, (row + 5) * columns));
  return tensor;
}

const bitsOf = (array: Float32Array): Uint32Array => new Uint32Array(array.slice().buffer);

describe.each(DTYPES)('%s', (dtype) => {
  it.each(SIZES)('keeps %i × %i weights as a device has them', (rows, columns) => {
    const data = numbers(rows * columns, rows);
    const kept = quantiseValues(data, columns, dtype);
    expect(bitsOf(unpacked(packed(data, rows, columns, dtype)))).toEqual(bitsOf(kept));
    // What was packed and unpacked before is packed to the same.
    expect(packed(kept, rows, columns, dtype)).toEqual(packed(data, rows, columns, dtype));
  });

  it.each(SIZES)('multiplies by %i × %i weights with the bits of the oracle', async (rows, columns) => {
    const tensor = packed(numbers(rows * columns, columns), rows, columns, dtype);
    const arena = new Arena(1 << 20);
    const wasm = new WasmArithmetic(arena, await makeKernels(arena.memory));
    const plain = plainArithmetic();
    const [own, theirs] = [wasm.frozen(wasm.hold(tensor)), plain.frozen(tensor)];
    for (const T of [1, 2, 3, 9]) {
      wasm.scratch.begin();
      const there = (name: string, values: Float32Array): Float32Array => {
        const array = wasm.scratch.get(name, values.length);
        array.set(values);
        return array;
      };
      const x = numbers(T * columns, 3);
      const dy = numbers(T * rows, 4);
      const dx = numbers(T * columns, 6);
      const [y, wanted] = [there('y', new Float32Array(T * rows)), new Float32Array(T * rows)];
      wasm.product(y, there('x', x), own, T);
      plain.product(wanted, x, theirs, T);
      expect(bitsOf(y), `${T} rows`).toEqual(bitsOf(wanted));
      const found = there('dx', dx);
      wasm.productBack(found, there('dy', dy), own, T);
      plain.productBack(dx, dy, theirs, T);
      expect(bitsOf(found), `${T} rows back`).toEqual(bitsOf(dx));
    }
    for (const row of [0, rows - 1]) {
      const [found, wanted] = [wasm.scratch.get('row', columns + 1), new Float32Array(columns + 1)];
      found.fill(0);
      wasm.row(found, 1, own, row);
      plain.row(wanted, 1, theirs, row);
      expect(bitsOf(found)).toEqual(bitsOf(wanted));
    }
  });
});

it('takes 5 bits a weight of int4 in memory, and 9 of int8, scales included', async () => {
  const config = { ...shapeConfig('SmolLM2-135M'), numLayers: 1, vocabSize: 512, maxPositions: 64 };
  const bytes = async (dtype: 'f32' | 'int8' | 'int4'): Promise<number> => {
    const engine = await ExactEngine.create(randomStream(config, 1), { dtype, maxRows: 1, maxLength: 16 });
    const { weightBytes } = await engine.report();
    await engine.dispose();
    return weightBytes;
  };
  const f32 = await bytes('f32');
  // Norms stay as they are.
  expect((await bytes('int4')) / f32).toBeCloseTo(5 / 32, 2);
  expect((await bytes('int8')) / f32).toBeCloseTo(9 / 32, 2);
  expect(frozenBytes(emptyPacked(32, 64, 'int4'))).toBe((32 * 64) / 2 + 4 * 2 * 32);
});
