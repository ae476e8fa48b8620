/**
 * exp, log, sin and cos that give the same bits in every JavaScript engine.
 *
 * ECMAScript leaves Math.exp, log, sin, cos and pow to the implementation (ECMA-262 §21.3.2: "implementation-approximated")
 * but fixes + − × ÷ and Math.sqrt on 64-bit numbers to IEEE 754. So these are polynomials in those operations, evaluated in
 * 64 bits and rounded once to 32: each is one correctly rounded 32-bit operation but for rare near-ties (below 0.51 ulp).
 */

const LN2_HIGH = 0.6931471803691238; // the 33 leading bits of ln 2: n·LN2_HIGH is exact for |n| < 2^20 (fdlibm e_exp.c)
const LN2_LOW = 1.9082149292705877e-10;
const INV_LN2 = 1.4426950408889634;

/** 2^(i − 160) for i = 0..319, by doubling and halving, so exact. */
const POWER_OF_TWO = powersOfTwo();

function powersOfTwo(): Float64Array {
  const powers = new Float64Array(320);
  let up = 1;
  let down = 1;
  for (let i = 0; i < 160; i++) {
    powers[160 + i] = up;
    powers[160 - i] = down;
    up *= 2;
    down *= 0.5;
  }
  powers[0] = down;
  return powers;
}

/** eˣ rounded to f32; 0 below −104 and +∞ above 89, as f32 has it. */
export function exp32(x: number): number {
  if (!(x > -104)) return x !== x ? NaN : 0;
  if (x > 89) return Infinity;
  const n = Math.floor(x * INV_LN2 + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  // Taylor to r⁹/9! with |r| ≤ ln 2 / 2: the remainder is below 7e-12 of the value. Even and odd powers apart: shorter chains.
  const s = r * r;
  const even = 1 + s * (1 / 2 + s * (1 / 24 + s * (1 / 720 + s * (1 / 40320))));
  const odd = 1 + s * (1 / 6 + s * (1 / 120 + s * (1 / 5040 + s * (1 / 362880))));
  return Math.fround((even + r * odd) * POWER_OF_TWO[n + 160]);
}

/** Natural logarithm rounded to f32; −∞ at 0, NaN below. */
export function log32(x: number): number {
  return Math.fround(log64(x));
}

/** Sine of an f32 number (radians, |x| < 2^20) rounded to f32. */
export function sin32(x: number): number {
  return Math.fround(sinQuadrant(x, 0));
}

/** Cosine of an f32 number (radians, |x| < 2^20) rounded to f32. */
export function cos32(x: number): number {
  return Math.fround(sinQuadrant(x, 1));
}

/** Logistic function 1 / (1 + e⁻ˣ) with the sum and the quotient rounded to f32. */
export function sigmoid32(x: number): number {
  return Math.fround(1 / Math.fround(1 + exp32(-x)));
}

/** aᵇ for a > 0, about 1e-14 relative, in 64 bits. */
export function pow64(a: number, b: number): number {
  return exp64(b * log64(a));
}

/** aⁿ by repeated squaring, n a whole number of at least 0; in 64 bits. */
export function powInteger(a: number, n: number): number {
  let result = 1;
  let square = a;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

/** cos(π·x) for 0 ≤ x ≤ 1, in 64 bits; for learning-rate schedules. */
export function cosPi(x: number): number {
  return sinQuadrant(Math.PI * x, 1);
}

/** eˣ for |x| < 100 in 64 bits, Taylor to r¹³/13!. */
function exp64(x: number): number {
  const n = Math.floor(x * INV_LN2 + 0.5);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  let sum = 1;
  for (let k = 13; k > 0; k--) sum = 1 + (sum * r) / k;
  return sum * POWER_OF_TWO[n + 160];
}

const FLOAT = new Float64Array(1);
const WORDS = new Uint32Array(FLOAT.buffer);

/** ln x in 64 bits: x = 2ⁿ·m with m in (√½, √2], ln m = 2 artanh((m − 1)/(m + 1)) as a series. Normal numbers only. */
function log64(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return Infinity;
  FLOAT[0] = x;
  // Little-endian: word 1 holds sign, exponent and the leading 20 bits of the fraction.
  let n = (WORDS[1] >>> 20) - 1023;
  WORDS[1] = (WORDS[1] & 0x000fffff) | 0x3ff00000;
  let m = FLOAT[0];
  if (m > Math.SQRT2) {
    m *= 0.5;
    n += 1;
  }
  const z = (m - 1) / (m + 1);
  const s = z * z;
  // |z| ≤ 0.1716, so the series to z²¹/21 leaves below 1e-17.
  let sum = 1 / 21;
  for (let k = 19; k > 0; k -= 2) sum = sum * s + 1 / k;
  return n * LN2_HIGH + (n * LN2_LOW + 2 * z * sum);
}

/** Half π in three parts of 33, 33 and 53 bits (fdlibm e_rem_pio2.c): q times the first two is exact for |q| < 2^20. */
const HALF_PI_1 = 1.5707963267341256;
const HALF_PI_2 = 6.077100506303966e-11;
const HALF_PI_3 = 2.0222662487959506e-21;

/** sin(x + quarter·π/2) in 64 bits. */
function sinQuadrant(x: number, quarter: number): number {
  const q = Math.floor(x * (2 / Math.PI) + 0.5);
  const r = x - q * HALF_PI_1 - q * HALF_PI_2 - q * HALF_PI_3;
  const s = r * r;
  const quadrant = (((q + quarter) % 4) + 4) % 4;
  let sum = 0;
  if (quadrant % 2 === 0) {
    for (let k = 17; k > 1; k -= 2) sum = ((1 + sum) * -s) / (k * (k - 1));
    sum = r * (1 + sum);
  } else {
    for (let k = 18; k > 0; k -= 2) sum = ((1 + sum) * -s) / (k * (k - 1));
    sum = 1 + sum;
  }
  return quadrant < 2 ? sum : -sum;
}
