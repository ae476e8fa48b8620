/** A matrix in several buffers computes what it does in one: the head of a model whose vocabulary exceeds a binding. */

import { describe, expect, it } from 'vitest';
import { createMatrix, MatrixPacker, type TallMatrix } from '../../src/engine/gpu/matrix';
import { Program } from '../../src/engine/gpu/program';
import { encodeTall, encodeTallBackward } from '../../src/engine/gpu/tall';
import { shapeConfig } from '../../src/engine/shapes';
import { weightBuffers } from '../../src/engine/weightBuffers';
import { openTestGpu } from './gpu';

const [ROWS, COLUMNS, TOKENS] = [150, 40, 8];
const values = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7 + seed) / 4);

describe.each(['cpu', 'gpu'] as const)('a matrix in three buffers, %s kernels', { timeout: 120_000 }, (tiles) => {
  it.each(['f32', 'int4'] as const)('in %s has the products of one, forth and back', async (dtype) => {
    const gpu = await openTestGpu({ tiles });
    const packer = new MatrixPacker(gpu);
    const all = values(ROWS * COLUMNS, 1);
    const part = async (firstRow: number, rows: number) => {
      const matrix = createMatrix(gpu, `rows from ${firstRow}`, dtype, rows, COLUMNS);
      await packer.write('w', matrix, 0, all.subarray(firstRow * COLUMNS, (firstRow + rows) * COLUMNS));
      return { matrix, firstRow };
    };
    const tall = async (...firsts: number[]): Promise<TallMatrix> => {
      const blocks = [];
      for (const [i, first] of firsts.entries()) blocks.push(await part(first, (firsts[i + 1] ?? ROWS) - first));
      return { rows: ROWS, columns: COLUMNS, dtype, blocks };
    };
    const [whole, split] = [await tall(0), await tall(0, 64, 128)];
    const x = gpu.upload('x', values(TOKENS * COLUMNS, 2));
    const dy = gpu.upload('dy', values(TOKENS * ROWS, 3));
    const forth: Float32Array[] = [];
    const back: Float32Array[] = [];
    for (const weight of [whole, split]) {
      const [y, dx] = [gpu.buffer('y', TOKENS * ROWS * 4), gpu.buffer('dx', TOKENS * COLUMNS * 4)];
      const program = new Program(gpu, 'tall');
      encodeTall(gpu, program, { tokens: TOKENS, x, weight, y });
      encodeTallBackward(gpu, program, { tokens: TOKENS, dy, weight, dx, splits: null });
      program.submit();
      forth.push(new Float32Array(await gpu.read(y)));
      back.push(new Float32Array(await gpu.read(dx)));
    }
    packer.dispose();
    expect(forth[1]).toEqual(forth[0]);
    // Sums of three parts, added one after the other.
    back[1]!.forEach((value, i) => expect(value).toBeCloseTo(back[0]![i]!, 4));
  });
});

describe('the buffers of a model', () => {
  it('hold no more than a binding, and the same bytes in all', () => {
    const config = shapeConfig('Llama-3.2-1B');
    const sum = (buffers: { bytes: number }[]): number => buffers.reduce((total, { bytes }) => total + bytes, 0);
    const [small, large] = [weightBuffers(config, 'int4', 2 ** 27), weightBuffers(config, 'int4')];
    expect(Math.max(...small.map(({ bytes }) => bytes))).toBeLessThanOrEqual(2 ** 27);
    expect(small.length).toBe(large.length + 1);
    expect(sum(small)).toBe(sum(large));
  });
});
