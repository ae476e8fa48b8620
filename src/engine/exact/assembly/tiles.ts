/**
 * Tiles of a matrix product: c[rows, columns] (+)= a[rows, K] · w[K, columns], columns across lanes.
 *
 * Every number of c is one serial sum over k, one rounding per product and one per addition. So a tile's size changes no bit.
 * Two rows of 16 columns (8 accumulators) are the fastest of the sizes that were measured: more do not fit 16 registers. Loops that
 * end at an address, and use each four of w for both rows at once, were faster here than a count of k (npm run bench:exact).
 * All strides are in bytes.
 */

/** Two rows, 16 columns. @param start 0: sums start at zero; 1: at what c holds */
export function tile2x16(
  c: usize,
  cRow: usize,
  a: usize,
  aRow: usize,
  aStep: usize,
  w: usize,
  wStep: usize,
  K: i32,
  start: i32,
): void {
  const d = c + cRow;
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let d0 = c0;
  let d1 = c0;
  let d2 = c0;
  let d3 = c0;
  if (start) {
    c0 = v128.load(c);
    c1 = v128.load(c, 16);
    c2 = v128.load(c, 32);
    c3 = v128.load(c, 48);
    d0 = v128.load(d);
    d1 = v128.load(d, 16);
    d2 = v128.load(d, 32);
    d3 = v128.load(d, 48);
  }
  let b = a + aRow;
  const end = w + <usize>K * wStep;
  while (w != end) {
    const x = v128.load32_splat(a);
    const y = v128.load32_splat(b);
    const w0 = v128.load(w);
    c0 = f32x4.add(c0, f32x4.mul(x, w0));
    d0 = f32x4.add(d0, f32x4.mul(y, w0));
    const w1 = v128.load(w, 16);
    c1 = f32x4.add(c1, f32x4.mul(x, w1));
    d1 = f32x4.add(d1, f32x4.mul(y, w1));
    const w2 = v128.load(w, 32);
    c2 = f32x4.add(c2, f32x4.mul(x, w2));
    d2 = f32x4.add(d2, f32x4.mul(y, w2));
    const w3 = v128.load(w, 48);
    c3 = f32x4.add(c3, f32x4.mul(x, w3));
    d3 = f32x4.add(d3, f32x4.mul(y, w3));
    w += wStep;
    a += aStep;
    b += aStep;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
  v128.store(d, d0);
  v128.store(d, d1, 16);
  v128.store(d, d2, 32);
  v128.store(d, d3, 48);
}

/** One row, 16 columns. */
export function tile1x16(c: usize, a: usize, aStep: usize, w: usize, wStep: usize, K: i32, start: i32): void {
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  if (start) {
    c0 = v128.load(c);
    c1 = v128.load(c, 16);
    c2 = v128.load(c, 32);
    c3 = v128.load(c, 48);
  }
  const end = w + <usize>K * wStep;
  while (w != end) {
    const x = v128.load32_splat(a);
    c0 = f32x4.add(c0, f32x4.mul(x, v128.load(w)));
    c1 = f32x4.add(c1, f32x4.mul(x, v128.load(w, 16)));
    c2 = f32x4.add(c2, f32x4.mul(x, v128.load(w, 32)));
    c3 = f32x4.add(c3, f32x4.mul(x, v128.load(w, 48)));
    w += wStep;
    a += aStep;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(c, c2, 32);
  v128.store(c, c3, 48);
}

/** Four rows, 8 columns. */
export function tile4x8(
  c: usize,
  cRow: usize,
  a: usize,
  aRow: usize,
  aStep: usize,
  w: usize,
  wStep: usize,
  K: i32,
  start: i32,
): void {
  const d = c + cRow;
  const e = d + cRow;
  const f = e + cRow;
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let d0 = c0;
  let d1 = c0;
  let e0 = c0;
  let e1 = c0;
  let f0 = c0;
  let f1 = c0;
  if (start) {
    c0 = v128.load(c);
    c1 = v128.load(c, 16);
    d0 = v128.load(d);
    d1 = v128.load(d, 16);
    e0 = v128.load(e);
    e1 = v128.load(e, 16);
    f0 = v128.load(f);
    f1 = v128.load(f, 16);
  }
  let b = a + aRow;
  let g = b + aRow;
  let h = g + aRow;
  const end = w + <usize>K * wStep;
  while (w != end) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    w += wStep;
    const x = v128.load32_splat(a);
    a += aStep;
    c0 = f32x4.add(c0, f32x4.mul(x, w0));
    c1 = f32x4.add(c1, f32x4.mul(x, w1));
    const y = v128.load32_splat(b);
    b += aStep;
    d0 = f32x4.add(d0, f32x4.mul(y, w0));
    d1 = f32x4.add(d1, f32x4.mul(y, w1));
    const z = v128.load32_splat(g);
    g += aStep;
    e0 = f32x4.add(e0, f32x4.mul(z, w0));
    e1 = f32x4.add(e1, f32x4.mul(z, w1));
    const u = v128.load32_splat(h);
    h += aStep;
    f0 = f32x4.add(f0, f32x4.mul(u, w0));
    f1 = f32x4.add(f1, f32x4.mul(u, w1));
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
  v128.store(d, d0);
  v128.store(d, d1, 16);
  v128.store(e, e0);
  v128.store(e, e1, 16);
  v128.store(f, f0);
  v128.store(f, f1, 16);
}

/** One row, 8 columns. */
export function tile1x8(c: usize, a: usize, aStep: usize, w: usize, wStep: usize, K: i32, start: i32): void {
  let c0 = f32x4.splat(0);
  let c1 = c0;
  if (start) {
    c0 = v128.load(c);
    c1 = v128.load(c, 16);
  }
  const end = w + <usize>K * wStep;
  while (w != end) {
    const x = v128.load32_splat(a);
    c0 = f32x4.add(c0, f32x4.mul(x, v128.load(w)));
    c1 = f32x4.add(c1, f32x4.mul(x, v128.load(w, 16)));
    w += wStep;
    a += aStep;
  }
  v128.store(c, c0);
  v128.store(c, c1, 16);
}
