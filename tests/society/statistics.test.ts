import { describe, expect, it } from 'vitest';
import {
  binomialStandardError,
  mcnemarExact,
  pairedComparison,
  pooledComparison,
  StatisticsError,
  wilsonInterval,
} from '../../src/society/statistics';

describe('statistics', () => {
  it('binomial standard error', () => {
    expect(binomialStandardError(54, 500)).toBeCloseTo(0.013881, 5);
    expect(binomialStandardError(0, 10)).toBe(0);
  });

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
    // variance of d = (1, 1, 0, 0)-like differences: mean 0.5, Σd² = 2 → √(2 − 4·0.25)/4
    expect(paired.standardError).toBeCloseTo(0.25, 12);
    expect(paired.interval[0]).toBeCloseTo(0.5 - 1.959964 * 0.25, 6);
    const pooled = pooledComparison([
      ['1110', '1000'],
      ['01', '10'],
    ]);
    expect(pooled).toMatchObject({ n: 6, onlyFirst: 3, onlySecond: 1, difference: 1 / 3 });
    expect(() => pairedComparison('11', '1')).toThrow(StatisticsError);
  });
});
