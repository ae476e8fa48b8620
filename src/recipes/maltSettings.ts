/** Settings and presets of MALT. */
import { RUN_LIMITS } from '../engine/limits';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { presetsFor } from './presets';
import { choice, integer, number, orNone } from './readers';
import { startFromRow } from './rows';
import { steps, type SettingTable } from './settings';

/** Branches of a tree at most: 8 + 64 + 512 calls a problem. */
const MOST_BRANCHES = 8;

export const SETTINGS = {
  branches: {
    reader: integer(2, MOST_BRANCHES),
    label: 'Branches',
    symbol: 'n',
    line: 'Answers of a problem, checks of each answer, and refinements after each check.',
    steps: steps(2, 3, 4, 8),
    section: 'main',
    paper: 3,
  },
  votes: {
    reader: integer(1, RUN_LIMITS.agents.max),
    label: 'Passes that vote',
    line: 'At a test, so many passes through the three roles vote. One pass is measured in any case.',
    steps: steps(1, 3, 5),
    section: 'main',
    paper: 3,
  },
  credit: {
    reader: choice('tree', 'chain'),
    label: 'Credit',
    line: 'A tree gives a turn the mean of all leaves below it. A chain gives it what its own chain comes to.',
    steps: [
      { value: 'tree', label: 'a tree: examples, then preferences' },
      { value: 'chain', label: 'chains: signed weights (online relative)' },
    ],
    section: 'main',
    paper: 'tree',
  },
  label: {
    reader: choice('gold', 'vote'),
    label: 'A leaf is right',
    line: 'When it has the true answer, or the answer of more than half of the leaves. The paper has true answers.',
    steps: [
      { value: 'gold', label: 'by the true answer' },
      { value: 'vote', label: 'by the majority of the leaves' },
    ],
    section: 'expert',
    paper: 'gold',
  },
  threshold: {
    reader: number(0, 1),
    label: 'Threshold',
    symbol: 'θ',
    line: 'A turn whose value is above it is wanted.',
    steps: [{ value: 0.3 }, { value: 0.5 }, { value: 0.7 }],
    section: 'expert',
    paper: 0.5,
  },
  thresholdEnd: {
    reader: number(0, 1),
    label: 'Threshold of the last iteration',
    line: 'The threshold rises evenly towards it. Left out, it stays. The paper only proposes it.',
    section: 'expert',
    absent: null,
  },
  ties: {
    reader: choice('unwanted', 'wanted'),
    label: 'A value at the threshold',
    line: 'The paper’s comparison is strict. Another implementation counts such turns as wanted.',
    steps: [
      { value: 'unwanted', label: 'is unwanted' },
      { value: 'wanted', label: 'is wanted' },
    ],
    section: 'expert',
    paper: 'unwanted',
  },
  prefer: {
    reader: choice('none', 'verifier-refiner', 'all'),
    label: 'Who learns preferences',
    line: 'After the examples. The paper leaves the generator out for an instruct model, and not for a base model.',
    steps: [
      { value: 'none', label: 'nobody: examples only' },
      { value: 'verifier-refiner', label: 'verifier and refiner' },
      { value: 'all', label: 'all three' },
    ],
    section: 'expert',
    paper: 'verifier-refiner',
  },
  pairs: {
    reader: choice('all', 'one'),
    label: 'Pairs of siblings',
    line: 'All pairs of a wanted and an unwanted sibling, or one chosen at random, as another implementation does.',
    steps: [
      { value: 'all', label: 'all' },
      { value: 'one', label: 'one at random' },
    ],
    section: 'expert',
  },
  perProblem: {
    reader: orNone(integer(1, MOST_BRANCHES ** 3)),
    label: 'Examples of a problem',
    line: 'Each role learns at most this many examples and this many pairs, chosen at random. The paper ends with about one pair a problem.',
    steps: [{ value: 1 }, { value: 2 }, { value: 4 }, { value: 'none', label: 'all' }],
    section: 'expert',
  },
  beta: {
    reader: number(0, 100, 'above'),
    label: 'Pull to the reference',
    symbol: 'β',
    line: 'For preferences. A larger value keeps a role closer to what it was after the examples.',
    steps: steps(0.05, 0.1, 0.2, 0.5),
    section: 'expert',
    paper: 0.2,
  },
  preferenceRate: {
    reader: number(0, 10, 'above'),
    label: 'Rate of preferences',
    line: 'The learning rate of preferences and of signed weights, as a multiple of that of examples. The paper has one for all.',
    steps: steps(0.1, 0.3, 1),
    section: 'expert',
    paper: 1,
  },
  untrained: {
    reader: choice('none', 'generator', 'verifier', 'refiner'),
    label: 'Role that stays untouched',
    line: 'The untouched model plays it: what the role’s training is worth.',
    steps: [
      { value: 'none', label: 'none' },
      { value: 'generator', label: 'generator' },
      { value: 'verifier', label: 'verifier' },
      { value: 'refiner', label: 'refiner' },
    ],
    section: 'expert',
    paper: 'none',
  },
  startFrom: startFromRow('role', 'The untouched model again, or the role as it is now.', 'base'),
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

export const PRESETS = presetsFor<Config>('malt', (preset, inWords) => ({
  // Half a billion parameters in a tab: 14 calls a problem instead of 39.
  branches: inWords && preset.endsWith('quick') ? 2 : 3,
  votes: 3,
  credit: 'tree',
  label: 'gold',
  threshold: 0.5,
  ties: 'unwanted',
  // The embedded model is a base model: no instruction was ever tuned into it.
  prefer: inWords ? 'verifier-refiner' : 'all',
  pairs: 'all',
  perProblem: 2,
  beta: 0.2,
  // At the presets' rates for LoRA preferences undo what the examples taught.
  preferenceRate: 0.1,
  untrained: 'none',
  startFrom: 'base',
}));

/** @throws ConfigurationError for settings that do not go together */
export function check({ threshold, thresholdEnd = threshold, ties, credit }: Config): void {
  const worst = Math.max(threshold, thresholdEnd);
  if (worst === 1 && ties === 'unwanted')
    throw new ConfigurationError('threshold', 'no value is above 1; use a smaller one, or ties=wanted');
  if (credit === 'tree' && Math.min(threshold, thresholdEnd) === 0 && ties === 'wanted')
    throw new ConfigurationError(
      'threshold',
      'every value is at least 0, so wrong turns would be wanted too; use a larger one, or ties=unwanted',
    );
}

/** θ of an iteration. */
export function thresholdIn({ threshold, thresholdEnd = threshold, iterations }: Config, iteration: number): number {
  const passed = iterations > 1 ? (iteration - 1) / (iterations - 1) : 0;
  return threshold + (thresholdEnd - threshold) * passed;
}
