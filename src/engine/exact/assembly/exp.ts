/** exp as src/engine/math.ts has it, on four numbers at once: the same operations in 64 bits in the same order, the same bits. */

const LN2_HIGH: f64 = 0.6931471803691238;
const LN2_LOW: f64 = 1.9082149292705877e-10;
const INV_LN2: f64 = 1.4426950408889634;
/** Added to a whole number below 2^51, it leaves that number in the low bits. */
const WHOLE: f64 = 6755399441055744;

@inline
function pair(x: v128): v128 {
  const n = f64x2.floor(f64x2.add(f64x2.mul(x, f64x2.splat(INV_LN2)), f64x2.splat(0.5)));
  const r = f64x2.sub(f64x2.sub(x, f64x2.mul(n, f64x2.splat(LN2_HIGH))), f64x2.mul(n, f64x2.splat(LN2_LOW)));
  const s = f64x2.mul(r, r);
  const one = f64x2.splat(1);
  let even = f64x2.add(f64x2.splat(1.0 / 720.0), f64x2.mul(s, f64x2.splat(1.0 / 40320.0)));
  even = f64x2.add(f64x2.splat(1.0 / 24.0), f64x2.mul(s, even));
  even = f64x2.add(f64x2.splat(1.0 / 2.0), f64x2.mul(s, even));
  even = f64x2.add(one, f64x2.mul(s, even));
  let odd = f64x2.add(f64x2.splat(1.0 / 5040.0), f64x2.mul(s, f64x2.splat(1.0 / 362880.0)));
  odd = f64x2.add(f64x2.splat(1.0 / 120.0), f64x2.mul(s, odd));
  odd = f64x2.add(f64x2.splat(1.0 / 6.0), f64x2.mul(s, odd));
  odd = f64x2.add(one, f64x2.mul(s, odd));
  // 2ⁿ: n into the exponent.
  const bits = i64x2.add(i64x2.shl(f64x2.add(n, f64x2.splat(WHOLE)), 52), i64x2.splat(1023 << 52));
  return f32x4.demote_f64x2_zero(f64x2.mul(f64x2.add(even, f64x2.mul(r, odd)), bits));
}

/** eˣ of four f32: 0 up to −104, infinity above 89, NaN of NaN. */
@inline
export function exp4(x: v128): v128 {
  const low = pair(f64x2.promote_low_f32x4(x));
  const high = pair(f64x2.promote_low_f32x4(i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)));
  let e = i8x16.shuffle(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  e = v128.andnot(e, f32x4.le(x, f32x4.splat(-104)));
  return v128.bitselect(f32x4.splat(f32.POSITIVE_INFINITY), e, f32x4.gt(x, f32x4.splat(89)));
}

/** 1 / (1 + e⁻ˣ) of four f32. */
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}
