/** SwiGLU (Shazeer 2020, arXiv 2002.05202): act = silu(gate) · up with silu(g) = g · σ(g), and its backward. */
import { sigmoid32 } from '../math';

const f = Math.fround;

/** All arrays of equal length ([T, F]). */
export function swigluForward(act: Float32Array, gate: Float32Array, up: Float32Array): void {
  for (let i = 0; i < act.length; i++) {
    const g = gate[i];
    act[i] = f(f(g * sigmoid32(g)) * up[i]);
  }
}

/** Writes dgate and dup: silu′(g) = σ(g) · (1 + g · (1 − σ(g))). */
export function swigluBackward(
  dgate: Float32Array,
  dup: Float32Array,
  dact: Float32Array,
  gate: Float32Array,
  up: Float32Array,
): void {
  for (let i = 0; i < dact.length; i++) {
    const g = gate[i];
    const sigma = sigmoid32(g);
    dup[i] = f(dact[i] * f(g * sigma));
    const slope = f(sigma * f(1 + f(g * f(1 - sigma))));
    dgate[i] = f(f(dact[i] * up[i]) * slope);
  }
}
