import { describe, expect, it } from 'vitest';
import { pairedInterval } from '../../src/society/pairedInterval';
import {
  comparisonOfCounts,
  holm,
  mcnemarExact,
  pairedComparison,
  pooledComparison,
  spreadOf,
  StatisticsError,
  studentT95,
  studentTwoSided,
  wilsonInterval,
} from '../../src/society/statistics';

describe('statistics', () => {
  it('Wilson interval against published values (Newcombe 1998: 81/263, 15/148, 0/20)', () => {
    for (const [right, n, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [20, 20, 1 - 0.1611, 1],
    ] as const) {
      const [a, b] = wilsonInterval(right, n);
      expect(a).toBeCloseTo(low, 4);
      expect(b).toBeCloseTo(high, 4);
    }
    expect(wilsonInterval(0, 0)).toEqual([0, 1]);
  });

  it('exact McNemar by hand', () => {
    expect(mcnemarExact(0, 0)).toBe(1);
    expect(mcnemarExact(3, 3)).toBe(1);
    expect(mcnemarExact(5, 0)).toBeCloseTo(2 / 32, 12);
    // 2·(1 + 10 + 45)/1024
    expect(mcnemarExact(2, 8)).toBeCloseTo(112 / 1024, 12);
    expect(mcnemarExact(8, 2)).toBeCloseTo(112 / 1024, 12);
    expect(mcnemarExact(900, 700)).toBeGreaterThan(0);
    expect(mcnemarExact(900, 700)).toBeLessThan(1e-6);
  });

  it('paired difference, and pooled over runs', () => {
    const paired = pairedComparison('1110', '1000');
    expect(paired).toMatchObject({ n: 4, onlyFirst: 2, onlySecond: 0, difference: 0.5, p: 0.5 });
    const pooled = pooledComparison([
      ['1110', '1000'],
      ['01', '10'],
    ]);
    expect(pooled).toMatchObject({ n: 6, onlyFirst: 3, onlySecond: 1, difference: 1 / 3 });
    expect(() => pairedComparison('11', '1')).toThrow(StatisticsError);
  });
});

describe('the interval of a paired difference', () => {
  const close = (found: [number, number], [low, high]: [number, number], digits = 4) => {
    expect(found[0]).toBeCloseTo(low, digits);
    expect(found[1]).toBeCloseTo(high, digits);
  };

  it('is the exact one of the disagreeing share where nobody disagrees', () => {
    // Clopper and Pearson, 0 of 24: 1 − 0.025^(1/24).
    const end = 1 - 0.025 ** (1 / 24);
    close(pairedInterval(24, 0, 0), [-end, end], 6);
  });

  it('is what comes out by hand', () => {
    // n = 2, one pair apart: B ~ U(0, 1), T ~ Beta(2, 1). P(T·(1 − 2B) ≥ x) = ½·∫ₓ¹ (1 − x²/u²) du = ½(1 − x)² = 0.025; T's own 0.975 quantile.
    close(pairedInterval(2, 1, 0), [-(1 - Math.sqrt(0.05)), Math.sqrt(0.975)]);
    // All pairs apart, T = 1. n = 1: B ~ U(0, 1). n = 2: P(B ≤ b) = b².
    close(pairedInterval(1, 1, 0), [-0.95, 1], 6);
    close(pairedInterval(2, 2, 0), [2 * Math.sqrt(0.025) - 1, 1], 6);
    // Two million draws of the two beta distributions: 0.0166 and 0.4669; 0.0221 and 0.0579.
    close(pairedInterval(24, 6, 0), [0.0166, 0.4669], 3);
    close(pairedInterval(2500, 300, 200), [0.0221, 0.0579], 4);
    expect(pairedInterval(24, 0, 6)).toEqual(
      pairedInterval(24, 6, 0)
        .map((end) => -end)
        .reverse(),
    );
  });

  it('leaves out 0 exactly where the exact test is below 0.05', () => {
    for (let apart = 0; apart <= 14; apart++) {
      for (let first = 0; first <= apart; first++) {
        const { interval, p, difference } = comparisonOfCounts(20, first, apart - first);
        expect([apart, first, interval[0] > 0 || interval[1] < 0]).toEqual([apart, first, p < 0.05]);
        expect(interval[0]).toBeLessThanOrEqual(difference);
        expect(interval[1]).toBeGreaterThanOrEqual(difference);
      }
    }
  });
});

describe('several runs', () => {
  it('has Student’s distribution by its tables', () => {
    // ν = 1 is Cauchy's: P(|T| ≥ 1) = 1 − (2/π)·atan(1) = 1/2. ν = 2: 1 − t/√(2 + t²), at t = √2: 1 − 1/√2.
    expect(studentTwoSided(1, 1)).toBeCloseTo(0.5, 12);
    expect(studentTwoSided(Math.SQRT2, 2)).toBeCloseTo(1 - Math.SQRT1_2, 12);
    // ν = 3: 1 − (2/π)(θ + sin θ cos θ), at t = √3, θ = π/4: 1 − (2/π)(π/4 + 1/2) = 1/2 − 1/π.
    expect(studentTwoSided(Math.sqrt(3), 3)).toBeCloseTo(0.5 - 1 / Math.PI, 12);
    // ν = 4: 1 − sin θ (1 + cos² θ / 2), at t = 2, θ = π/4: 1 − 5/(4√2).
    expect(studentTwoSided(-2, 4)).toBeCloseTo(1 - 5 / (4 * Math.SQRT2), 12);
    const table = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    table.forEach((t, at) => expect(studentT95(at + 1)).toBeCloseTo(t, 3));
    expect(studentT95(1000)).toBeCloseTo(1.962, 3);
    expect(studentTwoSided(0, 5)).toBe(1);
    expect(studentTwoSided(Infinity, 5)).toBe(0);
    expect(studentTwoSided(1, 0)).toBeNaN();
  });

  it('says how far runs are from each other', () => {
    // 1, 2, 3: mean 2, deviation 1, error 1/√3; t = 2√3 with ν = 2: p = 1 − t/√(2 + t²) = 1 − √(12/14).
    const spread = spreadOf([1, 2, 3]);
    expect(spread).toMatchObject({ runs: 3, mean: 2, deviation: 1 });
    expect(spread.p).toBeCloseTo(1 - Math.sqrt(12 / 14), 12);
    expect(spread.interval?.[1]).toBeCloseTo(2 + 4.30265 / Math.sqrt(3), 4);
    expect(spreadOf([0.5])).toEqual({ runs: 1, mean: 0.5, deviation: null, interval: null, p: null });
    // Two runs that happen to be the same say nothing of a third.
    expect(spreadOf([2, 2])).toEqual({ runs: 2, mean: 2, deviation: 0, interval: null, p: null });
  });

  it('adjusts p values by Holm’s procedure', () => {
    // Sorted .01 .02 .03 .04: ×4 ×3 ×2 ×1 = .04 .06 .06 .04; none falls below one before it.
    const adjusted = holm([0.04, 0.01, 0.03, 0.02]);
    [0.06, 0.04, 0.06, 0.06].forEach((value, at) => expect(adjusted[at]).toBeCloseTo(value, 12));
    expect(holm([0.6, 0.7])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});
