/**
 * A frozen weight matrix on the device in one of the formats of `WeightDtype`: its layout, its way in (packed on the device,
 * some rows at a time) and its way out. How kernels read it: src/engine/kernels/fragments/weights_*.wgsl.
 */

import { GROUP, matrixLayout, PACKED_BITS, type MatrixLayout } from '../matrixLayout';
import { emptySum, tensorError, type ErrorSum } from '../saturation';
import type { TensorError, WeightDtype } from '../types';
import type { Gpu } from './device';
import { Program } from './program';

export { matrixLayout };

/** f32 values that one packing takes at most: the size of its scratch buffer. */
const PIECE_VALUES = 4 << 20;
const MAX_ROWS = 32768;
const NO_FIRST = 0xffffffff;

export interface WeightMatrix extends MatrixLayout {
  buffer: GPUBuffer;
}

/** An empty matrix. @throws RequestError, MemoryPlanError when it is larger than one binding of the device may be */
export function createMatrix(gpu: Gpu, label: string, dtype: WeightDtype, rows: number, columns: number): WeightMatrix {
  const layout = matrixLayout(dtype, rows, columns);
  return { ...layout, buffer: gpu.buffer(label, layout.bytes) };
}

/** What kernels that read through `//@weights` find in their Params. */
export function matrixParams({ stride, scales }: MatrixLayout): [stride: number, scales: number] {
  return [stride, scales];
}

/** f32 numbers that packing says of each pair of groups, as in quantise.wgsl. */
const STATS = 4;

/** Packs rows into matrices on the device and adds up how far they are off. Its scratch buffers live until `dispose`. */
export class MatrixPacker {
  private readonly sums = new Map<string, ErrorSum>();
  private scratch: { x: GPUBuffer; error: GPUBuffer } | null = null;

  constructor(private readonly gpu: Gpu) {}

  /** Rows `first`… of a matrix from f32 values [n, columns]; settles when the device has taken them. */
  async write(name: string, matrix: WeightMatrix, first: number, data: Float32Array): Promise<void> {
    const { columns, dtype } = matrix;
    if (dtype === 'f32') {
      this.gpu.write(matrix.buffer, data, first * columns * 4);
      return;
    }
    const most = Math.min(MAX_ROWS, Math.max(1, Math.floor(PIECE_VALUES / columns)));
    const rows = data.length / columns;
    for (let from = 0; from < rows; from += most) {
      const to = Math.min(rows, from + most);
      await this.pack(name, matrix, dtype, first + from, data.subarray(from * columns, to * columns));
    }
  }

  /** Errors of all tensors packed so far; nothing for f32. */
  get errors(): TensorError[] {
    return [...this.sums].map(([name, sum]) => tensorError(name, sum));
  }

  dispose(): void {
    if (this.scratch === null) return;
    this.gpu.destroyBuffer(this.scratch.x);
    this.gpu.destroyBuffer(this.scratch.error);
    this.scratch = null;
  }

  private async pack(
    name: string,
    matrix: WeightMatrix,
    dtype: keyof typeof PACKED_BITS,
    first: number,
    data: Float32Array,
  ): Promise<void> {
    const { gpu } = this;
    const { columns, stride, scales } = matrix;
    const rows = data.length / columns;
    const pairs = Math.ceil(Math.ceil(columns / GROUP) / 2);
    const { x, error } = this.reserve(rows * columns * 4, rows * pairs * STATS * 4);
    gpu.write(x, data);
    const program = new Program(gpu, `pack ${name}`);
    program.add(
      'quantise',
      { BITS: PACKED_BITS[dtype] },
      [x, matrix.buffer, error],
      [columns, stride, scales, first, pairs],
      [Math.ceil(pairs / 64), rows],
    );
    program.submit();
    this.count(name, data.length, new Float32Array(await gpu.read(error, 0, rows * pairs * STATS * 4)));
    program.dispose();
  }

  private count(name: string, values: number, stats: Float32Array): void {
    const sums = this.sums.get(name) ?? emptySum();
    sums.values += values;
    for (let i = 0; i < stats.length; i += STATS) {
      sums.squares += stats[i] as number;
      sums.total += stats[i + 1] as number;
      sums.largest = Math.max(sums.largest, stats[i + 2] as number);
      sums.saturated += stats[i + 3] as number;
    }
    this.sums.set(name, sums);
  }

  private reserve(xBytes: number, errorBytes: number): { x: GPUBuffer; error: GPUBuffer } {
    if (this.scratch && this.scratch.x.size >= xBytes && this.scratch.error.size >= errorBytes) return this.scratch;
    const [x, error] = [this.scratch?.x.size ?? 0, this.scratch?.error.size ?? 0];
    this.dispose();
    this.scratch = {
      x: this.gpu.buffer('rows to pack', Math.max(x, xBytes)),
      error: this.gpu.buffer('packing errors', Math.max(error, errorBytes)),
    };
    return this.scratch;
  }
}

/** Records y [count, columns] = rows of a packed matrix: those that `ids` names, or `count` rows from `first` on. */
export function encodeUnpack(
  program: Program,
  matrix: WeightMatrix,
  count: number,
  rows: { ids: GPUBuffer } | { first: number },
  y: GPUBuffer,
): void {
  const quads = matrix.columns / 4;
  const [ids, first] = 'ids' in rows ? [rows.ids, NO_FIRST] : [matrix.buffer, rows.first];
  program.add(
    'unpack_rows',
    { FORMAT: matrix.dtype },
    [ids, matrix.buffer, y],
    [quads, first, ...matrixParams(matrix)],
    [Math.ceil(quads / 64), count],
  );
}

/** Values of rows [first, first + count) as the device computes with them, f32 [count, columns]. */
export async function readRows(gpu: Gpu, matrix: WeightMatrix, first: number, count: number): Promise<Float32Array> {
  const { columns } = matrix;
  if (matrix.dtype === 'f32') {
    return new Float32Array(await gpu.read(matrix.buffer, first * columns * 4, count * columns * 4));
  }
  const values = new Float32Array(count * columns);
  const most = Math.min(MAX_ROWS, Math.max(1, Math.floor(PIECE_VALUES / columns)));
  const y = gpu.buffer('unpacked rows', Math.min(most, count) * columns * 4);
  for (let from = 0; from < count; from += most) {
    const rows = Math.min(most, count - from);
    const program = new Program(gpu, 'unpack');
    encodeUnpack(program, matrix, rows, { first: first + from }, y);
    program.submit();
    values.set(new Float32Array(await gpu.read(y, 0, rows * columns * 4)), from * columns);
    program.dispose();
  }
  gpu.destroyBuffer(y);
  return values;
}
