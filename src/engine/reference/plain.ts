/** The oracle's arithmetic: plain TypeScript on arrays of the host. */
import type { Arithmetic, Matrix, Scratch } from './arithmetic';
import { isPacked, unpacked } from './packedTensor';
import { attentionBackward, attentionForward } from './attention';
import { crossEntropyInPlace, logProbability } from './crossEntropy';
import { matmulAdd, matmulOuterAdd, matmulTransposed } from './matmul';
import { rmsnormBackward, rmsnormForward } from './rmsnorm';
import { rotate } from './rope';
import { swigluBackward, swigluForward } from './swiglu';

const f = Math.fround;

/** `data` is [rows, columns]. */
interface PlainMatrix extends Matrix {
  readonly data: Float32Array;
}

const dataOf = (matrix: Matrix): Float32Array => (matrix as PlainMatrix).data;

/** Arrays that live as long as the engine and grow on demand, so that steps do not allocate. */
class GrowingScratch implements Scratch {
  private readonly arrays = new Map<string, Float32Array>();

  begin(): void {}

  get(name: string, length: number): Float32Array {
    let array = this.arrays.get(name);
    if (array === undefined || array.length < length) {
      array = new Float32Array(length);
      this.arrays.set(name, array);
    }
    return array.length === length ? array : array.subarray(0, length);
  }

  zeros(name: string, length: number): Float32Array {
    return this.get(name, length).fill(0);
  }

  get bytes(): number {
    let sum = 0;
    for (const array of this.arrays.values()) sum += array.byteLength;
    return sum;
  }
}

/** An arithmetic with arrays of its own. Matrices and vectors are the caller's arrays, not copies. */
export function plainArithmetic(): Arithmetic {
  const scratch = new GrowingScratch();
  return {
    scratch,
    room: (length) => new Float32Array(length),
    frozen(tensor): PlainMatrix {
      const [rows, columns] = tensor.shape as [number, number];
      return { data: isPacked(tensor) ? unpacked(tensor) : tensor.data, rows, columns };
    },
    matrix: (data, rows, columns): PlainMatrix => ({ data, rows, columns }),
    releaseMatrix: () => {},
    vector: (data) => data,

    row(out, at, w, index) {
      const [data, D] = [dataOf(w), w.columns];
      for (let i = 0; i < D; i++) out[at + i] = data[index * D + i];
    },
    product: (y, x, w, T) => matmulTransposed(y, x, dataOf(w), T, w.columns, w.rows),
    productBack: (dx, dy, w, T) => matmulAdd(dx, dy, dataOf(w), T, w.rows, w.columns),
    outerAdd: matmulOuterAdd,
    addBias(y, bias, T) {
      const O = bias.length;
      for (let t = 0; t < T; t++) for (let o = 0; o < O; o++) y[t * O + o] = f(y[t * O + o] + bias[o]);
    },
    add(out, x, y) {
      for (let i = 0; i < out.length; i++) out[i] = f(x[i] + y[i]);
    },
    addScaled(y, x, s) {
      for (let i = 0; i < x.length; i++) y[i] = f(y[i] + f(s * x[i]));
    },
    scale(out, x, s) {
      for (let i = 0; i < x.length; i++) out[i] = f(s * x[i]);
    },

    rmsnormForward,
    rmsnormBackward,
    rotate,
    swigluForward,
    swigluBackward,

    keyNumbers: (capacity, { kvHeads, headDim }) => capacity * kvHeads * headDim,
    storeKeys: (keys, k, _T, start, _capacity, { kvHeads, headDim }) => keys.set(k, start * kvHeads * headDim),
    probNumbers: (T, positions, keep, { heads }) => (keep ? heads * T * T : positions),
    attentionForward: (out, q, keys, values, probs, keep, T, start, _capacity, shape) =>
      attentionForward(out, q, keys, values, probs, keep, T, start, shape),
    attentionBackward: (dq, dk, dv, dout, q, k, v, probs, T, shape) =>
      attentionBackward(dq, dk, dv, dout, q, k, v, probs, scratch.get('dprobs', T), T, shape),

    logProbabilities(out, logits, V, ids) {
      for (let r = 0; r < out.length; r++) out[r] = logProbability(logits, r, V, ids[r]);
    },
    crossEntropy(nll, logits, V, ids, scales) {
      for (let r = 0; r < nll.length; r++) nll[r] = crossEntropyInPlace(logits, r, V, ids[r], f(scales[r]));
    },
  };
}
