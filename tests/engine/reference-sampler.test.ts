import { describe, expect, it } from 'vitest';
import { sampleToken } from '../../src/engine/reference/sampler';
import type { SamplingSettings } from '../../src/engine/types';

const DRAWS = 20_000;
const LOGITS = Float32Array.of(1.5, -0.3, 0.2, 2.1, -2, 0.2, 1.1, -0.9);

function frequencies(logits: Float32Array, settings: Partial<SamplingSettings>, seed = 1): number[] {
  const sampling = { temperature: 1, topK: 0, topP: 1, maxTokens: 1, stopIds: [], ...settings };
  const counts: number[] = new Array(logits.length).fill(0);
  for (let problem = 0; problem < DRAWS; problem++) {
    const key = { seed, stream: 1, iteration: 3, agent: 2, problem, round: 1 };
    counts[sampleToken(logits, 0, logits.length, sampling, key, 5).id]++;
  }
  return counts;
}

function softmax(logits: ArrayLike<number>, temperature: number, kept: (i: number) => boolean): number[] {
  const weights = Array.from(logits, (x, i) => (kept(i) ? Math.exp(x / temperature) : 0));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/** Pearson's χ² of counts against probabilities; tokens of probability 0 must not occur. */
function chiSquare(counts: number[], probabilities: number[]): number {
  let sum = 0;
  counts.forEach((count, i) => {
    const wanted = probabilities[i] * DRAWS;
    if (wanted === 0) expect(count).toBe(0);
    else sum += (count - wanted) ** 2 / wanted;
  });
  return sum;
}

describe('sampled frequencies', () => {
  // 99.99 % quantile of χ² with 7 degrees of freedom is 29.9; the draws are named, so a pass stays a pass.
  const QUANTILE = 29.9;
  const everything = (): boolean => true;

  it.each([0.5, 1, 2])('follow the softmax at temperature %f', (temperature) => {
    expect(chiSquare(frequencies(LOGITS, { temperature }), softmax(LOGITS, temperature, everything))).toBeLessThan(
      QUANTILE,
    );
  });

  it('with top-k follow the softmax over the k largest, ties with the k-th kept', () => {
    const largest = (i: number): boolean => LOGITS[i] >= Math.fround(0.2);
    expect(chiSquare(frequencies(LOGITS, { topK: 4 }), softmax(LOGITS, 1, largest))).toBeLessThan(QUANTILE);
    expect(chiSquare(frequencies(LOGITS, { topK: 5 }), softmax(LOGITS, 1, largest))).toBeLessThan(QUANTILE);
  });

  it('with top-p follow the softmax over the smallest set with that mass', () => {
    const all = softmax(LOGITS, 1, everything);
    const two = all[3] + all[0];
    const largest = (least: number) => (i: number) => LOGITS[i] >= Math.fround(least);
    expect(chiSquare(frequencies(LOGITS, { topP: two - 0.01 }), softmax(LOGITS, 1, largest(1.5)))).toBeLessThan(
      QUANTILE,
    );
    expect(chiSquare(frequencies(LOGITS, { topP: two + 0.01 }), softmax(LOGITS, 1, largest(1.1)))).toBeLessThan(
      QUANTILE,
    );
  });

  it('apply top-p to what top-k leaves', () => {
    const three = softmax(LOGITS, 1, (i) => LOGITS[i] >= 1);
    const topP = three[3] + three[0] - 0.01;
    const counts = frequencies(LOGITS, { topK: 3, topP });
    expect(
      chiSquare(
        counts,
        softmax(LOGITS, 1, (i) => LOGITS[i] >= 1.5),
      ),
    ).toBeLessThan(QUANTILE);
  });
});

describe('one sampled token', () => {
  const key = { seed: 1, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
  const greedy = { temperature: 0, topK: 0, topP: 1, maxTokens: 1, stopIds: [] };

  it('is the lowest index of several largest when greedy', () => {
    const logits = Float32Array.of(0, 3, 1, 3, 3);
    expect(sampleToken(logits, 0, 5, greedy, key, 0)).toMatchObject({ id: 1, margin: 0 });
  });

  it('has its log-probability at temperature 1 and the margin of the raw logits', () => {
    const logits = Float32Array.of(0, 0, 0, 0, 2, 1);
    const { id, logprob, margin } = sampleToken(logits, 1, 3, { ...greedy, temperature: 7, topK: 1 }, key, 0);
    expect(id).toBe(1);
    expect(margin).toBe(1);
    expect(logprob).toBeCloseTo(2 - Math.log(1 + Math.exp(2) + Math.exp(1)), 6);
  });
});
