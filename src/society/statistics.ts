/** Statistics of right and wrong answers. Outcomes are strings of '1' (right) and '0' (wrong), one character a problem. */
import { PolylogueError } from '../engine/errors';

export class StatisticsError extends PolylogueError {}

/** 97.5 % quantile of the normal distribution: intervals are 95 %. */
export const Z95 = 1.959963984540054;

/** √(p(1−p)/n) with p = right/n; NaN for n = 0. */
export function binomialStandardError(right: number, n: number): number {
  const p = right / n;
  return Math.sqrt((p * (1 - p)) / n);
}

/** Wilson's score interval for a share right/n (Wilson 1927); [0, 1] for n = 0. */
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
  standardError: number;
  /** 95 %, normal approximation of the paired difference. */
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
  const difference = (onlyFirst - onlySecond) / n;
  const standardError = Math.sqrt(onlyFirst + onlySecond - (onlyFirst - onlySecond) ** 2 / n) / n;
  return {
    n,
    onlyFirst,
    onlySecond,
    difference,
    standardError,
    interval: [difference - Z95 * standardError, difference + Z95 * standardError],
    p: mcnemarExact(onlyFirst, onlySecond),
  };
}
