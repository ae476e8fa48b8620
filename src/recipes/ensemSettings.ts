/** Settings and presets of EnsemW2S. */
import { RUN_LIMITS } from '../engine/limits';
import { taskNamed } from '../tasks';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { LARGER_STRATEGIES_MODEL, presetsFor, STRATEGIES_REVISED } from './presets';
import { choice, flag, integer, modelOrNone, number } from './readers';
import { steps, type SettingTable } from './settings';

/** Parts that the engines mix at most. */
const MOST_EXPERTS = 16;

export const SETTINGS = {
  branch: {
    reader: choice('generation', 'choice'),
    label: 'Branch',
    line: 'Experts write solutions and are boosted on tokens, or choose among candidate answers and are boosted on problems.',
    steps: [
      { value: 'generation', label: 'generation: tokens' },
      { value: 'choice', label: 'choice: candidate answers' },
    ],
    section: 'main',
  },
  experts: {
    reader: integer(1, MOST_EXPERTS),
    label: 'Experts at most',
    symbol: 'T',
    line: 'Rounds of boosting. It ends earlier where an expert is no better than the untouched model.',
    steps: steps(1, 2, 3, 4, 5, 8, 10),
    section: 'main',
    paper: 10,
  },
  labels: {
    reader: choice('hard', 'soft'),
    label: 'Labels of the students',
    line: 'The teacher’s one answer, or its distribution. All students get the same kind.',
    steps: [
      { value: 'hard', label: 'hard: one answer' },
      { value: 'soft', label: 'soft: the distribution' },
    ],
    section: 'main',
  },
  samples: {
    reader: integer(2, RUN_LIMITS.agents.max),
    label: 'Samples of a soft label',
    symbol: 'K',
    line: 'Answers of the teacher to each hard problem that stand for its distribution. Generation only.',
    steps: steps(2, 3, 4, 8),
    section: 'expert',
  },
  greedy: {
    reader: flag(),
    label: 'Greedy hard labels',
    line: 'The teacher writes its most probable tokens. The embedded model then makes hardly any mistake.',
    section: 'expert',
  },
  split: {
    reader: choice('difficulty', 'random'),
    label: 'What has labels',
    line: 'The easiest problems, by terms, digits and carries (else by the length of the question), or random ones.',
    steps: [
      { value: 'difficulty', label: 'the easiest problems' },
      { value: 'random', label: 'random problems' },
    ],
    section: 'main',
    paper: 'difficulty',
  },
  labelled: {
    reader: number(0, 1, 'above'),
    label: 'Share with labels',
    line: 'Part of the training problems whose solutions are known, validation included. Students learn from the rest.',
    steps: steps(0.25, 0.5, 0.75),
    section: 'expert',
    paper: 0.5,
  },
  validation: {
    reader: number(0, 0.9),
    label: 'Share for validation',
    line: 'Part of the labelled problems, the hardest of them, by which the number of experts is chosen.',
    steps: steps(0, 0.15, 0.3),
    section: 'expert',
    paper: 0.15,
  },
  size: {
    reader: choice('validation', 'all'),
    label: 'Experts in the ensemble',
    line: 'The number that makes validation solutions most probable, or all that boosting gave.',
    steps: [
      { value: 'validation', label: 'chosen by validation' },
      { value: 'all', label: 'all' },
    ],
    section: 'expert',
  },
  weighting: {
    reader: choice('sampling', 'weights'),
    label: 'Use of weights',
    line: 'Tokens or problems are drawn by their weights and the others masked, or all are learnt with weighted losses.',
    steps: [
      { value: 'sampling', label: 'sampling: the others are masked' },
      { value: 'weights', label: 'weights of losses' },
    ],
    section: 'expert',
    paper: 'sampling',
  },
  drawn: {
    reader: number(0, 8, 'above'),
    label: 'Draws',
    line: 'How many tokens or problems are drawn, as a share of all of them, with replacement.',
    steps: steps(0.5, 1, 2),
    section: 'expert',
    paper: 1,
  },
  baseError: {
    reader: choice('weighted', 'uniform'),
    label: 'Error of the untouched model',
    line: 'What alpha is measured against in generation: under the weights of the round, or once under equal weights.',
    steps: [
      { value: 'weighted', label: 'under the weights of the round' },
      { value: 'uniform', label: 'under equal weights' },
    ],
    section: 'expert',
  },
  choiceAlpha: {
    reader: choice('chance', 'base'),
    label: 'Alpha of choices',
    line: 'Over a guess among the candidates, as the code does, or over the untouched model, as in generation.',
    steps: [
      { value: 'chance', label: 'over a guess' },
      { value: 'base', label: 'over the untouched model' },
    ],
    section: 'expert',
    paper: 'chance',
  },
  notBetter: {
    reader: choice('stop', 'skip'),
    label: 'Alpha not above 0',
    line: 'Boosting stops, or the expert is left out and the next one is drawn under the same weights.',
    steps: [
      { value: 'stop', label: 'stop' },
      { value: 'skip', label: 'leave the expert out' },
    ],
    section: 'expert',
  },
  studentRank: {
    reader: integer(1, RUN_LIMITS.rank.max),
    label: 'Rank of the students',
    line: 'The strong student has a larger adapter than the experts, at the same scale (alpha / rank).',
    steps: steps(8, 16, 32, 64),
    section: 'expert',
  },
  studentModel: {
    reader: modelOrNone(),
    label: 'Model of the students',
    line: 'A larger model with the same tokenizer is the strong student. None: the students have the experts’ model.',
    steps: [{ value: 'none', label: 'that of the experts' }],
    section: 'expert',
    absent: 'none',
  },
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

const EXPERTS: Readonly<Record<string, number>> = {
  'arithmetic-tiny': 2,
  'strategies-tiny': 2,
  'arithmetic-quick': 4,
  'strategies-quick': 4,
  arithmetic: 5,
  strategies: 5,
};

export const PRESETS = presetsFor<Config>(
  'ensem-w2s',
  (preset, inWords) => ({
    branch: 'generation',
    experts: EXPERTS[preset] ?? 3,
    labels: 'hard',
    samples: 4,
    greedy: inWords,
    split: 'difficulty',
    labelled: 0.5,
    validation: 0.15,
    size: 'validation',
    weighting: 'sampling',
    drawn: 1,
    baseError: 'weighted',
    choiceAlpha: 'chance',
    notBetter: 'stop',
    studentRank: inWords ? 16 : 32,
    ...(preset.startsWith('strategies') && { studentModel: LARGER_STRATEGIES_MODEL }),
    iterations: 1,
  }),
  STRATEGIES_REVISED,
);

/** How many training problems have labels, validation included: one at least. */
export function labelledProblems({ labelled, trainProblems }: Pick<Config, 'labelled' | 'trainProblems'>): number {
  return Math.max(1, Math.round(labelled * trainProblems));
}

/** @throws ConfigurationError */
export function check({ branch, task, adapter, studentRank, labelled, trainProblems }: Config): void {
  if (labelledProblems({ labelled, trainProblems }) >= trainProblems)
    throw new ConfigurationError(
      'labelled',
      `${labelled} of ${trainProblems} training problems leaves none without labels for the students; use a smaller share, or more problems`,
    );
  if (branch === 'choice' && !taskNamed(task).candidates)
    throw new ConfigurationError('branch', `${task} has no candidate answers to choose from; take branch=generation`);
  if (studentRank < adapter.rank)
    throw new ConfigurationError(
      'studentRank',
      `${studentRank} is below the experts’ rank of ${adapter.rank}; a strong student has at least as much`,
    );
}
