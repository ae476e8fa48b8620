/**
 * A frozen weight matrix on the device in one of the formats of `WeightDtype`: its layout, its way in (packed on the device,
 * some rows at a time) and its way out. How kernels read it: src/engine/kernels/fragments/weights_*.wgsl.
 */

import { GROUP, matrixLayout, PACKED_BITS, stackedRows, type MatrixLayout } from '../matrixLayout';
import { emptySum, tensorError, type ErrorSum } from '../saturation';
import type { TensorError, WeightDtype } from '../types';
import type { Gpu } from './device';
import { Program, type Binding } from './program';

export { matrixLayout };

/** f32 values that one packing takes at most: the size of its scratch buffer. */
const PIECE_VALUES = 4 << 20;
const MAX_ROWS = 32768;
const NO_FIRST = 0xffffffff;

export interface WeightMatrix extends MatrixLayout {
  buffer: GPUBuffer;
  /** Byte in the buffer at which it begins, a multiple of 256: 0, but for a part of a stack. */
  offset: number;
}

/** Matrices of one width that are rows of one, so that one product makes them all. */
export interface MatrixStack {
  whole: WeightMatrix;
  /** In their order; the first rows of `firstRows`. */
  parts: WeightMatrix[];
  /** Where each begins, a multiple of STACK_ROWS. */
  firstRows: number[];
}

/** An empty matrix. @throws RequestError, MemoryPlanError when it is larger than one binding of the device may be */
export function createMatrix(gpu: Gpu, label: string, dtype: WeightDtype, rows: number, columns: number): WeightMatrix {
  const layout = matrixLayout(dtype, rows, columns);
  return { ...layout, buffer: gpu.buffer(label, layout.bytes), offset: 0 };
}

/** An empty stack of matrices with these rows. @throws as `createMatrix` */
export function createStack(
  gpu: Gpu,
  label: string,
  dtype: WeightDtype,
  rows: readonly number[],
  columns: number,
): MatrixStack {
  const firstRows = stackedRows(rows);
  const whole = createMatrix(gpu, label, dtype, firstRows.pop() as number, columns);
  return { whole, firstRows, parts: rows.map((count, i) => rowsOf(whole, firstRows[i] as number, count)) };
}

/** A matrix whose rows may lie in several buffers: one binding may be too small for it. */
export interface TallMatrix {
  rows: number;
  columns: number;
  dtype: WeightDtype;
  /** One behind the other. */
  blocks: { matrix: WeightMatrix; firstRow: number }[];
}

/** Rows of a matrix as one of their own; `first` is a multiple of STACK_ROWS. */
function rowsOf(whole: WeightMatrix, first: number, rows: number): WeightMatrix {
  const { dtype, columns, buffer } = whole;
  const own = matrixLayout(dtype, rows, columns);
  const offset = dtype === 'f32' ? first * columns * 4 : first * own.stride * 16;
  const scaleWords = own.scales === 0 ? 0 : Math.ceil(Math.ceil(columns / GROUP) / 2);
  const scales = own.scales === 0 ? 0 : whole.scales - offset / 4 + first * scaleWords;
  return { ...own, scales, buffer, offset };
}

/** What a kernel binds: the scales of a part of a stack lie behind all of the stack's rows. */
export function bindingOf({ buffer, offset }: WeightMatrix): Binding {
  return offset === 0 ? buffer : { buffer, offset, size: buffer.size - offset };
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
      this.gpu.write(matrix.buffer, data, matrix.offset + first * columns * 4);
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
      [x, bindingOf(matrix), error],
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

/**
 * Records y [count, columns] = rows of a packed matrix: those that `ids` names (of `firstId` and up as many as there are; the others'
 * y is left as it is), or `count` rows from `first` on.
 */
export function encodeUnpack(
  program: Program,
  matrix: WeightMatrix,
  count: number,
  rows: { ids: GPUBuffer; firstId?: number } | { first: number },
  y: GPUBuffer,
): void {
  const quads = matrix.columns / 4;
  const w = bindingOf(matrix);
  const [ids, first] = 'ids' in rows ? [rows.ids, NO_FIRST] : [w, rows.first];
  program.add(
    'unpack_rows',
    { FORMAT: matrix.dtype },
    [ids, w, y],
    [quads, first, ...matrixParams(matrix), 'ids' in rows ? (rows.firstId ?? 0) : 0, matrix.rows],
    [Math.ceil(quads / 64), count],
  );
}

/** Values of rows [first, first + count) as the device computes with them, f32 [count, columns]. */
export async function readRows(gpu: Gpu, matrix: WeightMatrix, first: number, count: number): Promise<Float32Array> {
  const { columns } = matrix;
  if (matrix.dtype === 'f32') {
    return new Float32Array(await gpu.read(matrix.buffer, matrix.offset + first * columns * 4, count * columns * 4));
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
