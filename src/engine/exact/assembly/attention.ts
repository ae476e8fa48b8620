/**
 * Causal grouped-query attention and its backward. Keys of the cache lie transposed, [K][Dh][keyStride], so that scores of many
 * positions are one product; values lie [positions][K][Dh]. Strides in numbers, as sizes are.
 */
import { exp4 } from './exp';
import { productRows } from './product';

/** Puts k[T, K, Dh] of positions start .. into the transposed keys. */
export function storeKeys(keys: usize, k: usize, T: i32, start: i32, kvHeads: i32, headDim: i32, keyStride: i32): void {
  const rows = kvHeads * headDim;
  for (let t = 0; t < T; t++) {
    let at = keys + ((<usize>(start + t)) << 2);
    for (let i = 0; i < rows; i++) {
      store<f32>(at, load<f32>(k));
      at += (<usize>keyStride) << 2;
      k += 4;
    }
  }
}

/** Scores of a row become weights: softmax(score · scale) over the first `length`. There is room for whole vectors behind. */
@inline
function softmaxRow(row: usize, length: i32, scale: f32): void {
  const factor = f32x4.splat(scale);
  const bytes = (<usize>length) << 2;
  const whole = bytes & ~15;
  let largest = f32x4.splat(f32.NEGATIVE_INFINITY);
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const score = f32x4.mul(v128.load(row + at), factor);
    v128.store(row + at, score);
    largest = f32x4.pmax(largest, score);
  }
  let max = larger(
    larger(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    larger(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  for (; at < bytes; at += 4) {
    const score = load<f32>(row + at) * scale;
    store<f32>(row + at, score);
    max = larger(max, score);
  }
  const maxima = f32x4.splat(max);
  let sum: f32 = 0;
  for (at = 0; at < whole; at += 16) {
    const e = exp4(f32x4.sub(v128.load(row + at), maxima));
    v128.store(row + at, e);
    sum += f32x4.extract_lane(e, 0);
    sum += f32x4.extract_lane(e, 1);
    sum += f32x4.extract_lane(e, 2);
    sum += f32x4.extract_lane(e, 3);
  }
  if (at < bytes) {
    // What lies behind the end is not used.
    const e = exp4(f32x4.sub(v128.load(row + at), maxima));
    v128.store(row + at, e);
    sum += f32x4.extract_lane(e, 0);
    if (at + 4 < bytes) sum += f32x4.extract_lane(e, 1);
    if (at + 8 < bytes) sum += f32x4.extract_lane(e, 2);
  }
  const sums = f32x4.splat(sum);
  for (at = 0; at < bytes; at += 16) v128.store(row + at, f32x4.div(v128.load(row + at), sums));
}

/** b where it is larger; NaN is never larger. */
@inline
function larger(a: f32, b: f32): f32 {
  return b > a ? b : a;
}

/**
 * out[T, H, Dh] of queries q[T, H, Dh] at positions start ..; weights of head h and query t are left in row h·T + t of probs
 * where `keep` is 1, else rows are used again by every block of queries.
 * @param rowStride of probs, a multiple of 4 of at least start + T
 */
export function attentionForward(
  out: usize,
  q: usize,
  keys: usize,
  values: usize,
  probs: usize,
  keep: i32,
  T: i32,
  start: i32,
  heads: i32,
  kvHeads: i32,
  headDim: i32,
  keyStride: i32,
  rowStride: i32,
  scale: f32,
): void {
  const token = (<usize>(heads * headDim)) << 2;
  const kept = (<usize>(kvHeads * headDim)) << 2;
  const line = (<usize>rowStride) << 2;
  for (let h = 0; h < heads; h++) {
    const kv = (h * kvHeads) / heads;
    const head = (<usize>(h * headDim)) << 2;
    const headKeys = keys + ((<usize>(kv * headDim * keyStride)) << 2);
    const headValues = values + ((<usize>(kv * headDim)) << 2);
    for (let t = 0; t < T; t += 4) {
      const rows = min(4, T - t);
      const length = start + t + 1;
      const p = keep ? probs + <usize>(h * T + t) * line : probs;
      const at = <usize>t * token + head;
      productRows(p, line, q + at, token, 4, headKeys, (<usize>keyStride) << 2, rows, headDim, length + rows - 1, 0);
      for (let r = 0; r < rows; r++) softmaxRow(p + <usize>r * line, length + r, scale);
      productRows(out + at, token, p, line, 4, headValues, kept, rows, length, headDim, 0);
      for (let r = 1; r < rows; r++) {
        const rest = p + <usize>r * line + ((<usize>length) << 2);
        const from = headValues + <usize>length * kept;
        productRows(out + at + <usize>r * token, token, rest, line, 4, from, kept, 1, r, headDim, 1);
      }
    }
  }
}

/** The transposed values of one head: out[Dh][stride]. */
function transpose(out: usize, v: usize, T: i32, token: usize, headDim: i32, stride: usize): void {
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < headDim; i++) {
      store<f32>(out + <usize>i * stride + ((<usize>t) << 2), load<f32>(v + ((<usize>i) << 2)));
    }
    v += token;
  }
}

/** ds = p · (dp − Σ p·dp) · scale over the first `length`, in place of dp. */
@inline
function scoreGradient(dp: usize, p: usize, length: i32, scale: f32): void {
  const bytes = (<usize>length) << 2;
  let mean: f32 = 0;
  for (let at: usize = 0; at < bytes; at += 4) mean += load<f32>(p + at) * load<f32>(dp + at);
  const means = f32x4.splat(mean);
  const factor = f32x4.splat(scale);
  for (let at: usize = 0; at < bytes; at += 16) {
    const d = f32x4.sub(v128.load(dp + at), means);
    v128.store(dp + at, f32x4.mul(f32x4.mul(v128.load(p + at), d), factor));
  }
}

/**
 * Gradients of q, k and v (all overwritten) of one sequence from position 0.
 * @param k [T, K, Dh] @param probs [H, T, rowStride] of the forward
 * @param room for T · rowStride + Dh · rowStride numbers
 */
export function attentionBackward(
  dq: usize,
  dk: usize,
  dv: usize,
  dout: usize,
  q: usize,
  k: usize,
  v: usize,
  probs: usize,
  room: usize,
  T: i32,
  heads: i32,
  kvHeads: i32,
  headDim: i32,
  rowStride: i32,
  scale: f32,
): void {
  const token = (<usize>(heads * headDim)) << 2;
  const kept = (<usize>(kvHeads * headDim)) << 2;
  const line = (<usize>rowStride) << 2;
  const ds = room;
  const transposed = room + <usize>T * line;
  memory.fill(dk, 0, <usize>T * kept);
  memory.fill(dv, 0, <usize>T * kept);
  for (let h = 0; h < heads; h++) {
    const head = (<usize>(h * headDim)) << 2;
    const other = (<usize>(((h * kvHeads) / heads) * headDim)) << 2;
    const p = probs + <usize>(h * T) * line;
    transpose(transposed, v + other, T, kept, headDim, line);
    for (let t = 0; t < T; t += 4) {
      const rows = min(4, T - t);
      const row = ds + <usize>t * line;
      const at = <usize>t * token + head;
      productRows(row, line, dout + at, token, 4, transposed, line, rows, headDim, t + rows, 0);
      for (let r = 0; r < rows; r++) scoreGradient(row + <usize>r * line, p + <usize>(t + r) * line, t + r + 1, scale);
      productRows(dq + at, token, row, line, 4, k + other, kept, rows, t + 1, headDim, 0);
      for (let r = 1; r < rows; r++) {
        const rest = row + <usize>r * line + ((<usize>(t + 1)) << 2);
        const from = k + other + <usize>(t + 1) * kept;
        productRows(dq + at + <usize>r * token, token, rest, line, 4, from, kept, 1, r, headDim, 1);
      }
    }
    keyGradient(dk + other, kept, ds, line, q + head, token, T, headDim);
    keyGradient(dv + other, kept, p, line, dout + head, token, T, headDim);
  }
}

/** d[j] += Σ weights[t, j] · x[t] over t ≥ j, in ascending order of t. */
function keyGradient(
  d: usize,
  kept: usize,
  weights: usize,
  line: usize,
  x: usize,
  token: usize,
  T: i32,
  headDim: i32,
): void {
  for (let j = 0; j < T; j += 4) {
    const rows = min(4, T - j);
    const common = j + rows - 1;
    const column = weights + ((<usize>j) << 2);
    for (let r = 0; r < rows - 1; r++) {
      const own = column + <usize>(j + r) * line + ((<usize>r) << 2);
      const at = d + <usize>(j + r) * kept;
      productRows(at, kept, own, 4, line, x + <usize>(j + r) * token, token, 1, rows - 1 - r, headDim, 1);
    }
    const from = column + <usize>common * line;
    productRows(d + <usize>j * kept, kept, from, 4, line, x + <usize>common * token, token, rows, T - common, headDim, 1);
  }
}
