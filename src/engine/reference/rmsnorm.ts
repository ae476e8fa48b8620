/** RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467): y = w · x / √(mean(x²) + eps), and its backward. */

const f = Math.fround;

/** out, x: [M, n]; weight: [n]; rstd: [M], kept for the backward. In place (out === x) is allowed. A row whose squares overflow gives NaN. */
export function rmsnormForward(
  out: Float32Array,
  rstd: Float32Array,
  x: Float32Array,
  weight: Float32Array,
  M: number,
  n: number,
  eps: number,
): void {
  const epsilon = f(eps);
  for (let m = 0; m < M; m++) {
    const at = m * n;
    let sum = f(0);
    for (let i = 0; i < n; i++) sum = f(sum + f(x[at + i] * x[at + i]));
    // An infinite sum would make zeros of the row, and nothing after it would tell.
    const r = sum < Infinity ? f(1 / f(Math.sqrt(f(f(sum / n) + epsilon)))) : NaN;
    rstd[m] = r;
    for (let i = 0; i < n; i++) out[at + i] = f(weight[i] * f(x[at + i] * r));
  }
}

/**
 * dx[M, n] += gradient of x: with x̂ = x · rstd and g = dy · w, dx = rstd · (g − x̂ · mean(g · x̂)).
 * The weight is frozen and gets no gradient.
 */
export function rmsnormBackward(
  dx: Float32Array,
  dy: Float32Array,
  x: Float32Array,
  rstd: Float32Array,
  weight: Float32Array,
  M: number,
  n: number,
): void {
  for (let m = 0; m < M; m++) {
    const at = m * n;
    const r = rstd[m];
    let sum = f(0);
    for (let i = 0; i < n; i++) sum = f(sum + f(f(dy[at + i] * weight[i]) * f(x[at + i] * r)));
    const mean = f(sum / n);
    for (let i = 0; i < n; i++) {
      const g = f(f(dy[at + i] * weight[i]) - f(f(x[at + i] * r) * mean));
      dx[at + i] = f(dx[at + i] + f(r * g));
    }
  }
}
