/**
 * A frozen matrix in int8 or int4 as the exact engine keeps it: codes and scales in panels of 16 rows, as its kernels read them
 * (../exact/assembly/integers.ts). A weight is code × scale. Codes and scales are those of `quantiseValues`, so unpacking gives its bits.
 */
import { GROUP } from '../matrixLayout';
import { codeOf, groupScale } from './quantise';
import type { HostTensor, ModelConfig } from '../types';

export type IntegerDtype = 'int8' | 'int4';

/** Rows of a panel. */
const PANEL = 16;
/** Codes of int4 are stored plus this. */
const MIDDLE = 8;

export interface PackedTensor {
  /** [rows, columns] */
  shape: number[];
  dtype: IntegerDtype;
  /** [panel][column][16]; of int4 [8]: row i in the low half of byte i, row i + 8 in the high one */
  codes: Uint8Array<ArrayBufferLike>;
  /** [panel][group of 32 columns][16] */
  scales: Float32Array<ArrayBufferLike>;
}

/** A tensor of a model that does not learn. */
export type FrozenTensor = HostTensor | PackedTensor;

/** A model in host memory, its matrices perhaps packed. */
export interface FrozenWeights {
  config: ModelConfig;
  tensors: Map<string, FrozenTensor>;
}

export const isPacked = (tensor: FrozenTensor): tensor is PackedTensor => 'codes' in tensor;

/** Bytes of the numbers of a tensor. */
export function frozenBytes(tensor: FrozenTensor): number {
  return isPacked(tensor) ? tensor.codes.byteLength + tensor.scales.byteLength : tensor.data.byteLength;
}

/** Codes and scales that a matrix has. */
export function packedSizes(rows: number, columns: number, dtype: IntegerDtype): { codes: number; scales: number } {
  const panels = Math.ceil(rows / PANEL);
  return {
    codes: panels * columns * (dtype === 'int4' ? PANEL / 2 : PANEL),
    scales: panels * Math.ceil(columns / GROUP) * PANEL,
  };
}

/** A matrix [rows, columns] whose rows are still to be packed; all weights are 0. */
export function emptyPacked(rows: number, columns: number, dtype: IntegerDtype): PackedTensor {
  const { codes, scales } = packedSizes(rows, columns, dtype);
  return { shape: [rows, columns], dtype, codes: new Uint8Array(codes), scales: new Float32Array(scales) };
}

/** Packs rows of a matrix. @param data [n, columns] of rows firstRow, firstRow + 1, … */
export function packRows(tensor: PackedTensor, firstRow: number, data: Float32Array): void {
  const columns = tensor.shape[1] as number;
  const { dtype, codes, scales } = tensor;
  const groups = Math.ceil(columns / GROUP);
  const count = { saturated: 0 };
  for (let at = 0, row = firstRow; at < data.length; at += columns, row++) {
    const panel = Math.floor(row / PANEL);
    const place = row % PANEL;
    for (let group = 0; group < groups; group++) {
      const from = group * GROUP;
      const to = Math.min(from + GROUP, columns);
      const scale = groupScale(data, at + from, at + to, dtype, count);
      scales[(panel * groups + group) * PANEL + place] = scale;
      for (let column = from; column < to; column++) {
        const code = codeOf(data[at + column] as number, scale, dtype);
        setCode(codes, panel * columns + column, place, code, dtype);
      }
    }
  }
}

/** @param line panel × columns + column */
function setCode(codes: Uint8Array, line: number, place: number, code: number, dtype: IntegerDtype): void {
  if (dtype === 'int8') {
    codes[line * PANEL + place] = code;
    return;
  }
  const byte = line * (PANEL / 2) + (place % 8);
  const shift = place < 8 ? 0 : 4;
  codes[byte] = ((codes[byte] as number) & (0xf0 >> shift)) | ((code + MIDDLE) << shift);
}

/** The weights [rows, columns] of a packed matrix. */
export function unpacked({ shape, dtype, codes, scales }: PackedTensor): Float32Array {
  const [rows, columns] = shape as [number, number];
  const groups = Math.ceil(columns / GROUP);
  const data = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const [panel, place] = [Math.floor(row / PANEL), row % PANEL];
    for (let column = 0; column < columns; column++) {
      const line = panel * columns + column;
      const scale = scales[(panel * groups + Math.floor(column / GROUP)) * PANEL + place] as number;
      data[row * columns + column] = codeAt(codes, line, place, dtype) * scale;
    }
  }
  return data;
}

function codeAt(codes: Uint8Array, line: number, place: number, dtype: IntegerDtype): number {
  if (dtype === 'int8') return ((codes[line * PANEL + place] as number) << 24) >> 24;
  return (((codes[line * (PANEL / 2) + (place % 8)] as number) >> (place < 8 ? 0 : 4)) & 15) - MIDDLE;
}
