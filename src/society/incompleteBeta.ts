/** The beta distribution, as exact intervals of shares need it. */

const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188] as const;

/** ln Γ(x) for x > 0: Stirling's series (DLMF 5.11.1) from 10 on, and below it Γ(x + 1) = x·Γ(x). */
export function logGamma(x: number): number {
  let shift = 0;
  while (x < 10) shift -= Math.log(x++);
  const series = STIRLING.reduce((sum, factor, k) => sum + factor / x ** (2 * k + 1), 0);
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}

/**
 * P(X ≤ x) for X ~ Beta(a, b): the regularised incomplete beta function by its continued fraction (DLMF 8.17.22), evaluated with Lentz's
 * method. It converges fast for x < (a + 1)/(a + b + 2); beyond that I_x(a, b) = 1 − I_{1−x}(b, a).
 * @param a, b above 0
 */
export function betaBelow(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaBelow(1 - x, b, a);
  const front = Math.exp(
    a * Math.log(x) + b * Math.log1p(-x) - Math.log(a) - logGamma(a) - logGamma(b) + logGamma(a + b),
  );
  // 1 + 1/(1 + d₁/(1 + d₂/(1 + …))), so the fraction itself is one less.
  let [value, c, d] = [1, 1, 0];
  for (let step = 0; step < 1000; step++) {
    const term = step === 0 ? 1 : fractionTerm(step, x, a, b);
    d = 1 / (1 + term * d || Number.MIN_VALUE);
    c = 1 + term / c || Number.MIN_VALUE;
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-13) break;
  }
  return front * (value - 1);
}

/** d₁, d₂, … of DLMF 8.17.23 and 8.17.24. */
function fractionTerm(step: number, x: number, a: number, b: number): number {
  const k = Math.floor(step / 2);
  return step % 2 === 0
    ? (k * (b - k) * x) / ((a + 2 * k - 1) * (a + 2 * k))
    : -((a + k) * (a + b + k) * x) / ((a + 2 * k) * (a + 2 * k + 1));
}

/** The x with P(X ≤ x) = p for X ~ Beta(a, b), by bisection. */
export function betaQuantile(p: number, a: number, b: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (betaBelow(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Points of a table, and standard deviations that it reaches to either side of the mean. */
const POINTS = 128;
const REACH = 9;

/**
 * P(X ≤ x) for X ~ Beta(a, b) from a table: for many values of x. Between the points it is the cubic that has their values and densities, so it
 * is off by some 1e−6 at most.
 */
export function betaTable(a: number, b: number): (x: number) => number {
  const mean = a / (a + b);
  const deviation = Math.sqrt((mean * (1 - mean)) / (a + b + 1));
  const low = Math.max(0, mean - REACH * deviation);
  const high = Math.min(1, mean + REACH * deviation);
  const step = (high - low) / POINTS;
  const total = logGamma(a + b) - logGamma(a) - logGamma(b);
  const at = Array.from({ length: POINTS + 1 }, (_, k) => low + k * step);
  const below = at.map((x) => betaBelow(x, a, b));
  const slope = at.map((x) => step * Math.exp(total + (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x)));
  return (x) => {
    if (x <= low) return 0;
    if (x >= high) return 1;
    const k = Math.min(POINTS - 1, Math.floor((x - low) / step));
    const t = (x - low) / step - k;
    const [from, to] = [below[k] as number, below[k + 1] as number];
    const [rise, next] = [slope[k] as number, slope[k + 1] as number];
    // At 0 and 1 the density may be endless: there the line will do.
    if (!Number.isFinite(rise) || !Number.isFinite(next)) return from + t * (to - from);
    const u = 1 - t;
    return from * u * u * (1 + 2 * t) + to * t * t * (1 + 2 * u) + t * u * (u * rise - t * next);
  };
}
