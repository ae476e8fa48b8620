/**
 * The operations that a pass through the decoder consists of. Forward and backward are written once, over this interface.
 * `plainArithmetic` is the oracle: plain TypeScript, every operation rounded to 32 bits in a fixed order. The exact engine has the
 * same operations as WebAssembly kernels, with the same bits.
 */
import type { FrozenTensor } from './packedTensor';
import type { AttentionShape } from './attention';
import type { RopeTable } from './rope';

/** A matrix that products read. Where its numbers are is the implementation's own. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
}

/** Arrays of one pass by name. A name's array is the same until the next `begin`, and longer if a longer one is asked for. */
export interface Scratch {
  /** A new pass begins: what the arrays hold is of no use any more. */
  begin(): void;
  /** The first `length` numbers of the array of this name; what was written there last, or anything. */
  get(name: string, length: number): Float32Array;
  zeros(name: string, length: number): Float32Array;
  readonly bytes: number;
}

export interface Arithmetic {
  readonly scratch: Scratch;
  /** Room that lives as long as the arithmetic. */
  room(length: number): Float32Array;
  /** A matrix of the model. */
  frozen(tensor: FrozenTensor): Matrix;
  /** A matrix of an adapter, [rows, columns]. @param before of the same sizes, whose room is used again */
  matrix(data: Float32Array, rows: number, columns: number, before?: Matrix): Matrix;
  /** Its room may be used by another matrix. */
  releaseMatrix(matrix: Matrix): void;
  /** A vector that operations read. */
  vector(data: Float32Array): Float32Array;

  /** out[at …] = row `index` of a frozen matrix, [columns] */
  row(out: Float32Array, at: number, w: Matrix, index: number): void;
  /** y[T, rows] = x[T, columns] · wᵀ */
  product(y: Float32Array, x: Float32Array, w: Matrix, T: number): void;
  /** dx[T, columns] += dy[T, rows] · w: the gradient of a linear layer's input. */
  productBack(dx: Float32Array, dy: Float32Array, w: Matrix, T: number): void;
  /** out[O, I] += y[T, O]ᵀ · x[T, I]: the gradient of a linear layer's weight. */
  outerAdd(out: Float32Array, y: Float32Array, x: Float32Array, T: number, O: number, I: number): void;
  /** y[T, O] += bias[O] */
  addBias(y: Float32Array, bias: Float32Array, T: number): void;
  /** out = x + y */
  add(out: Float32Array, x: Float32Array, y: Float32Array): void;
  /** y += s · x */
  addScaled(y: Float32Array, x: Float32Array, s: number): void;
  /** out = s · x */
  scale(out: Float32Array, x: Float32Array, s: number): void;

  /** See rmsnorm.ts. */
  rmsnormForward(
    out: Float32Array,
    rstd: Float32Array,
    x: Float32Array,
    weight: Float32Array,
    M: number,
    n: number,
    eps: number,
  ): void;
  rmsnormBackward(
    dx: Float32Array,
    dy: Float32Array,
    x: Float32Array,
    rstd: Float32Array,
    weight: Float32Array,
    M: number,
    n: number,
  ): void;
  /** See rope.ts: rotates x[T, heads, headDim] in place; direction −1 is the gradient. */
  rotate(
    x: Float32Array,
    table: RopeTable,
    T: number,
    start: number,
    heads: number,
    headDim: number,
    direction: 1 | -1,
  ): void;
  /** See swiglu.ts. */
  swigluForward(act: Float32Array, gate: Float32Array, up: Float32Array, sigma: Float32Array | null): void;
  swigluBackward(
    dgate: Float32Array,
    dup: Float32Array,
    dact: Float32Array,
    gate: Float32Array,
    up: Float32Array,
    sigma: Float32Array,
  ): void;

  /** Numbers that the keys of `capacity` positions take in a cache; their order there is the implementation's own. */
  keyNumbers(capacity: number, shape: AttentionShape): number;
  /** Puts k[T, K, Dh] of positions start, start + 1, … into the keys of a cache. */
  storeKeys(
    keys: Float32Array,
    k: Float32Array,
    T: number,
    start: number,
    capacity: number,
    shape: AttentionShape,
  ): void;
  /** Numbers of `probs` for T queries that see up to `positions` keys. */
  probNumbers(T: number, positions: number, keep: boolean, shape: AttentionShape): number;
  /** See attention.ts. */
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
    shape: AttentionShape,
  ): void;
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
    shape: AttentionShape,
  ): void;

  /** out[r] = ln p(ids[r]) under softmax of row r of logits[·, V] (crossEntropy.ts). */
  logProbabilities(out: Float32Array, logits: Float32Array, V: number, ids: ArrayLike<number>): void;
  /** nll[r] = −ln p(ids[r]); the rows of logits become the gradient of Σ scales[r] · nll[r]. */
  crossEntropy(
    nll: Float32Array,
    logits: Float32Array,
    V: number,
    ids: ArrayLike<number>,
    scales: ArrayLike<number>,
  ): void;
}
