/** SwiGLU (Shazeer 2020, arXiv 2002.05202): act = silu(gate) · up with silu(g) = g · σ(g), and its backward. */
import { sigmoid32 } from '../math';

const f = Math.fround;

/** All arrays of equal length ([T, F]). @param sigma where σ(gate) is kept for the backward; null: nowhere */
export function swigluForward(
  act: Float32Array,
  gate: Float32Array,
  up: Float32Array,
  sigma: Float32Array | null,
): void {
  for (let i = 0; i < act.length; i++) {
    const g = gate[i];
    const s = sigmoid32(g);
    act[i] = f(f(g * s) * up[i]);
    if (sigma !== null) sigma[i] = s;
  }
}

/** Writes dgate and dup: silu′(g) = σ(g) · (1 + g · (1 − σ(g))). @param sigma of the forward */
export function swigluBackward(
  dgate: Float32Array,
  dup: Float32Array,
  dact: Float32Array,
  gate: Float32Array,
  up: Float32Array,
  sigma: Float32Array,
): void {
  for (let i = 0; i < dact.length; i++) {
    const g = gate[i];
    const s = sigma[i];
    dup[i] = f(dact[i] * f(g * s));
    const slope = f(s * f(1 + f(g * f(1 - s))));
    dgate[i] = f(f(dact[i] * up[i]) * slope);
  }
}
