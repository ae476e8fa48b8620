/** Presets: complete configurations to start from. Every recipe has them, with settings of its own in them. */
import { PROJECTIONS } from '../engine/types';
import type { RunConfig } from './config';
import type { Preset } from './types';

/** Folder of the default model that comes with the lab. */
export const EMBEDDED_MODEL = 'arithmetic-0.4m';
/** Folder of the model of sums by strategies. */
export const STRATEGIES_MODEL = 'strategies-0.25m';

/** Its larger sibling, with the same vocabulary: a strong student, or a teacher. */
export const LARGER_STRATEGIES_MODEL = 'strategies-0.6m';

/** The models that come with the lab, the first of a task before its larger siblings. Each speaks the compact dialect of one task only. */
export const EMBEDDED_MODELS: readonly { folder: string; label: string; task: string }[] = [
  { folder: EMBEDDED_MODEL, label: 'Arithmetic 0.4M', task: 'arithmetic' },
  { folder: STRATEGIES_MODEL, label: 'Strategies 0.25M', task: 'strategies' },
  { folder: LARGER_STRATEGIES_MODEL, label: 'Strategies 0.6M', task: 'strategies' },
];

/** The embedded model of this name; undefined for models from elsewhere. */
export function embeddedModel(name: string): (typeof EMBEDDED_MODELS)[number] | undefined {
  return EMBEDDED_MODELS.find(({ folder }) => folder === name);
}

type Shared = Omit<RunConfig, 'recipe' | 'preset'>;

/**
 * The paper's experiment (arXiv 2501.05707) with this lab's deviations: LoRA on a frozen base instead of full finetuning (many models
 * in one model's memory), so a far higher learning rate.
 */
const compact: Shared = {
  model: EMBEDDED_MODEL,
  task: 'arithmetic',
  seed: 0,
  iterations: 5,
  trainProblems: 500,
  evaluationProblems: 500,
  problems: 'same',
  sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 64 },
  adapter: { rank: 8, alpha: 16, targets: [...PROJECTIONS] },
  finetune: { lr: 5e-4, schedule: 'linear', warmup: 0, epochs: 2, batchSize: 16, clip: 1 },
  chunk: 50,
};

/** With few problems an iteration has few steps: they must be larger to be seen. */
const fewSteps: Shared['finetune'] = { ...compact.finetune, lr: 3e-3 };

/**
 * The experiment in which the question is open: do agents specialise? Sizes from a trial on a like model: 200 new problems an iteration, one
 * round of answers, some twenty steps of 16. New problems, because an agent that repeats the same ones learns them by heart.
 */
const strategies: Shared = {
  ...compact,
  model: STRATEGIES_MODEL,
  task: 'strategies',
  iterations: 8,
  trainProblems: 200,
  evaluationProblems: 400,
  problems: 'fresh',
  sampling: { ...compact.sampling, maxTokens: 24 },
  finetune: { ...compact.finetune, lr: 2e-3, epochs: 3 },
};

/** Of preferences on sums by strategies: with the steps of answers the policy unlearns to answer. */
export const STRATEGIES_PREFERENCES: Shared['finetune'] = { ...strategies.finetune, lr: 5e-4 };

/**
 * The paper's experiment for instruct models of about half a billion parameters. From the paper: the number of problems (section 3), one
 * iteration (its tables; only its figure 1 has five). From the released code: temperature 1, top-p 0.9, two epochs, a cosine with 3 %
 * warm-up (lm_ft/ft.sh). Ours: LoRA of rank 8 instead of full finetuning, so 2e-4 instead of 1e-5; batches of 16 instead of 192, so that
 * some hundred examples are more than four steps; int4 weights and fewer tokens than the code's 2,048, so that it fits a tab. The
 * model is chosen by the visitor: the embedded one cannot write these prompts.
 */
const chat: Shared = {
  ...compact,
  dtype: 'int4',
  task: 'gsm8k',
  iterations: 1,
  // Half a billion parameters write GSM8K's solutions in 100 to 250 tokens; a runaway is cut here.
  sampling: { temperature: 1, topK: 0, topP: 0.9, maxTokens: 384 },
  finetune: { lr: 2e-4, schedule: 'cosine', warmup: 0.03, epochs: 2, batchSize: 16, clip: 1 },
  chunk: 10,
};

/**
 * Ours: a tenth of the problems. Some 25 examples for each adapter make about twelve steps of four: fewer and they would not be seen, so
 * each is larger.
 */
const fewChat = {
  trainProblems: 50,
  evaluationProblems: 50,
  finetune: { ...chat.finetune, lr: 5e-4, batchSize: 4 },
} satisfies Partial<Shared>;

/** Ours: four steps in words are shorter than a school problem's solution. */
const arithmeticChat = {
  task: 'arithmetic-chat',
  sampling: { ...chat.sampling, maxTokens: 256 },
} satisfies Partial<Shared>;

const SHARED_PRESETS = {
  'arithmetic-tiny': {
    title: 'Arithmetic, tiny',
    description: 'Every step of the method once; too few problems to show a gain.',
    config: { ...compact, iterations: 1, trainProblems: 24, evaluationProblems: 24, finetune: fewSteps, chunk: 12 },
  },
  'arithmetic-quick': {
    title: 'Arithmetic, quick',
    description: 'Three iterations on 100 problems: minutes on a computer without a GPU.',
    config: { ...compact, iterations: 3, trainProblems: 100, evaluationProblems: 100, finetune: fewSteps },
  },
  arithmetic: {
    title: 'Arithmetic',
    description: "The paper's size: 500 training and 500 held-out problems, 5 iterations.",
    config: compact,
  },
  'strategies-tiny': {
    title: 'Strategies, tiny',
    description: 'Every step of the method once on sums by three strategies; too few problems to show anything.',
    config: { ...strategies, iterations: 1, trainProblems: 24, evaluationProblems: 24, chunk: 12 },
  },
  'strategies-quick': {
    title: 'Strategies, quick',
    description: 'Sums by three strategies, three iterations of 100 new problems, all agents alike at the start.',
    config: { ...strategies, iterations: 3, trainProblems: 100, evaluationProblems: 100 },
  },
  strategies: {
    title: 'Strategies',
    description: 'Sums by three strategies, eight iterations of 200 new problems, all agents alike at the start.',
    config: strategies,
  },
  'arithmetic-chat-quick': {
    title: 'Arithmetic in words, quick',
    description: 'For an instruct model: 50 problems with numbers to 29, one iteration.',
    config: { ...chat, ...arithmeticChat, ...fewChat },
  },
  'arithmetic-chat': {
    title: 'Arithmetic in words',
    description: "For an instruct model: the paper's arithmetic at the size of its table 1, hours in a tab.",
    config: { ...chat, ...arithmeticChat },
  },
  'gsm8k-quick': {
    title: 'GSM8K, quick',
    description: 'For an instruct model: 50 school problems in words, one iteration.',
    config: { ...chat, ...fewChat },
  },
  gsm8k: {
    title: 'GSM8K',
    description: "For an instruct model: school problems at the size of the paper's table 1, many hours in a tab.",
    config: chat,
  },
} satisfies Record<string, { title: string; description: string; config: Shared }>;

export type PresetName = keyof typeof SHARED_PRESETS;
export const PRESET_NAMES = Object.keys(SHARED_PRESETS) as PresetName[];

/** Revisions of a recipe whose presets of sums by strategies were changed once. */
export const STRATEGIES_REVISED = { 'strategies-tiny': 2, 'strategies-quick': 2, strategies: 2 } as const;

/**
 * The shared presets with a recipe's own settings in them.
 * @param own by preset
 * @param revisions of presets that were changed since their first version
 */
export function presetsFor<C extends RunConfig>(
  recipe: string,
  own: (preset: PresetName, inWords: boolean) => Omit<C, keyof RunConfig> & Partial<Shared>,
  revisions: Partial<Record<PresetName, number>> = {},
): Record<PresetName, Preset<C>> {
  const entries = PRESET_NAMES.map((name) => {
    const { title, description, config }: (typeof SHARED_PRESETS)[PresetName] & { config: Shared } =
      SHARED_PRESETS[name];
    const inWords = config.dtype !== undefined;
    const whole = { recipe, preset: name, ...config, ...own(name, inWords) } as unknown as C;
    return [name, { title, description, revision: revisions[name] ?? 1, config: whole }];
  });
  return Object.fromEntries(entries) as Record<PresetName, Preset<C>>;
}
