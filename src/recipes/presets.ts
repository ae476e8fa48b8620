/** Presets: complete configurations to start from. Anything in them can be overridden (`resolveConfig`). */
import { PROJECTIONS } from '../engine/types';
import type { ExperimentConfig } from './config';

/**
 * The paper's experiment with this lab's deviations: LoRA on a frozen base instead of full finetuning (2N models in one model's
 * memory), so a far higher learning rate; labels need two agreeing agents instead of any winner, because with a base this
 * small the winner of a 1-1-1 tie is wrong more often than right; w = 1/2 (the paper does not give its value).
 */
const paper: ExperimentConfig = {
  recipe: 'multiagent-finetuning',
  preset: 'arithmetic',
  model: 'arithmetic-0.4m',
  task: 'arithmetic',
  seed: 0,
  agents: 3,
  rounds: 2,
  iterations: 5,
  trainProblems: 500,
  evaluationProblems: 500,
  problems: 'same',
  sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 64 },
  criticShare: 0.5,
  minimumVotes: 2,
  startFrom: 'current',
  adapter: { rank: 8, alpha: 16, targets: [...PROJECTIONS] },
  finetune: { lr: 5e-4, schedule: 'linear', warmup: 0, epochs: 2, batchSize: 16, clip: 1 },
  singleAgentBaseline: true,
  chunk: 50,
};

/** With few problems an iteration has few steps: they must be larger to be seen. */
const fewSteps: ExperimentConfig['finetune'] = { ...paper.finetune, lr: 3e-3 };

export interface Preset {
  title: string;
  /** One sentence for people. */
  description: string;
  config: ExperimentConfig;
}

export const PRESETS: Readonly<Record<string, Preset>> = {
  'arithmetic-tiny': {
    title: 'Arithmetic, tiny',
    description: 'Every step of the method once, in about a minute; too few problems to show a gain.',
    config: {
      ...paper,
      preset: 'arithmetic-tiny',
      iterations: 1,
      trainProblems: 24,
      evaluationProblems: 24,
      finetune: fewSteps,
      chunk: 12,
    },
  },
  'arithmetic-quick': {
    title: 'Arithmetic, quick',
    description: 'Three iterations on 100 problems: minutes on a computer without a GPU.',
    config: {
      ...paper,
      preset: 'arithmetic-quick',
      iterations: 3,
      trainProblems: 100,
      evaluationProblems: 100,
      finetune: fewSteps,
      chunk: 50,
    },
  },
  arithmetic: {
    title: 'Arithmetic',
    description: "The paper's size: 500 training and 500 held-out problems, 3 agents, 2 rounds, 5 iterations.",
    config: paper,
  },
};
