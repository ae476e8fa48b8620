/** Settings and presets of the society's recipes. */
import { RUN_LIMITS } from '../engine/limits';
import type { ConfigOf } from './config';
import { ConfigurationError } from './errors';
import { presetsFor } from './presets';
import { choice, flag, integer, number } from './readers';
import { steps, type SettingTable } from './settings';
import { UPDATE_RULES } from './updateRules';

const EVALUATIONS = [
  { value: 'every', label: 'after every iteration' },
  { value: 'last', label: 'after the last iteration' },
] as const;

export const SETTINGS = {
  agents: {
    reader: integer(1, RUN_LIMITS.agents.max),
    label: 'Agents',
    symbol: 'N',
    line: 'Who debate. Each gets a generator and a critic of its own.',
    steps: steps(2, 3, 4, 5, 6),
    section: 'main',
    paper: 3,
  },
  rounds: {
    reader: integer(1, RUN_LIMITS.rounds.max),
    label: 'Debate rounds',
    symbol: 'M',
    line: 'From round 2 on, agents read the others and revise.',
    steps: steps(1, 2, 3, 4),
    section: 'main',
    paper: 2,
  },
  summary: {
    reader: choice('concatenate', 'base-model'),
    label: 'What critics read of the others',
    line: 'The paper lets the untouched model summarise. As they are is quicker, and longer to read.',
    steps: [
      { value: 'base-model', label: 'a summary of them' },
      { value: 'concatenate', label: 'the responses as they are' },
    ],
    section: 'expert',
    paper: 'base-model',
    chat: true,
    absent: null,
  },
  minimumVotes: {
    reader: integer(1, RUN_LIMITS.agents.max),
    label: 'Votes a label needs',
    line: 'With fewer agreeing agents nobody learns from the problem.',
    steps: steps(1, 2, 3, 4, 5, 6),
    section: 'expert',
    paper: 1,
  },
  criticShare: {
    reader: number(0, 1),
    label: 'Share of corrections',
    symbol: 'w',
    line: 'Part of a critic’s examples that are corrected answers (C−). The paper gives no value.',
    steps: [
      { value: 0, label: '0: kept answers only' },
      { value: 0.25, label: '1/4' },
      { value: 0.5, label: '1/2' },
      { value: 0.75, label: '3/4' },
      { value: 1, label: '1: corrections only' },
    ],
    section: 'expert',
  },
  startFrom: {
    reader: choice('current', 'base'),
    label: 'Finetuning starts from',
    line: 'The agent as it is now, or the untouched model again.',
    steps: [
      { value: 'current', label: 'the current agent' },
      { value: 'base', label: 'the untouched model' },
    ],
    section: 'expert',
    paper: 'current',
  },
  singleAgentBaseline: {
    reader: flag(),
    label: 'Compare with one model',
    line: 'One model learns from its own majority answers on the same problems.',
    section: 'expert',
    paper: true,
  },
  'update.rule': {
    reader: choice(...UPDATE_RULES),
    label: 'Update rule',
    line: 'What agents learn from the same transcripts: agreement alone, majority over minority, or signed weights.',
    steps: [
      { value: 'sft', label: 'finetuning on agreement' },
      { value: 'dpo', label: 'preferences (DPO)' },
      { value: 'kto', label: 'wanted and unwanted (KTO)' },
      { value: 'advantage', label: 'signed weights (advantage)' },
    ],
    section: 'expert',
    paper: 'sft',
    absent: 'sft',
  },
  'update.beta': {
    reader: number(0, 100, 'above'),
    label: 'Pull to the reference',
    symbol: 'β',
    line: 'Of DPO and KTO. A larger value keeps the agent closer to the untouched model.',
    section: 'expert',
    absent: 0.1,
  },
  'evaluate.society': {
    reader: choice('every', 'last'),
    label: 'Test the society',
    line: 'After every iteration, or after the last one only. Tests are more than half of the work.',
    steps: EVALUATIONS,
    section: 'expert',
    paper: 'every',
    absent: 'every',
  },
  'evaluate.single': {
    reader: choice('every', 'last'),
    label: 'Test the single model',
    line: 'After every iteration, or after the last one only. Iterations without a test are gaps in the plots.',
    steps: EVALUATIONS,
    section: 'expert',
    paper: 'every',
    absent: 'every',
  },
} as const satisfies SettingTable;

export type Config = ConfigOf<typeof SETTINGS>;

/**
 * Labels need two agreeing agents instead of any winner, because with a base this small the winner of a 1-1-1 tie is wrong more often
 * than right; w = 1/2 (the paper does not give its value); N, M from the paper, and in words summaries by the base model.
 */
export const presets = (id: string) =>
  presetsFor<Config>(
    id,
    (preset, inWords) => ({
      agents: 3,
      rounds: 2,
      criticShare: 0.5,
      minimumVotes: 2,
      startFrom: 'current',
      singleAgentBaseline: !(inWords && preset.endsWith('quick')),
      ...(inWords ? { summary: 'base-model' } : preset !== 'arithmetic' && { evaluate: { single: 'last' } }),
    }),
    { 'arithmetic-tiny': 2, 'arithmetic-quick': 2 },
  );

/** @throws ConfigurationError for settings that do not go together */
export function check({ agents, rounds, minimumVotes }: Config): void {
  if (agents === 1 && rounds > 1) {
    throw new ConfigurationError('agents', 'one agent has nobody to debate with; use at least 2, or rounds=1');
  }
  if (minimumVotes > agents) {
    throw new ConfigurationError('minimumVotes', `${minimumVotes} of ${agents} agents can never agree`);
  }
}
