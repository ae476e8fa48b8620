/** The settings of a run in discrete steps, each with a line of what it does and the paper's value. */
import type { ExperimentConfig } from '../recipes/config';
import { settingOf } from '../recipes/resolve';
import { bytesText } from './bytes';

export type SettingValue = string | number | boolean;

export interface SettingField {
  /** Dotted key of the configuration. */
  key: string;
  label: string;
  /** Its letter in the paper. */
  symbol?: string;
  /** What it does, in a line. */
  line: string;
  options: readonly { value: SettingValue; label: string }[];
  /** The paper's value where it has one that can be chosen here. */
  paper?: SettingValue;
}

const numbers = (...values: number[]) => values.map((value) => ({ value, label: String(value) }));
const PROBLEMS = numbers(1, 3, 6, 12, 24, 50, 100, 200, 500, 1000);

export const MAIN_FIELDS: readonly SettingField[] = [
  {
    key: 'agents',
    label: 'Agents',
    symbol: 'N',
    line: 'Who debate. Each gets a generator and a critic of its own.',
    options: numbers(2, 3, 4, 5, 6),
    paper: 3,
  },
  {
    key: 'rounds',
    label: 'Debate rounds',
    symbol: 'M',
    line: 'From round 2 on, agents revise after reading the others.',
    options: numbers(1, 2, 3, 4),
    paper: 2,
  },
  {
    key: 'iterations',
    label: 'Iterations',
    symbol: 'L',
    line: 'How often the society debates, learns and is tested.',
    options: numbers(1, 2, 3, 5, 8),
    paper: 5,
  },
  {
    key: 'trainProblems',
    label: 'Training problems',
    line: 'Debated in each iteration to learn from.',
    options: PROBLEMS,
    paper: 500,
  },
  {
    key: 'evaluationProblems',
    label: 'Held-out problems',
    line: 'For testing only. Many make small gains visible.',
    options: PROBLEMS,
    paper: 500,
  },
];

export const ADVANCED_FIELDS: readonly SettingField[] = [
  {
    key: 'minimumVotes',
    label: 'Votes a label needs',
    line: 'With fewer agreeing agents nobody learns from the problem.',
    options: numbers(1, 2, 3, 4, 5, 6),
    paper: 1,
  },
  {
    key: 'criticShare',
    label: 'Share of corrections',
    symbol: 'w',
    line: 'Part of a critic’s examples that are corrected answers (C−). The paper gives no value.',
    options: [
      { value: 0, label: '0: kept answers only' },
      { value: 0.25, label: '1/4' },
      { value: 0.5, label: '1/2' },
      { value: 0.75, label: '3/4' },
      { value: 1, label: '1: corrections only' },
    ],
  },
  {
    key: 'sampling.temperature',
    label: 'Temperature',
    line: 'Chance in the answers. Without it all agents would say the same.',
    options: numbers(0.3, 0.5, 0.7, 1, 1.3),
    paper: 1,
  },
  {
    key: 'problems',
    label: 'Problems of each iteration',
    line: 'New ones cannot be learnt by heart.',
    options: [
      { value: 'same', label: 'the same' },
      { value: 'fresh', label: 'new ones' },
    ],
    paper: 'same',
  },
  {
    key: 'startFrom',
    label: 'Finetuning starts from',
    line: 'The agent as it is now, or the untouched model again.',
    options: [
      { value: 'current', label: 'the current agent' },
      { value: 'base', label: 'the untouched model' },
    ],
    paper: 'current',
  },
  {
    key: 'finetune.lr',
    label: 'Learning rate',
    line: 'The paper finetunes all weights (about 1e−5); LoRA needs far more.',
    options: numbers(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01),
  },
  {
    key: 'finetune.epochs',
    label: 'Epochs',
    line: 'Passes over the examples in each iteration.',
    options: numbers(1, 2, 3, 4, 8),
    paper: 2,
  },
  {
    key: 'adapter.rank',
    label: 'Adapter rank',
    line: 'Size of the LoRA adapters. The paper has none: it copies the whole model.',
    options: numbers(2, 4, 8, 16, 32),
  },
];

/** Of real models a main setting; the embedded one is small in any format. */
export const WEIGHTS_FIELD: SettingField = {
  key: 'dtype',
  label: 'Weights',
  line: 'How the frozen model is kept on the GPU. Fewer bits take less memory and answer sooner, a little less exactly.',
  options: [
    { value: 'int4', label: '4 bits (int4)' },
    { value: 'int8', label: '8 bits (int8)' },
    { value: 'f16', label: '16 bits (f16)' },
    { value: 'f32', label: '32 bits (f32)' },
  ],
};

export const FIELDS: readonly SettingField[] = [...MAIN_FIELDS, WEIGHTS_FIELD, ...ADVANCED_FIELDS];

/** Of tasks in words only. */
export const CHAT_FIELDS: readonly SettingField[] = [
  {
    key: 'sampling.maxTokens',
    label: 'Longest response',
    line: 'In tokens. What is cut off has no answer; longer ones need more memory. The paper’s code allows 2,048.',
    options: numbers(8, 16, 32, 64, 128, 256, 384, 512, 768, 1024, 2048),
  },
  {
    key: 'summary',
    label: 'What critics read of the others',
    line: 'The paper lets the untouched model summarise. As they are is quicker, and longer to read.',
    options: [
      { value: 'base-model', label: 'a summary of them' },
      { value: 'concatenate', label: 'the responses as they are' },
    ],
    paper: 'base-model',
  },
];

/** The value under a dotted key. */
export function settingAt(config: ExperimentConfig, key: string): SettingValue {
  return settingOf(config, key) as SettingValue;
}

/** The steps of a field, with the value in force even when it is none of them. */
export function optionsOf(
  field: SettingField,
  value: SettingValue,
  agents: number,
): { value: SettingValue; label: string }[] {
  const possible = field.options.filter((option) => field.key !== 'minimumVotes' || Number(option.value) <= agents);
  const known = possible.some((option) => option.value === value);
  const all = known ? [...possible] : [...possible, { value, label: String(value) }];
  return all.map((option) => (option.value === field.paper ? { ...option, label: `${option.label} (paper)` } : option));
}

/** Bytes of JSON per sampled token in a log: its text, log-probability and margin (measured on committed runs). */
const LOG_BYTES_PER_TOKEN = 13;

export function logSizeText(generatedTokens: number): string {
  return bytesText(generatedTokens * LOG_BYTES_PER_TOKEN);
}
