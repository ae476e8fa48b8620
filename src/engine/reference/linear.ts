/** A frozen linear layer with a LoRA adapter (Hu et al. 2021, arXiv 2106.09685): y = Wx + b + s·B(Ax), and its backward. */
import { matmulAdd, matmulOuterAdd, matmulTransposed } from './matmul';
import type { Linear, LoraPair } from './model';
import type { Scratch } from './scratch';

const f = Math.fround;

/** y[T, outputs] = x[T, inputs] · Wᵀ + b */
export function linearForward(
  y: Float32Array,
  x: Float32Array,
  { weight, bias, inputs, outputs }: Linear,
  T: number,
): void {
  matmulTransposed(y, x, weight, T, inputs, outputs);
  if (bias === null) return;
  for (let t = 0; t < T; t++) {
    for (let o = 0; o < outputs; o++) y[t * outputs + o] = f(y[t * outputs + o] + bias[o]);
  }
}

/** y[T, outputs] += scaling · (x Aᵀ) Bᵀ; h[T, R] = x Aᵀ is left for the backward. */
export function loraForward(
  y: Float32Array,
  h: Float32Array,
  x: Float32Array,
  { a, b }: LoraPair,
  scaling: number,
  { inputs, outputs }: Linear,
  T: number,
  R: number,
  scratch: Scratch,
): void {
  matmulTransposed(h, x, a, T, inputs, R);
  const update = scratch.get('lora.update', T * outputs);
  matmulTransposed(update, h, b, T, R, outputs);
  for (let i = 0; i < update.length; i++) y[i] = f(y[i] + f(scaling * update[i]));
}

/** dx[T, inputs] += dy[T, outputs] · W. The weight is frozen. */
export function linearBackward(dx: Float32Array, dy: Float32Array, linear: Linear, T: number): void {
  matmulAdd(dx, dy, linear.weight, T, linear.outputs, linear.inputs);
}

/**
 * gradient.a += (s·dy·B)ᵀ x, gradient.b += dyᵀ (s·h), and dx += (s·dy·B) · A unless dx is null (nothing below learns).
 */
export function loraBackward(
  dx: Float32Array | null,
  gradient: LoraPair,
  dy: Float32Array,
  x: Float32Array,
  h: Float32Array,
  { a, b }: LoraPair,
  scaling: number,
  { inputs, outputs }: Linear,
  T: number,
  R: number,
  scratch: Scratch,
): void {
  const scaled = scratch.get('lora.scaled', T * R);
  for (let i = 0; i < scaled.length; i++) scaled[i] = f(scaling * h[i]);
  matmulOuterAdd(gradient.b, dy, scaled, T, outputs, R);
  const dh = scratch.zeros('lora.dh', T * R);
  matmulAdd(dh, dy, b, T, outputs, R);
  for (let i = 0; i < dh.length; i++) dh[i] = f(scaling * dh[i]);
  matmulOuterAdd(gradient.a, dh, x, T, R, inputs);
  if (dx !== null) matmulAdd(dx, dh, a, T, R, inputs);
}
