/** Log-softmax over the vocabulary: what log-probabilities and the cross-entropy need of a row of logits. */
import { exp4 } from './exp';

/**
 * exp(logit − largest) of a row [V] into `out` and its sum, in index order; NaN where a logit is not finite.
 * @param out room for whole vectors; may be the row itself
 * @param shifted where logit[id] − largest is put
 */
function exponentials(out: usize, row: usize, V: i32, id: i32, shifted: usize): f32 {
  const bytes = (<usize>V) << 2;
  let max = load<f32>(row);
  let finite = true;
  for (let at: usize = 0; at < bytes; at += 4) {
    const x = load<f32>(row + at);
    if (x > max) max = x;
    if (!(x - x == 0)) finite = false;
  }
  if (!finite) max = f32.NaN;
  store<f32>(shifted, load<f32>(row + ((<usize>id) << 2)) - max);
  const maxima = f32x4.splat(max);
  const whole = bytes & ~15;
  let sum: f32 = 0;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const e = exp4(f32x4.sub(v128.load(row + at), maxima));
    v128.store(out + at, e);
    sum += f32x4.extract_lane(e, 0);
    sum += f32x4.extract_lane(e, 1);
    sum += f32x4.extract_lane(e, 2);
    sum += f32x4.extract_lane(e, 3);
  }
  for (; at < bytes; at += 4) {
    const e = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(row + at) - max)), 0);
    store<f32>(out + at, e);
    sum += e;
  }
  return sum;
}

/**
 * Of each row of logits[rows, V]: the sum of exp(logit − largest), and logit[id] − largest.
 * @param room for V numbers and a vector
 */
export function normalisers(
  sums: usize,
  shifted: usize,
  logits: usize,
  ids: usize,
  rows: i32,
  V: i32,
  room: usize,
): void {
  for (let r = 0; r < rows; r++) {
    const at = (<usize>r) << 2;
    store<f32>(sums + at, exponentials(room, logits + ((<usize>(r * V)) << 2), V, load<i32>(ids + at), shifted + at));
  }
}

/** The same; and the rows become the gradient of scales[r] · nll: scale · (softmax − onehot). */
export function crossEntropy(
  sums: usize,
  shifted: usize,
  logits: usize,
  ids: usize,
  scales: usize,
  rows: i32,
  V: i32,
): void {
  for (let r = 0; r < rows; r++) {
    const at = (<usize>r) << 2;
    const row = logits + ((<usize>(r * V)) << 2);
    const id = load<i32>(ids + at);
    const sum = exponentials(row, row, V, id, shifted + at);
    store<f32>(sums + at, sum);
    const s = load<f32>(scales + at);
    const own = row + ((<usize>id) << 2);
    const target = s * (load<f32>(own) / sum - 1);
    const end = row + ((<usize>V) << 2);
    const sums4 = f32x4.splat(sum);
    const scale4 = f32x4.splat(s);
    let x = row;
    for (; x + 16 <= end; x += 16) v128.store(x, f32x4.mul(scale4, f32x4.div(v128.load(x), sums4)));
    for (; x < end; x += 4) store<f32>(x, s * (load<f32>(x) / sum));
    store<f32>(own, target);
  }
}
