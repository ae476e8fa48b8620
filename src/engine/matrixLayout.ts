/** How a frozen weight matrix lies in its buffer, by its format. How kernels read it: src/engine/kernels/fragments/weights_*.wgsl. */
import { RequestError } from './errors';
import type { WeightDtype } from './types';

/** Weights that share a scale, along the input dimension. */
export const GROUP = 32;
/** Bits of a packed weight, its share of the scale aside. */
export const PACKED_BITS = { f16: 16, int8: 8, int4: 4 } as const;

/** Rows of which a part of a stack begins at a multiple: whatever the format, its first byte may then begin a binding. */
export const STACK_ROWS = 64;

/** First rows of parts with these rows that are stacked, then the rows of all. */
export function stackedRows(rows: readonly number[]): number[] {
  const firsts = [0];
  let next = 0;
  rows.forEach((count, i) => {
    next += count;
    if (i < rows.length - 1) next = Math.ceil(next / STACK_ROWS) * STACK_ROWS;
    firsts.push(next);
  });
  return firsts;
}

/** Where the numbers of a matrix lie in its buffer. */
export interface MatrixLayout {
  dtype: WeightDtype;
  /** OUT */
  rows: number;
  /** IN */
  columns: number;
  /** vec4u of a row (f32 with IN not a multiple of 4: not used). */
  stride: number;
  /** Index of the first u32 of the scales; 0 without scales. */
  scales: number;
  bytes: number;
}

/**
 * Layout of a matrix [rows, columns].
 * @throws RequestError when columns is not a multiple of 4 and the format packs
 */
export function matrixLayout(dtype: WeightDtype, rows: number, columns: number): MatrixLayout {
  if (dtype === 'f32') {
    return { dtype, rows, columns, stride: Math.floor(columns / 4), scales: 0, bytes: rows * columns * 4 };
  }
  if (columns % 4 !== 0) {
    throw new RequestError(`${dtype} needs widths that are multiples of 4, this model has ${columns}; use f32`);
  }
  const groups = Math.ceil(columns / GROUP);
  const stride = (groups * PACKED_BITS[dtype]) / 4;
  const words = rows * stride * 4;
  if (dtype === 'f16') return { dtype, rows, columns, stride, scales: 0, bytes: words * 4 };
  const scaleWords = Math.ceil((rows * Math.ceil(groups / 2)) / 4) * 4;
  return { dtype, rows, columns, stride, scales: words, bytes: (words + scaleWords) * 4 };
}
