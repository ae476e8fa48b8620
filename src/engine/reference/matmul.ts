/**
 * The three matrix products of a linear layer, in 32 bits. Every sum runs over its index in ascending order, one rounding
 * per product and per addition, whatever the blocking: blocks only change which sums are in flight together, so a row's
 * result does not depend on the rows beside it.
 *
 * `Math.fround(s + Math.fround(a * b))` compiles to one 32-bit multiplication and one addition in V8, SpiderMonkey and
 * JavaScriptCore. One such chain waits for each addition; eight chains at once (2 rows × 4 columns) hide that.
 */

const f = Math.fround;

/** out[T, O] = x[T, I] · w[O, I]ᵀ, or out += with `add`. Weights lie as in a checkpoint: one row per output. */
export function matmulTransposed(
  out: Float32Array,
  x: Float32Array,
  w: Float32Array,
  T: number,
  I: number,
  O: number,
  add = false,
): void {
  let t = 0;
  for (; t + 2 <= T; t += 2) twoRows(out, x, w, t, I, O, add);
  if (t < T) oneRow(out, x, w, t, I, O, add);
}

function twoRows(
  out: Float32Array,
  x: Float32Array,
  w: Float32Array,
  t: number,
  I: number,
  O: number,
  add: boolean,
): void {
  const x0 = t * I;
  const x1 = x0 + I;
  const y0 = t * O;
  const y1 = y0 + O;
  let o = 0;
  for (; o + 4 <= O; o += 4) {
    const w0 = o * I;
    const w1 = w0 + I;
    const w2 = w1 + I;
    const w3 = w2 + I;
    let s00 = f(0);
    let s01 = f(0);
    let s02 = f(0);
    let s03 = f(0);
    let s10 = f(0);
    let s11 = f(0);
    let s12 = f(0);
    let s13 = f(0);
    for (let i = 0; i < I; i++) {
      const a = x[x0 + i];
      const b = x[x1 + i];
      const c0 = w[w0 + i];
      const c1 = w[w1 + i];
      const c2 = w[w2 + i];
      const c3 = w[w3 + i];
      s00 = f(s00 + f(a * c0));
      s01 = f(s01 + f(a * c1));
      s02 = f(s02 + f(a * c2));
      s03 = f(s03 + f(a * c3));
      s10 = f(s10 + f(b * c0));
      s11 = f(s11 + f(b * c1));
      s12 = f(s12 + f(b * c2));
      s13 = f(s13 + f(b * c3));
    }
    if (add) {
      s00 = f(out[y0 + o] + s00);
      s01 = f(out[y0 + o + 1] + s01);
      s02 = f(out[y0 + o + 2] + s02);
      s03 = f(out[y0 + o + 3] + s03);
      s10 = f(out[y1 + o] + s10);
      s11 = f(out[y1 + o + 1] + s11);
      s12 = f(out[y1 + o + 2] + s12);
      s13 = f(out[y1 + o + 3] + s13);
    }
    out[y0 + o] = s00;
    out[y0 + o + 1] = s01;
    out[y0 + o + 2] = s02;
    out[y0 + o + 3] = s03;
    out[y1 + o] = s10;
    out[y1 + o + 1] = s11;
    out[y1 + o + 2] = s12;
    out[y1 + o + 3] = s13;
  }
  for (; o < O; o++) {
    const s0 = dot(x, x0, w, o * I, I);
    const s1 = dot(x, x1, w, o * I, I);
    out[y0 + o] = add ? f(out[y0 + o] + s0) : s0;
    out[y1 + o] = add ? f(out[y1 + o] + s1) : s1;
  }
}

function oneRow(
  out: Float32Array,
  x: Float32Array,
  w: Float32Array,
  t: number,
  I: number,
  O: number,
  add: boolean,
): void {
  const x0 = t * I;
  const y0 = t * O;
  let o = 0;
  for (; o + 4 <= O; o += 4) {
    const w0 = o * I;
    const w1 = w0 + I;
    const w2 = w1 + I;
    const w3 = w2 + I;
    let s0 = f(0);
    let s1 = f(0);
    let s2 = f(0);
    let s3 = f(0);
    for (let i = 0; i < I; i++) {
      const a = x[x0 + i];
      s0 = f(s0 + f(a * w[w0 + i]));
      s1 = f(s1 + f(a * w[w1 + i]));
      s2 = f(s2 + f(a * w[w2 + i]));
      s3 = f(s3 + f(a * w[w3 + i]));
    }
    out[y0 + o] = add ? f(out[y0 + o] + s0) : s0;
    out[y0 + o + 1] = add ? f(out[y0 + o + 1] + s1) : s1;
    out[y0 + o + 2] = add ? f(out[y0 + o + 2] + s2) : s2;
    out[y0 + o + 3] = add ? f(out[y0 + o + 3] + s3) : s3;
  }
  for (; o < O; o++) {
    const s = dot(x, x0, w, o * I, I);
    out[y0 + o] = add ? f(out[y0 + o] + s) : s;
  }
}

/** Σ a[ia + i]·b[ib + i] over i < n. */
export function dot(a: Float32Array, ia: number, b: Float32Array, ib: number, n: number): number {
  let sum = f(0);
  for (let i = 0; i < n; i++) sum = f(sum + f(a[ia + i] * b[ib + i]));
  return sum;
}

/** out[T, I] += x[T, O] · w[O, I]: the gradient of a linear layer's input. */
export function matmulAdd(out: Float32Array, x: Float32Array, w: Float32Array, T: number, O: number, I: number): void {
  for (let t = 0; t < T; t++) {
    for (let o = 0; o < O; o += 4) addRows(out, t * I, x, t * O + o, 1, w, o * I, Math.min(4, O - o), I);
  }
}

/** out[O, I] += y[T, O]ᵀ · x[T, I]: the gradient of a linear layer's weight. */
export function matmulOuterAdd(
  out: Float32Array,
  y: Float32Array,
  x: Float32Array,
  T: number,
  O: number,
  I: number,
): void {
  for (let o = 0; o < O; o++) {
    for (let t = 0; t < T; t += 4) addRows(out, o * I, y, t * O + o, O, x, t * I, Math.min(4, T - t), I);
  }
}

/** out[at + i] += Σ_k c[ic + k·step]·m[im + k·I + i] over k < count ≤ 4, the terms added one after the other. */
function addRows(
  out: Float32Array,
  at: number,
  c: Float32Array,
  ic: number,
  step: number,
  m: Float32Array,
  im: number,
  count: number,
  I: number,
): void {
  if (count === 4) {
    const c0 = c[ic];
    const c1 = c[ic + step];
    const c2 = c[ic + 2 * step];
    const c3 = c[ic + 3 * step];
    const m1 = im + I;
    const m2 = m1 + I;
    const m3 = m2 + I;
    for (let i = 0; i < I; i++) {
      let s = out[at + i];
      s = f(s + f(c0 * m[im + i]));
      s = f(s + f(c1 * m[m1 + i]));
      s = f(s + f(c2 * m[m2 + i]));
      out[at + i] = f(s + f(c3 * m[m3 + i]));
    }
    return;
  }
  for (let k = 0; k < count; k++) {
    const ck = c[ic + k * step];
    const mk = im + k * I;
    for (let i = 0; i < I; i++) out[at + i] = f(out[at + i] + f(ck * m[mk + i]));
  }
}
