/** Presets: complete configurations to start from. Anything in them can be overridden (`resolveConfig`). */
import { PROJECTIONS } from '../engine/types';
import type { ExperimentConfig } from './config';

/** Folder of the model that comes with the lab. It speaks the compact dialect only. */
export const EMBEDDED_MODEL = 'arithmetic-0.4m';

/**
 * The paper's experiment with this lab's deviations: LoRA on a frozen base instead of full finetuning (2N models in one model's
 * memory), so a far higher learning rate; labels need two agreeing agents instead of any winner, because with a base this
 * small the winner of a 1-1-1 tie is wrong more often than right; w = 1/2 (the paper does not give its value).
 */
const paper: ExperimentConfig = {
  recipe: 'multiagent-finetuning',
  preset: 'arithmetic',
  model: EMBEDDED_MODEL,
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

/**
 * The paper's experiment for instruct models of about half a billion parameters. From the paper: N, M, the number of problems
 * (section 3), one iteration (its tables; only its figure 1 has five), summaries by the base model. From the released code:
 * temperature 1, top-p 0.9, two epochs, a cosine with 3 % warm-up (lm_ft/ft.sh). Ours: LoRA of rank 8 instead of full finetuning, so 2e-4
 * instead of 1e-5; batches of 16 instead of 192, so that some hundred examples are more than four steps; two votes for a label,
 * because a small model's 1-1-1 ties are mostly wrong; int4 weights and fewer tokens than the code's 2,048, so that it fits a tab.
 * The model is chosen by the visitor: the embedded one cannot write these prompts.
 */
const chat: ExperimentConfig = {
  ...paper,
  preset: 'gsm8k',
  dtype: 'int4',
  task: 'gsm8k',
  iterations: 1,
  // Half a billion parameters write GSM8K's solutions in 100 to 250 tokens; a runaway is cut here.
  sampling: { temperature: 1, topK: 0, topP: 0.9, maxTokens: 384 },
  summary: 'base-model',
  finetune: { lr: 2e-4, schedule: 'cosine', warmup: 0.03, epochs: 2, batchSize: 16, clip: 1 },
  chunk: 10,
};

/**
 * Ours: a tenth of the problems, and without the second method to train and test. Some 25 examples for each adapter make about
 * twelve steps of four: fewer and they would not be seen, so each is larger.
 */
const quickChat = {
  trainProblems: 50,
  evaluationProblems: 50,
  singleAgentBaseline: false,
  finetune: { ...chat.finetune, lr: 5e-4, batchSize: 4 },
} satisfies Partial<ExperimentConfig>;

/** Ours: four steps in words are shorter than a school problem's solution. */
const arithmeticChat: Partial<ExperimentConfig> = {
  task: 'arithmetic-chat',
  sampling: { ...chat.sampling, maxTokens: 256 },
};

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
  'arithmetic-chat-quick': {
    title: 'Arithmetic in words, quick',
    description: 'For an instruct model: 50 problems with numbers to 29, one iteration.',
    config: { ...chat, ...arithmeticChat, ...quickChat, preset: 'arithmetic-chat-quick' },
  },
  'arithmetic-chat': {
    title: 'Arithmetic in words',
    description: "For an instruct model: the paper's arithmetic at the size of its table 1, hours in a tab.",
    config: { ...chat, ...arithmeticChat, preset: 'arithmetic-chat' },
  },
  'gsm8k-quick': {
    title: 'GSM8K, quick',
    description: 'For an instruct model: 50 school problems in words, one iteration.',
    config: { ...chat, ...quickChat, preset: 'gsm8k-quick' },
  },
  gsm8k: {
    title: 'GSM8K',
    description: "For an instruct model: school problems at the size of the paper's table 1, many hours in a tab.",
    config: chat,
  },
};
