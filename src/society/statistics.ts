/** Statistics of right and wrong answers. Outcomes are strings of '1' (right) and '0' (wrong), one character a problem. */
import { PolylogueError } from '../engine/errors';
import { pairedInterval } from './pairedInterval';

export class StatisticsError extends PolylogueError {}

/** 97.5 % quantile of the normal distribution: intervals are 95 %. */
export const Z95 = 1.959963984540054;

/**
 * Wilson's score interval for a share right/n (Wilson 1927): the uncertainty of every share, on the page, the command line and in files.
 * [0, 1] for n = 0.
 */
export function wilsonInterval(right: number, n: number, z = Z95): [number, number] {
  if (n === 0) return [0, 1];
  const p = right / n;
  const scale = 1 + (z * z) / n;
  const centre = (p + (z * z) / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  // At 0 and n the exact bound is 0 or 1; rounding must not push it outside.
  return [right === 0 ? 0 : centre - half, right === n ? 1 : centre + half];
}

/**
 * McNemar's exact two-sided test (binomial with ½ over the discordant pairs, McNemar 1947).
 * @param onlyFirst pairs that the first method alone gets right
 * @param onlySecond pairs that the second method alone gets right
 * @returns min(1, 2·P(X ≤ min)) with X ~ Binomial(onlyFirst + onlySecond, ½)
 */
export function mcnemarExact(onlyFirst: number, onlySecond: number): number {
  const n = onlyFirst + onlySecond;
  let term = -n * Math.LN2; // log of C(n, k)·2⁻ⁿ at k = 0
  let tail = Math.exp(term);
  for (let k = 1; k <= Math.min(onlyFirst, onlySecond); k++) {
    term += Math.log((n - k + 1) / k);
    tail += Math.exp(term);
  }
  return Math.min(1, 2 * tail);
}

/** Two methods on the same problems. */
export interface PairedComparison {
  n: number;
  onlyFirst: number;
  onlySecond: number;
  /** Accuracy of the first minus accuracy of the second. */
  difference: number;
  /** 95 %, `pairedInterval`: it leaves out 0 exactly where p < 0.05. */
  interval: [number, number];
  /** McNemar, exact, two-sided. */
  p: number;
}

/** @throws StatisticsError when the two have different lengths. */
export function pairedComparison(first: string, second: string): PairedComparison {
  return pooledComparison([[first, second]]);
}

/**
 * The comparison over several runs (seeds) together: pairs are pooled, so a run counts by its problems.
 * @throws StatisticsError when the two halves of a pair have different lengths.
 */
export function pooledComparison(pairs: readonly (readonly [first: string, second: string])[]): PairedComparison {
  let n = 0;
  let onlyFirst = 0;
  let onlySecond = 0;
  for (const [first, second] of pairs) {
    if (first.length !== second.length) {
      throw new StatisticsError(`paired outcomes of different lengths: ${first.length} and ${second.length}`);
    }
    n += first.length;
    for (let i = 0; i < first.length; i++) {
      if (first[i] === '1' && second[i] !== '1') onlyFirst++;
      if (first[i] !== '1' && second[i] === '1') onlySecond++;
    }
  }
  return comparisonOfCounts(n, onlyFirst, onlySecond);
}

/** The comparison from its counts: n pairs, of which the two disagree in `onlyFirst` + `onlySecond`. */
export function comparisonOfCounts(n: number, onlyFirst: number, onlySecond: number): PairedComparison {
  return {
    n,
    onlyFirst,
    onlySecond,
    difference: (onlyFirst - onlySecond) / n,
    interval: n === 0 ? [-1, 1] : pairedInterval(n, onlyFirst, onlySecond),
    p: mcnemarExact(onlyFirst, onlySecond),
  };
}

/**
 * 95 % interval of the difference of two shares of n each, measured on samples of their own: a success and a failure are added to both
 * (Agresti and Caffo 2000, "Simple and effective confidence intervals for proportions"), so that 0 and n have a width too.
 */
export function differenceInterval(right: number, otherRight: number, n: number): [number, number] {
  const m = n + 2;
  const [p, q] = [(right + 1) / m, (otherRight + 1) / m];
  const half = Z95 * Math.sqrt((p * (1 - p) + q * (1 - q)) / m);
  return [p - q - half, p - q + half];
}

/** How much of a gap is recovered. */
export interface RecoveredGap {
  /** Accuracy of the student minus that of the weak one. */
  gain: number;
  /** Accuracy of the ceiling minus that of the weak one. */
  gap: number;
  /** Of the gap, 95 %, paired. */
  interval: [number, number];
  /** gain / gap; null where the gap's interval does not lie above 0, since the quotient then says nothing. */
  share: number | null;
}

/**
 * Performance gap recovered (PGR) of weak-to-strong generalisation: (student − weak) / (ceiling − weak), Burns et al. 2023,
 * arXiv 2312.09390. It is 0 at the weak teacher and 1 at the student with true labels, and can lie beyond both.
 * @param weak, student, ceiling outcomes on the same problems
 * @throws StatisticsError when lengths differ
 */
export function recoveredGap(weak: string, student: string, ceiling: string): RecoveredGap {
  const { difference: gap, interval } = pairedComparison(ceiling, weak);
  const { difference: gain } = pairedComparison(student, weak);
  return { gain, gap, interval, share: interval[0] > 0 ? gain / gap : null };
}

/**
 * P(|T| ≥ |t|) for Student's t with a whole number of degrees of freedom: one minus the finite sums A(t|ν) of Abramowitz and Stegun
 * (Handbook of Mathematical Functions, 1964, 26.7.3 for odd ν and 26.7.4 for even ν).
 * @returns 1 at t = 0; NaN for ν < 1
 */
export function studentTwoSided(t: number, freedom: number): number {
  if (!(freedom >= 1) || !Number.isInteger(freedom)) return NaN;
  if (!Number.isFinite(t)) return Number.isNaN(t) ? NaN : 0;
  const theta = Math.atan(Math.abs(t) / Math.sqrt(freedom));
  const cosine = Math.cos(theta);
  const odd = freedom % 2 === 1;
  // Odd: cos θ + 2/3 cos³ θ + …; even: 1 + 1/2 cos² θ + 1·3/(2·4) cos⁴ θ + …; both up to the power ν − 2.
  let term = odd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let power = odd ? 3 : 2; power <= freedom - 2; power += 2) {
    term *= ((power - 1) / power) * cosine * cosine;
    sum += term;
  }
  const inside = odd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
  return Math.min(1, Math.max(0, 1 - inside));
}

/** The t that a two-sided interval of 95 % takes, by bisection of `studentTwoSided`: 12.706 at ν = 1, towards 1.960. */
export function studentT95(freedom: number): number {
  let [low, high] = [Z95, 13];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (studentTwoSided(middle, freedom) > 0.05) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Values of several runs (seeds), each run as one observation. */
export interface Spread {
  runs: number;
  mean: number;
  /** Sample standard deviation (n − 1); null with one run. */
  deviation: number | null;
  /** 95 %, Student's t with runs − 1 degrees of freedom (Student 1908); null with one run, and where all are the same. */
  interval: [number, number] | null;
  /** Two-sided t test of a mean of 0; null where there is no interval. */
  p: number | null;
}

/** Between-seed spread: what can be said about another seed. NaN for no values. */
export function spreadOf(values: readonly number[]): Spread {
  const runs = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / runs;
  if (runs < 2) return { runs, mean, deviation: null, interval: null, p: null };
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (runs - 1));
  const error = deviation / Math.sqrt(runs);
  if (error === 0) return { runs, mean, deviation, interval: null, p: null };
  const half = studentT95(runs - 1) * error;
  const p = studentTwoSided(mean / error, runs - 1);
  return { runs, mean, deviation, interval: [mean - half, mean + half], p };
}

/**
 * p values of several tests, adjusted so that the chance of a single false alarm among them stays below the level (Holm 1979, "A
 * simple sequentially rejective multiple test procedure"): the k-th smallest of m is multiplied by m − k + 1, and none falls below one before it.
 * @returns in the order of the values
 */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((x, y) => (values[x] as number) - (values[y] as number));
  const adjusted = new Array<number>(values.length).fill(1);
  let least = 0;
  order.forEach((at, rank) => {
    least = Math.max(least, Math.min(1, (values.length - rank) * (values[at] as number)));
    adjusted[at] = least;
  });
  return adjusted;
}
