/** Losses and coefficients of the preference objectives, by hand and by finite differences. */
import { describe, expect, it } from 'vitest';
import {
  scoredSequences,
  sequenceLoss,
  sequencesOf,
  weightedLogProbability,
  type SequenceObjective,
} from '../../src/engine/objectives';
import type { TrainTrack } from '../../src/engine/types';

const example = (desirable?: boolean) => ({
  ids: [1, 2, 3],
  weights: [0, 1, 1],
  ...(desirable !== undefined && { desirable }),
});
const track: TrainTrack = {
  adapter: 'a',
  examples: [example(true), example(false), example(true), example(false)],
  batches: [[0, 1], [2]],
  pairs: [
    { chosen: 0, rejected: 1 },
    { chosen: 0, rejected: 3 },
    { chosen: 2, rejected: 1 },
  ],
  mismatched: [[2, 3], []],
};
const reference = new Map([-3, -2, -4, -1].map((value, index) => [index, value]));
const policy = new Map([-2.5, -3, -4.5, 0.5].map((value, index) => [index, value]));
const dpo: SequenceObjective = { kind: 'dpo', beta: 0.5 };
const kto: SequenceObjective = { kind: 'kto', beta: 0.5, desirable: 2, undesirable: 3 };

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('direct preference optimisation', () => {
  it('gives the loss worked out by hand', () => {
    // Log ratios: 0.5, -1, -0.5, 1.5. Margins of the two pairs: 0.5 · 1.5 and 0.5 · (0.5 − 1.5).
    const { loss, coefficients } = sequenceLoss(dpo, track, 0, { policy, reference });
    expect(loss).toBeCloseTo((-Math.log(sigmoid(0.75)) - Math.log(sigmoid(-0.5))) / 2, 6);
    expect(coefficients.get(0)).toBeCloseTo((0.5 * (sigmoid(-0.75) + sigmoid(0.5))) / 2, 6);
    expect(coefficients.get(1)).toBeCloseTo((-0.5 * sigmoid(-0.75)) / 2, 6);
    expect(coefficients.get(3)).toBeCloseTo((-0.5 * sigmoid(0.5)) / 2, 6);
  });

  it('is ln 2 with equal pulls where policy and reference agree', () => {
    const { loss, coefficients } = sequenceLoss(dpo, track, 1, { policy: reference, reference });
    expect(loss).toBeCloseTo(Math.LN2, 6);
    expect([coefficients.get(2), coefficients.get(1)]).toEqual([0.25, -0.25]);
  });

  it('stays finite where a pair is decided', () => {
    const far = new Map([...policy, [0, 5000]]);
    const won = sequenceLoss(dpo, { ...track, batches: [[0]] }, 0, { policy: far, reference });
    expect(won.loss).toBe(0);
    const lost = sequenceLoss(dpo, { ...track, batches: [[0]] }, 0, {
      policy: new Map([...policy, [0, -5000]]),
      reference,
    });
    expect(lost.loss).toBeCloseTo(2498, 3);
    expect(lost.coefficients.get(0)).toBe(0.5);
  });
});

describe('Kahneman-Tversky optimisation', () => {
  it('gives the loss worked out by hand', () => {
    // z = mean of -0.5 and 1.5.
    const { loss } = sequenceLoss(kto, track, 0, { policy, reference });
    expect(loss).toBeCloseTo((2 * (1 - sigmoid(0.5 * (0.5 - 0.5))) + 3 * (1 - sigmoid(0.5 * (0.5 + 1)))) / 2, 6);
  });

  it('takes no drift below zero, and none without mismatched examples', () => {
    const sunk = new Map([...policy, [2, -9], [3, -9]]);
    const below = sequenceLoss(kto, track, 0, { policy: sunk, reference });
    const without = sequenceLoss(kto, { ...track, mismatched: undefined }, 0, { policy, reference });
    expect(below).toEqual(without);
  });
});

describe.each([
  ['dpo', dpo],
  ['kto', kto],
] as const)('the coefficients of %s', (_, objective) => {
  it('are the negative slopes of the loss', () => {
    const { coefficients } = sequenceLoss(objective, track, 0, { policy, reference });
    for (const index of sequencesOf(objective, track, 0)) {
      const lossAt = (step: number): number => {
        const moved = new Map([...policy, [index, (policy.get(index) as number) + step]]);
        return sequenceLoss(objective, { ...track, mismatched: [[], []] }, 0, { policy: moved, reference }).loss;
      };
      const still = sequenceLoss(objective, { ...track, mismatched: [[], []] }, 0, { policy, reference });
      // exp is rounded to 32 bits, so a step much smaller than this would measure rounding.
      const slope = (lossAt(0.01) - lossAt(-0.01)) / 0.02;
      expect(still.coefficients.get(index)).toBeCloseTo(-slope, 3);
    }
    expect([...coefficients.keys()].sort()).toEqual(sequencesOf(objective, track, 0).sort());
  });
});

it('names each sequence of a step once, and KTO scores the mismatched ones as well', () => {
  expect(sequencesOf('sft', { ...track, batches: [[1, 1]] }, 0)).toEqual([1, 1]);
  expect(sequencesOf(dpo, track, 0)).toEqual([0, 1, 3]);
  expect(scoredSequences(kto, track, 0)).toEqual([0, 1, 2, 3]);
});

it('weighs log-probabilities, the first id having none', () => {
  expect(weightedLogProbability({ ids: [5, 6, 7], weights: [9, 0.5, -2] }, [-1, -3])).toBe(5.5);
});
