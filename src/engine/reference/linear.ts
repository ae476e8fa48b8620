/** A frozen linear layer with a LoRA adapter (Hu et al. 2021, arXiv 2106.09685): y = Wx + b + s·B(Ax), and its backward. */
import { matmulAdd, matmulOuterAdd, matmulTransposed } from './matmul';
import type { Pacer } from './pacer';
import type { Linear, LoraPair } from './model';
import type { Scratch } from './scratch';

const f = Math.fround;

/** Multiplications between two looks at the clock: some tens of milliseconds. */
const BLOCK = 1 << 25;

/** Rows of x[T, ·] whose products make up a block, in pairs. Rows do not depend on each other, so blocks change no bit. */
function* rowBlocks(T: number, { inputs, outputs }: Linear): Generator<[from: number, to: number]> {
  const rows = Math.max(2, 2 * Math.floor(BLOCK / (2 * inputs * outputs)));
  for (let from = 0; from < T; from += rows) yield [from, Math.min(T, from + rows)];
}

/** y[T, outputs] = x[T, inputs] · Wᵀ + b */
export async function linearForward(
  y: Float32Array,
  x: Float32Array,
  linear: Linear,
  T: number,
  pacer: Pacer,
): Promise<void> {
  const { weight, bias, inputs, outputs } = linear;
  for (const [from, to] of rowBlocks(T, linear)) {
    const out = y.subarray(from * outputs, to * outputs);
    matmulTransposed(out, x.subarray(from * inputs, to * inputs), weight, to - from, inputs, outputs);
    if (pacer.due) await pacer.pause();
  }
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
export async function linearBackward(
  dx: Float32Array,
  dy: Float32Array,
  linear: Linear,
  T: number,
  pacer: Pacer,
): Promise<void> {
  const { weight, inputs, outputs } = linear;
  for (const [from, to] of rowBlocks(T, linear)) {
    const out = dx.subarray(from * inputs, to * inputs);
    matmulAdd(out, dy.subarray(from * outputs, to * outputs), weight, to - from, outputs, inputs);
    if (pacer.due) await pacer.pause();
  }
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
