/**
 * Causal grouped-query attention over a key/value cache, and its backward. Query head h reads key/value head
 * ⌊h·K/H⌋. Softmax subtracts the row's maximum.
 */
import { exp32 } from '../math';
import { dot } from './matmul';

const f = Math.fround;

/** Sizes that do not change within a model. */
export interface AttentionShape {
  /** H */
  heads: number;
  /** K */
  kvHeads: number;
  /** Dh */
  headDim: number;
}

/**
 * Queries at positions start .. start + T − 1 see keys 0 .. their own position.
 *
 * @param out [T, H, Dh]
 * @param q [T, H, Dh], after RoPE
 * @param k [positions, K, Dh] cache, after RoPE; the T new positions are in it
 * @param v [positions, K, Dh] cache
 * @param probs with `keep`: [H, T, T], kept for the backward (start must be 0); else room for start + T numbers
 */
export function attentionForward(
  out: Float32Array,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  probs: Float32Array,
  keep: boolean,
  T: number,
  start: number,
  shape: AttentionShape,
): void {
  const { heads, kvHeads, headDim } = shape;
  const stride = kvHeads * headDim;
  const scale = f(1 / f(Math.sqrt(headDim)));
  for (let h = 0; h < heads; h++) {
    const kv = Math.floor((h * kvHeads) / heads) * headDim;
    for (let t = 0; t < T; t++) {
      const query = (t * heads + h) * headDim;
      const row = keep ? (h * T + t) * T : 0;
      const length = start + t + 1;
      let max = -Infinity;
      for (let j = 0; j < length; j++) {
        const score = f(dot(q, query, k, j * stride + kv, headDim) * scale);
        probs[row + j] = score;
        if (score > max) max = score;
      }
      let sum = f(0);
      for (let j = 0; j < length; j++) {
        const e = exp32(f(probs[row + j] - max));
        probs[row + j] = e;
        sum = f(sum + e);
      }
      for (let i = 0; i < headDim; i++) out[query + i] = 0;
      for (let j = 0; j < length; j++) {
        const p = f(probs[row + j] / sum);
        probs[row + j] = p;
        const value = j * stride + kv;
        for (let i = 0; i < headDim; i++) out[query + i] = f(out[query + i] + f(p * v[value + i]));
      }
    }
  }
}

/**
 * Gradients of q (overwritten), k and v (overwritten) of one sequence from position 0.
 * dS = P · (dP − Σ P·dP) with dP = dout · vᵀ.
 *
 * @param dq [T, H, Dh]; @param dk [T, K, Dh]; @param dv [T, K, Dh]; @param dout [T, H, Dh]
 * @param probs [H, T, T] from the forward; @param dprobs room for T numbers
 */
export function attentionBackward(
  dq: Float32Array,
  dk: Float32Array,
  dv: Float32Array,
  dout: Float32Array,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  probs: Float32Array,
  dprobs: Float32Array,
  T: number,
  shape: AttentionShape,
): void {
  const { heads, kvHeads, headDim } = shape;
  const stride = kvHeads * headDim;
  const scale = f(1 / f(Math.sqrt(headDim)));
  dq.fill(0);
  dk.fill(0);
  dv.fill(0);
  for (let h = 0; h < heads; h++) {
    const kv = Math.floor((h * kvHeads) / heads) * headDim;
    for (let t = 0; t < T; t++) {
      const query = (t * heads + h) * headDim;
      const row = (h * T + t) * T;
      let mean = f(0);
      for (let j = 0; j <= t; j++) {
        const dp = dot(dout, query, v, j * stride + kv, headDim);
        dprobs[j] = dp;
        mean = f(mean + f(probs[row + j] * dp));
      }
      for (let j = 0; j <= t; j++) {
        const p = probs[row + j];
        const ds = f(f(p * f(dprobs[j] - mean)) * scale);
        const key = j * stride + kv;
        for (let i = 0; i < headDim; i++) {
          dq[query + i] = f(dq[query + i] + f(ds * k[key + i]));
          dk[key + i] = f(dk[key + i] + f(ds * q[query + i]));
          dv[key + i] = f(dv[key + i] + f(p * dout[query + i]));
        }
      }
    }
  }
}
