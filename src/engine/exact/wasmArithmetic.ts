/** The operations of a pass as WebAssembly kernels on arrays of an arena: the bits of the oracle's. */
import { log32 } from '../math';
import { isPacked, type FrozenTensor } from '../reference/packedTensor';
import type { Arithmetic, Matrix, Scratch } from '../reference/arithmetic';
import type { AttentionShape } from '../reference/attention';
import type { RopeTable } from '../reference/rope';
import type { Arena } from './arena';
import type { Kernels } from './kernels';

const f = Math.fround;

/** Rows as in a checkpoint, for the embedding, and panels of 16 outputs for products (assembly/product.ts). */
interface FloatMatrix extends Matrix {
  readonly data: Float32Array;
  readonly packed: Float32Array;
  /** Panels of 16 inputs, for gradients. Null of adapters, which change with every step: theirs are narrow. */
  readonly columnsPacked: Float32Array | null;
  /** The latter are made when they are first needed: a model that only answers never touches their memory. */
  hasColumns: boolean;
}

/** Panels of codes and their scales (assembly/integers.ts). */
interface IntegerMatrix extends Matrix {
  readonly bits: 4 | 8;
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

const isInteger = (matrix: Matrix): matrix is IntegerMatrix => 'codes' in matrix;

/** Numbers of the panels of a matrix. */
export function packedNumbers(rows: number, columns: number): number {
  return Math.ceil(rows / 8) * 8 * columns;
}

/** Numbers between two dimensions of transposed keys: no power of two, whose lines would share few places in a cache. */
export function keyStride(capacity: number): number {
  return Math.ceil(capacity / 16) * 16 + 16;
}

/** Numbers between two rows of attention weights. */
export function rowStride(positions: number): number {
  return Math.ceil(positions / 4) * 4;
}

export class WasmArithmetic implements Arithmetic {
  readonly scratch: Scratch;
  private readonly words: Int32Array;

  constructor(
    private readonly arena: Arena,
    private readonly kernels: Kernels,
  ) {
    arena.begin(kernels.heapBase.value as number);
    this.scratch = arena.scratch;
    this.scratch.begin();
    this.words = new Int32Array(arena.memory.buffer);
  }

  room(length: number): Float32Array {
    return this.arena.room(length);
  }

  /** The tensor in this memory. */
  hold(tensor: FrozenTensor): FrozenTensor {
    if (!isPacked(tensor)) return { ...tensor, data: this.vector(tensor.data) };
    const { length } = tensor.codes;
    const { buffer, byteOffset } = this.arena.room(length / 4);
    const codes = new Uint8Array(buffer, byteOffset, length);
    codes.set(tensor.codes);
    return { ...tensor, codes, scales: this.vector(tensor.scales) };
  }

  /** @param tensor in this memory (`hold`) */
  frozen(tensor: FrozenTensor): FloatMatrix | IntegerMatrix {
    const [rows, columns] = tensor.shape as [number, number];
    if (isPacked(tensor)) {
      const { codes, scales } = tensor;
      return { bits: tensor.dtype === 'int4' ? 4 : 8, codes, scales, rows, columns };
    }
    const columnsPacked = this.arena.room(packedNumbers(columns, rows));
    return { ...this.floats(tensor.data, rows, columns, undefined), columnsPacked };
  }

  matrix(data: Float32Array, rows: number, columns: number, before?: Matrix): FloatMatrix {
    const known = before as FloatMatrix | undefined;
    const own = known?.data ?? this.arena.room(data.length);
    own.set(data);
    return this.floats(own, rows, columns, known);
  }

  private floats(data: Float32Array, rows: number, columns: number, before: FloatMatrix | undefined): FloatMatrix {
    const packed = before?.packed ?? this.arena.room(packedNumbers(rows, columns));
    this.kernels.pack(packed.byteOffset, data.byteOffset, rows, columns);
    return { data, packed, columnsPacked: null, hasColumns: false, rows, columns };
  }

  releaseMatrix(matrix: Matrix): void {
    const { data, packed } = matrix as FloatMatrix;
    this.arena.release(data);
    this.arena.release(packed);
  }

  vector(data: Float32Array): Float32Array {
    if (this.arena.holds(data)) return data;
    const own = this.arena.room(data.length);
    own.set(data);
    return own;
  }

  row(out: Float32Array, at: number, w: Matrix, index: number): void {
    const D = w.columns;
    if (isInteger(w)) {
      const { codes, scales, bits } = w;
      this.kernels.rowOfIntegers(out.byteOffset + 4 * at, codes.byteOffset, scales.byteOffset, index, D, bits);
      return;
    }
    const { data } = w as FloatMatrix;
    for (let i = 0; i < D; i++) out[at + i] = data[index * D + i] as number;
  }

  product(y: Float32Array, x: Float32Array, w: Matrix, T: number): void {
    if (isInteger(w)) {
      const { codes, scales, rows: N, columns: K, bits } = w;
      const room = T === 1 ? 0 : this.scratch.get('unpacked', 16 * K).byteOffset;
      const [from, by] = [codes.byteOffset, scales.byteOffset];
      this.kernels.productIntegers(y.byteOffset, x.byteOffset, from, by, T, K, N, bits, room);
      return;
    }
    const { packed } = w as FloatMatrix;
    this.kernels.productPacked(y.byteOffset, x.byteOffset, packed.byteOffset, T, w.columns, w.rows, 0);
  }

  productBack(dx: Float32Array, dy: Float32Array, w: Matrix, T: number): void {
    const { rows: K, columns: N } = w;
    if (isInteger(w)) {
      const { codes, scales, bits } = w;
      const room = this.scratch.get('unpackedBack', 256 * Math.ceil(K / 16) + 256).byteOffset;
      const [from, by] = [codes.byteOffset, scales.byteOffset];
      this.kernels.productBackIntegers(dx.byteOffset, dy.byteOffset, from, by, T, K, N, bits, room);
      return;
    }
    const matrix = w as FloatMatrix;
    const { columnsPacked, data } = matrix;
    if (columnsPacked === null) {
      const room = this.scratch.get('panel', 16 * K).byteOffset;
      this.kernels.productInto(dx.byteOffset, dy.byteOffset, 4 * K, 4, data.byteOffset, T, K, N, room);
      return;
    }
    if (!matrix.hasColumns) this.kernels.packColumns(columnsPacked.byteOffset, data.byteOffset, K, N);
    matrix.hasColumns = true;
    this.kernels.productPacked(dx.byteOffset, dy.byteOffset, columnsPacked.byteOffset, T, K, N, 1);
  }

  outerAdd(out: Float32Array, y: Float32Array, x: Float32Array, T: number, O: number, I: number): void {
    const room = this.scratch.get('panel', 16 * T).byteOffset;
    this.kernels.productInto(out.byteOffset, y.byteOffset, 4, 4 * O, x.byteOffset, O, T, I, room);
  }

  addBias(y: Float32Array, bias: Float32Array, T: number): void {
    this.kernels.addBias(y.byteOffset, bias.byteOffset, T, bias.length);
  }

  add(out: Float32Array, x: Float32Array, y: Float32Array): void {
    this.kernels.add(out.byteOffset, x.byteOffset, y.byteOffset, out.length);
  }

  addScaled(y: Float32Array, x: Float32Array, s: number): void {
    this.kernels.addScaled(y.byteOffset, x.byteOffset, s, x.length);
  }

  scale(out: Float32Array, x: Float32Array, s: number): void {
    this.kernels.scale(out.byteOffset, x.byteOffset, s, x.length);
  }

  rmsnormForward(
    out: Float32Array,
    rstd: Float32Array,
    x: Float32Array,
    weight: Float32Array,
    M: number,
    n: number,
    eps: number,
  ): void {
    this.kernels.rmsnormForward(out.byteOffset, rstd.byteOffset, x.byteOffset, weight.byteOffset, M, n, eps);
  }

  rmsnormBackward(
    dx: Float32Array,
    dy: Float32Array,
    x: Float32Array,
    rstd: Float32Array,
    weight: Float32Array,
    M: number,
    n: number,
  ): void {
    const { byteOffset: at } = weight;
    this.kernels.rmsnormBackward(dx.byteOffset, dy.byteOffset, x.byteOffset, rstd.byteOffset, at, M, n);
  }

  rotate(
    x: Float32Array,
    { cos, sin }: RopeTable,
    T: number,
    start: number,
    heads: number,
    headDim: number,
    direction: 1 | -1,
  ): void {
    this.kernels.rotate(x.byteOffset, cos.byteOffset, sin.byteOffset, T, start, heads, headDim / 2, direction);
  }

  swigluForward(act: Float32Array, gate: Float32Array, up: Float32Array, sigma: Float32Array | null): void {
    const kept = sigma?.byteOffset ?? 0;
    this.kernels.swigluForward(act.byteOffset, gate.byteOffset, up.byteOffset, kept, act.length);
  }

  swigluBackward(
    dgate: Float32Array,
    dup: Float32Array,
    dact: Float32Array,
    gate: Float32Array,
    up: Float32Array,
    sigma: Float32Array,
  ): void {
    this.kernels.swigluBackward(
      dgate.byteOffset,
      dup.byteOffset,
      dact.byteOffset,
      gate.byteOffset,
      up.byteOffset,
      sigma.byteOffset,
      dact.length,
    );
  }

  keyNumbers(capacity: number, { kvHeads, headDim }: AttentionShape): number {
    return kvHeads * headDim * keyStride(capacity);
  }

  storeKeys(
    keys: Float32Array,
    k: Float32Array,
    T: number,
    start: number,
    capacity: number,
    { kvHeads, headDim }: AttentionShape,
  ): void {
    const own = this.arena.holds(k) ? k : this.copied('storedKeys', k);
    const stride = keyStride(capacity);
    this.kernels.storeKeys(keys.byteOffset, own.byteOffset, T, start, kvHeads, headDim, stride);
  }

  probNumbers(T: number, positions: number, keep: boolean, { heads }: AttentionShape): number {
    return keep ? heads * T * rowStride(T) : 4 * rowStride(positions);
  }

  attentionForward(
    out: Float32Array,
    q: Float32Array,
    keys: Float32Array,
    values: Float32Array,
    probs: Float32Array,
    keep: boolean,
    T: number,
    start: number,
    capacity: number,
    { heads, kvHeads, headDim }: AttentionShape,
  ): void {
    this.kernels.attentionForward(
      out.byteOffset,
      q.byteOffset,
      keys.byteOffset,
      values.byteOffset,
      probs.byteOffset,
      keep ? 1 : 0,
      T,
      start,
      heads,
      kvHeads,
      headDim,
      keyStride(capacity),
      keep ? rowStride(T) : probs.length / 4,
      inverseRoot(headDim),
    );
  }

  attentionBackward(
    dq: Float32Array,
    dk: Float32Array,
    dv: Float32Array,
    dout: Float32Array,
    q: Float32Array,
    k: Float32Array,
    v: Float32Array,
    probs: Float32Array,
    T: number,
    { heads, kvHeads, headDim }: AttentionShape,
  ): void {
    const stride = rowStride(T);
    this.kernels.attentionBackward(
      dq.byteOffset,
      dk.byteOffset,
      dv.byteOffset,
      dout.byteOffset,
      q.byteOffset,
      k.byteOffset,
      v.byteOffset,
      probs.byteOffset,
      this.scratch.get('attentionBackward', (T + headDim) * stride).byteOffset,
      T,
      heads,
      kvHeads,
      headDim,
      stride,
      inverseRoot(headDim),
    );
  }

  logProbabilities(out: Float32Array, logits: Float32Array, V: number, ids: ArrayLike<number>): void {
    const rows = out.length;
    const { sums, shifted, at } = this.rowParts(rows, ids);
    const room = this.scratch.get('exponentials', V).byteOffset;
    this.kernels.normalisers(sums.byteOffset, shifted.byteOffset, logits.byteOffset, at, rows, V, room);
    for (let r = 0; r < rows; r++) out[r] = (shifted[r] as number) - log32(sums[r] as number);
  }

  crossEntropy(
    nll: Float32Array,
    logits: Float32Array,
    V: number,
    ids: ArrayLike<number>,
    scales: ArrayLike<number>,
  ): void {
    const rows = nll.length;
    const { sums, shifted, at } = this.rowParts(rows, ids);
    const factors = this.scratch.get('rowScales', rows);
    factors.set(scales);
    const { byteOffset: from } = factors;
    this.kernels.crossEntropy(sums.byteOffset, shifted.byteOffset, logits.byteOffset, at, from, rows, V);
    for (let r = 0; r < rows; r++) nll[r] = log32(sums[r] as number) - (shifted[r] as number);
  }

  private rowParts(rows: number, ids: ArrayLike<number>): { sums: Float32Array; shifted: Float32Array; at: number } {
    const at = this.scratch.get('rowIds', rows).byteOffset;
    this.words.set(ids, at / 4);
    return { sums: this.scratch.get('rowSums', rows), shifted: this.scratch.get('rowShifted', rows), at };
  }

  private copied(name: string, data: Float32Array): Float32Array {
    const own = this.scratch.get(name, data.length);
    own.set(data);
    return own;
  }
}

/** 1 / √n as attention.ts rounds it. */
function inverseRoot(n: number): number {
  return f(1 / f(Math.sqrt(n)));
}
