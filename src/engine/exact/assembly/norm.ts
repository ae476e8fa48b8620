/** RMSNorm and its backward. Sums run serially over a row; four rows are in flight together. */

/** Σ x² of four rows, one a lane. */
@inline
function squares(x: usize, row: usize, n: i32): v128 {
  let s0: f32 = 0;
  let s1: f32 = 0;
  let s2: f32 = 0;
  let s3: f32 = 0;
  let y = x + row;
  let z = y + row;
  let u = z + row;
  for (let i = 0; i < n; i++) {
    const a = load<f32>(x);
    const b = load<f32>(y);
    const c = load<f32>(z);
    const d = load<f32>(u);
    s0 += a * a;
    s1 += b * b;
    s2 += c * c;
    s3 += d * d;
    x += 4;
    y += 4;
    z += 4;
    u += 4;
  }
  return f32x4(s0, s1, s2, s3);
}

@inline
function inverse(sum: f32, n: i32, eps: f32): f32 {
  // An infinite sum would make zeros of the row, and nothing after it would tell.
  return sum < f32.POSITIVE_INFINITY ? <f32>1 / sqrt<f32>(sum / <f32>n + eps) : f32.NaN;
}

@inline
function normRow(out: usize, x: usize, weight: usize, r: f32, n: i32): void {
  const factor = f32x4.splat(r);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(out, f32x4.mul(v128.load(weight), f32x4.mul(v128.load(x), factor)));
    out += 16;
    x += 16;
    weight += 16;
  }
  for (; i < n; i++) {
    store<f32>(out, load<f32>(weight) * (load<f32>(x) * r));
    out += 4;
    x += 4;
    weight += 4;
  }
}

/** out, x: [M, n]; weight: [n]; rstd: [M] */
export function rmsnormForward(out: usize, rstd: usize, x: usize, weight: usize, M: i32, n: i32, eps: f32): void {
  const row = (<usize>n) << 2;
  let m = 0;
  for (; m + 4 <= M; m += 4) {
    const sums = squares(x, row, n);
    const r0 = inverse(f32x4.extract_lane(sums, 0), n, eps);
    const r1 = inverse(f32x4.extract_lane(sums, 1), n, eps);
    const r2 = inverse(f32x4.extract_lane(sums, 2), n, eps);
    const r3 = inverse(f32x4.extract_lane(sums, 3), n, eps);
    v128.store(rstd, f32x4(r0, r1, r2, r3));
    normRow(out, x, weight, r0, n);
    normRow(out + row, x + row, weight, r1, n);
    normRow(out + 2 * row, x + 2 * row, weight, r2, n);
    normRow(out + 3 * row, x + 3 * row, weight, r3, n);
    rstd += 16;
    out += 4 * row;
    x += 4 * row;
  }
  for (; m < M; m++) {
    let sum: f32 = 0;
    for (let i: usize = 0; i < row; i += 4) {
      const a = load<f32>(x + i);
      sum += a * a;
    }
    const r = inverse(sum, n, eps);
    store<f32>(rstd, r);
    normRow(out, x, weight, r, n);
    rstd += 4;
    out += row;
    x += row;
  }
}

/** dx[M, n] += r · (g − x̂ · mean) with g = dy · w and x̂ = x · r */
@inline
function gradientRow(dx: usize, dy: usize, x: usize, weight: usize, r: f32, sum: f32, n: i32): void {
  const mean = sum / <f32>n;
  const means = f32x4.splat(mean);
  const factor = f32x4.splat(r);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const g = f32x4.sub(
      f32x4.mul(v128.load(dy), v128.load(weight)),
      f32x4.mul(f32x4.mul(v128.load(x), factor), means),
    );
    v128.store(dx, f32x4.add(v128.load(dx), f32x4.mul(factor, g)));
    dx += 16;
    dy += 16;
    x += 16;
    weight += 16;
  }
  for (; i < n; i++) {
    const g = load<f32>(dy) * load<f32>(weight) - load<f32>(x) * r * mean;
    store<f32>(dx, load<f32>(dx) + r * g);
    dx += 4;
    dy += 4;
    x += 4;
    weight += 4;
  }
}

@inline
function term(dy: usize, x: usize, weight: f32, r: f32): f32 {
  return load<f32>(dy) * weight * (load<f32>(x) * r);
}

/** dx[M, n] += gradient of x. */
export function rmsnormBackward(dx: usize, dy: usize, x: usize, rstd: usize, weight: usize, M: i32, n: i32): void {
  const row = (<usize>n) << 2;
  let m = 0;
  for (; m + 4 <= M; m += 4) {
    const r0 = load<f32>(rstd);
    const r1 = load<f32>(rstd, 4);
    const r2 = load<f32>(rstd, 8);
    const r3 = load<f32>(rstd, 12);
    let s0: f32 = 0;
    let s1: f32 = 0;
    let s2: f32 = 0;
    let s3: f32 = 0;
    for (let i: usize = 0; i < row; i += 4) {
      const w = load<f32>(weight + i);
      s0 += term(dy + i, x + i, w, r0);
      s1 += term(dy + row + i, x + row + i, w, r1);
      s2 += term(dy + 2 * row + i, x + 2 * row + i, w, r2);
      s3 += term(dy + 3 * row + i, x + 3 * row + i, w, r3);
    }
    gradientRow(dx, dy, x, weight, r0, s0, n);
    gradientRow(dx + row, dy + row, x + row, weight, r1, s1, n);
    gradientRow(dx + 2 * row, dy + 2 * row, x + 2 * row, weight, r2, s2, n);
    gradientRow(dx + 3 * row, dy + 3 * row, x + 3 * row, weight, r3, s3, n);
    rstd += 16;
    dx += 4 * row;
    dy += 4 * row;
    x += 4 * row;
  }
  for (; m < M; m++) {
    const r = load<f32>(rstd);
    let sum: f32 = 0;
    for (let i: usize = 0; i < row; i += 4) sum += term(dy + i, x + i, load<f32>(weight + i), r);
    gradientRow(dx, dy, x, weight, r, sum, n);
    rstd += 4;
    dx += row;
    dy += row;
    x += row;
  }
}
