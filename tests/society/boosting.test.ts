/** Weights, errors and mixtures of boosting, worked out by hand. */
import { describe, expect, it } from 'vitest';
import {
  argmax,
  bestSize,
  BoostingError,
  candidateShares,
  drawnCounts,
  easyToHard,
  effectiveSize,
  expertWeight,
  mixedShares,
  reweighted,
  topMass,
  uniformWeights,
  weightedError,
} from '../../src/society/boosting';
import { recoveredGap } from '../../src/society/statistics';

const { log } = Math;
const close = (found: readonly number[], wanted: readonly number[]) => {
  expect(found.length).toBe(wanted.length);
  wanted.forEach((value, at) => expect(found[at]).toBeCloseTo(value, 10));
};

describe('errors and weights', () => {
  it('adds up the weights of what is wrong', () => {
    expect(weightedError([0.4, 0.3, 0.2, 0.1], [true, false, true, false])).toBeCloseTo(0.6, 12);
    expect(weightedError(uniformWeights(4), [false, false, false, false])).toBe(0);
  });

  it('refuses empty sets and lists that do not fit', () => {
    expect(() => uniformWeights(0)).toThrow(BoostingError);
    expect(() => weightedError([], [])).toThrow(BoostingError);
    expect(() => weightedError([1], [true, false])).toThrow(BoostingError);
    expect(() => reweighted([1], [], 1)).toThrow(BoostingError);
  });

  it('weighs an expert by its log-odds over the reference', () => {
    expect(expertWeight(0.2, 0.5, 100)).toBeCloseTo(log(4), 8);
    // The paper's form: ln((1 − ε)/ε) + ln(1/(1 − ε₀) − 1).
    expect(expertWeight(0.1, 0.3, 100)).toBeCloseTo(log(0.9 / 0.1) + log(1 / 0.7 - 1), 8);
    // SAMME with four classes: ln((1 − ε)/ε) + ln 3.
    expect(expertWeight(0.6, 0.75, 100)).toBeCloseTo(log(0.4 / 0.6) + log(3), 8);
  });

  it('is 0 at the reference, whatever rounding leaves, and below 0 beyond it', () => {
    expect(expertWeight(0.1 + 0.2, 0.3, 100)).toBe(0);
    expect(expertWeight(0.6, 0.4, 100)).toBeCloseTo(2 * log(2 / 3), 8);
  });

  it('keeps a perfect expert, and a hopeless one, half an item away from certainty', () => {
    expect(expertWeight(0, 0.5, 10)).toBeCloseTo(log(19), 8);
    expect(expertWeight(1, 0.5, 10)).toBeCloseTo(-log(19), 8);
    expect(expertWeight(0, 0, 10)).toBe(0);
  });

  it('raises what was wrong and divides by the sum', () => {
    // 1/4 · 3 = 3/4 beside three quarters: 1/2 and three sixths.
    const weights = reweighted(uniformWeights(4), [true, false, false, false], log(3));
    close(weights, [1 / 2, 1 / 6, 1 / 6, 1 / 6]);
    // 1 / (1/4 + 3/36)
    expect(effectiveSize(weights)).toBeCloseTo(3, 10);
    close(reweighted(weights, [true, true, false, false], 0), weights);
  });

  it('tells how unequal weights are', () => {
    expect(effectiveSize(uniformWeights(7))).toBeCloseTo(7, 10);
    expect(effectiveSize([1, 0, 0])).toBe(1);
    expect(topMass([0.1, 0.6, 0.3])).toBe(0.6);
    expect(topMass([0.1, 0.6, 0.3], 0.67)).toBeCloseTo(0.9, 12);
  });
});

describe('drawn items', () => {
  const name = { seed: 1, stream: 13 };

  it('are as many as asked for, never those without weight, and the same again', () => {
    const counts = drawnCounts([0.5, 0, 0.5], 50, name);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(50);
    expect(counts[1]).toBe(0);
    expect(drawnCounts([0.5, 0, 0.5], 50, name)).toEqual(counts);
    expect(drawnCounts([0.5, 0, 0.5], 50, { ...name, round: 1 })).not.toEqual(counts);
  });

  it('come in proportion to their weights', () => {
    const counts = drawnCounts([0.1, 0.2, 0.3, 0.4], 4000, name);
    // Standard errors are 19 to 31.
    counts.forEach((count, at) => expect(Math.abs(count - 400 * (at + 1))).toBeLessThan(100));
  });
});

describe('mixtures', () => {
  it('are of probabilities, by the experts’ weights', () => {
    close(candidateShares([log(1), log(3)]), [0.25, 0.75]);
    close(candidateShares([-1000 + log(1), -1000 + log(3)]), [0.25, 0.75]);
    // 3/4 · 0.2 + 1/4 · 0.9
    close(
      mixedShares(
        [3, 1],
        [
          [0.2, 0.8],
          [0.9, 0.1],
        ],
      ),
      [0.375, 0.625],
    );
  });

  it('give a tie to the first', () => {
    expect(argmax([0.2, 0.4, 0.4])).toBe(1);
    expect(argmax([0.5, 0.5])).toBe(0);
  });

  it('have as many experts as make validation most probable, fewer in a tie', () => {
    const first = [log(0.5), log(0.5)];
    // (ln 0.7 + ln 0.3)/2 < ln 0.5
    expect(bestSize([1, 1], [first, [log(0.9), log(0.1)]])).toBe(1);
    // (ln 0.7 + ln 0.45)/2 > ln 0.5
    expect(bestSize([1, 1], [first, [log(0.9), log(0.4)]])).toBe(2);
    expect(bestSize([1, 2], [first, first])).toBe(1);
    expect(bestSize([1, 2, 3], [[], [], []])).toBe(3);
  });
});

describe('the easy-to-hard split', () => {
  const problems = [9, 1, 8, 2, 7, 3, 6, 4, 5, 0];
  const shares = { labelled: 0.5, validation: 0.2, random: false };
  const name = { seed: 1, stream: 12 };

  it('cuts by difficulty: easy, validation, hard', () => {
    const { easy, validation, hard } = easyToHard(problems, (problem) => problem, shares, name);
    expect([easy, validation, hard]).toEqual([[0, 1, 2, 3], [4], [5, 6, 7, 8, 9]]);
  });

  it('puts ties, and a random split, in an order of draws', () => {
    const tied = easyToHard(problems, () => 1, shares, name);
    expect(tied).toEqual(easyToHard(problems, (problem) => problem, { ...shares, random: true }, name));
    expect(tied).not.toEqual(easyToHard(problems, () => 1, shares, { ...name, seed: 2 }));
    expect([...tied.easy, ...tied.validation, ...tied.hard].sort()).toEqual([...problems].sort());
  });

  it('leaves the experts a problem', () => {
    expect(easyToHard([1], () => 0, { labelled: 0.1, validation: 0.9, random: false }, name)).toEqual({
      easy: [1],
      validation: [],
      hard: [],
    });
    const { easy, validation } = easyToHard([1, 2], (one) => one, { ...shares, labelled: 1, validation: 0.9 }, name);
    expect([easy, validation]).toEqual([[1], [2]]);
  });
});

describe('the gap recovered', () => {
  const right = (count: number, n = 20) => '1'.repeat(count) + '0'.repeat(n - count);

  it('is where the student stands between the weak one and the ceiling', () => {
    // 5, 10 and 15 of 20: ten are right in favour of the ceiling and none against it.
    expect(recoveredGap(right(5), right(10), right(15)).interval[0]).toBeGreaterThan(0);
    const found = recoveredGap(right(5), right(10), right(15));
    expect(found.share).toBeCloseTo(0.5, 10);
    expect(recoveredGap(right(5), right(1), right(15)).share).toBeCloseTo(-0.4, 10);
    expect(recoveredGap(right(5), right(20), right(15)).share).toBeCloseTo(1.5, 10);
  });

  it('is not given where the gap is small, none, or below 0', () => {
    // One of 20: no test could tell it from chance.
    expect(recoveredGap(right(5), right(10), right(6)).share).toBeNull();
    expect(recoveredGap(right(5), right(10), right(5)).share).toBeNull();
    expect(recoveredGap(right(15), right(10), right(5))).toMatchObject({ gap: -0.5, gain: -0.25, share: null });
  });
});
