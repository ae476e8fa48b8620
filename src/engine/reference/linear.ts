/** A frozen linear layer with a LoRA adapter (Hu et al. 2021, arXiv 2106.09685): y = Wx + b + s·B(Ax), and its backward. */
import type { Arithmetic } from './arithmetic';
import type { Pacer } from './pacer';
import type { Linear, LoraPair } from './model';

/** Multiplications between two looks at the clock: some tens of milliseconds. */
const BLOCK = 1 << 25;

/** Calls `use` with blocks of rows of x[T, ·], in pairs. Rows do not depend on each other, so blocks change no bit. */
async function forRowBlocks(
  T: number,
  { inputs, outputs }: Linear,
  pacer: Pacer,
  use: (from: number, to: number) => void,
): Promise<void> {
  const rows = Math.max(2, 2 * Math.floor(BLOCK / (2 * inputs * outputs)));
  for (let from = 0; from < T; from += rows) {
    use(from, Math.min(T, from + rows));
    if (pacer.due) await pacer.pause();
  }
}

/** Rows from .. to of x[·, width]. */
function rowsOf(x: Float32Array, from: number, to: number, width: number): Float32Array {
  return from === 0 && to * width === x.length ? x : x.subarray(from * width, to * width);
}

/** y[T, outputs] = x[T, inputs] · Wᵀ + b */
export async function linearForward(
  arithmetic: Arithmetic,
  y: Float32Array,
  x: Float32Array,
  linear: Linear,
  T: number,
  pacer: Pacer,
): Promise<void> {
  const { weight, bias, inputs, outputs } = linear;
  await forRowBlocks(T, linear, pacer, (from, to) =>
    arithmetic.product(rowsOf(y, from, to, outputs), rowsOf(x, from, to, inputs), weight, to - from),
  );
  if (bias !== null) arithmetic.addBias(y, bias, T);
}

/** y[T, outputs] += scaling · (x Aᵀ) Bᵀ; h[T, R] = x Aᵀ is left for the backward. */
export function loraForward(
  arithmetic: Arithmetic,
  y: Float32Array,
  h: Float32Array,
  x: Float32Array,
  { a, b }: LoraPair,
  scaling: number,
  T: number,
): void {
  arithmetic.product(h, x, a, T);
  const update = arithmetic.scratch.get('lora.update', T * b.rows);
  arithmetic.product(update, h, b, T);
  arithmetic.addScaled(y, update, scaling);
}

/** dx[T, inputs] += dy[T, outputs] · W. The weight is frozen. */
export async function linearBackward(
  arithmetic: Arithmetic,
  dx: Float32Array,
  dy: Float32Array,
  linear: Linear,
  T: number,
  pacer: Pacer,
): Promise<void> {
  const { weight, inputs, outputs } = linear;
  await forRowBlocks(T, linear, pacer, (from, to) =>
    arithmetic.productBack(rowsOf(dx, from, to, inputs), rowsOf(dy, from, to, outputs), weight, to - from),
  );
}

/**
 * gradient.a += (s·dy·B)ᵀ x, gradient.b += dyᵀ (s·h), and dx += (s·dy·B) · A unless dx is null (nothing below learns).
 */
export function loraBackward(
  arithmetic: Arithmetic,
  dx: Float32Array | null,
  gradient: LoraPair<Float32Array>,
  dy: Float32Array,
  x: Float32Array,
  h: Float32Array,
  { a, b }: LoraPair,
  scaling: number,
  T: number,
): void {
  const R = a.rows;
  const { scratch } = arithmetic;
  const scaled = scratch.get('lora.scaled', T * R);
  arithmetic.scale(scaled, h, scaling);
  arithmetic.outerAdd(gradient.b, dy, scaled, T, b.rows, R);
  const dh = scratch.zeros('lora.dh', T * R);
  arithmetic.productBack(dh, dy, b, T);
  arithmetic.scale(dh, dh, scaling);
  arithmetic.outerAdd(gradient.a, dh, x, T, R, a.columns);
  if (dx !== null) arithmetic.productBack(dx, dh, a, T);
}
