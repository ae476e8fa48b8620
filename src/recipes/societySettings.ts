/** Settings and presets of the society's recipes. */
import { RUN_LIMITS } from '../engine/limits';
import type { ConfigOf, RunConfig } from './config';
import { ConfigurationError } from './errors';
import { presetsFor, type PresetName } from './presets';
import { checkGuards, DATA_GUARDS, STOP_GUARD } from './guards';
import { choice, flag, integer, number } from './readers';
import { minimumVotesRow, startFromRow, summaryRow } from './rows';
import { steps, type SettingTable } from './settings';
import { checkReading, ONE_ROUND, QUESTIONS } from './societyQuestions';
import { checkStart, START_SETTINGS } from './startSettings';
import type { Preset } from './types';
import { UPDATE_GROUPS, UPDATE_RULES } from './updateRules';
import { checkWording, WORDING } from './wordingSettings';

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
    steps: steps(2, 3, 4, 5, 6, 10),
    section: 'main',
    paper: 3,
  },
  rounds: {
    reader: integer(1, RUN_LIMITS.rounds.max),
    label: 'Debate rounds',
    symbol: 'M',
    line: 'From round 2 on, agents read the others and revise.',
    steps: steps(1, 2, 3, 4, 10),
    section: 'main',
    paper: 2,
  },
  summary: summaryRow(
    'What critics read of the others',
    'The paper lets the untouched model summarise. As they are is quicker, and longer to read.',
    'base-model',
  ),
  minimumVotes: minimumVotesRow('With fewer agreeing agents nobody learns from the problem.'),
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
  startFrom: startFromRow('agent', 'The agent as it is now, or the untouched model again.', 'current'),
  ...START_SETTINGS,
  singleAgentBaseline: {
    reader: flag(),
    label: 'Compare with one model',
    line: 'One model learns from its own majority answers on the same problems.',
    section: 'expert',
    paper: true,
  },
  'single.steps': {
    reader: integer(0, RUN_LIMITS.agents.max),
    label: 'Steps of the one model',
    line: 'How many times the optimiser steps of one generator it takes. 0 = as many as its examples give.',
    steps: [
      { value: 0, label: 'as many as its examples give' },
      { value: 1, label: 'those of one agent' },
      { value: 3, label: 'three times those' },
    ],
    section: 'expert',
    paper: 0,
    absent: 0,
  },
  ...QUESTIONS,
  ...WORDING,
  ...DATA_GUARDS,
  ...STOP_GUARD,
  'update.rule': {
    reader: choice(...UPDATE_RULES),
    label: 'Update rule',
    line: 'What agents learn from the same transcripts: the majority’s answers, majority before minority, or signed weights.',
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
  'update.group': {
    reader: choice(...UPDATE_GROUPS),
    label: 'Advantage of a revision',
    line: 'For signed weights: over the same agent’s first answer, or over all revisions of the round, whose prompts differ.',
    steps: [
      { value: 'prompt', label: 'over its own first answer' },
      { value: 'round', label: 'over all of its round' },
    ],
    section: 'expert',
    absent: 'prompt',
  },
  'update.beta': {
    reader: number(0, 100, 'above'),
    label: 'Pull to the reference',
    symbol: 'β',
    line: 'For DPO and KTO. A larger value keeps the agent closer to the untouched model.',
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

const { 'guard.stop': _g, ...withoutStop } = SETTINGS;
/** Of recipes that make something of the society after its last iteration. */
export const SETTINGS_TO_THE_END = withoutStop;

const { labels: _, 'guard.majority': _m, ...goldSettings } = SETTINGS;
/** Of a society whose labels are true answers: they need no majority. */
export const GOLD_SETTINGS: SettingTable = goldSettings;

const { critics: _c, reads: _w, labels: _l, 'update.group': _u, ...aloneSettings } = SETTINGS;
const { 'saboteur.seats': _s, 'saboteur.says': _a, ...withoutSaboteurs } = aloneSettings;
/** Of agents that learn alone: nobody reads anybody, so there is one round and nothing to ask of a debate. */
export const ALONE_SETTINGS: SettingTable = {
  ...withoutSaboteurs,
  rounds: {
    ...SETTINGS.rounds,
    reader: integer(1, 1),
    line: 'Agents that learn alone read nobody: they answer once and vote.',
    steps: steps(1),
    section: 'expert',
  },
};

/**
 * Labels need two agreeing agents instead of any winner, because with a base this small the winner of a 1-1-1 tie is wrong more often
 * than right; w = 1/2 (the paper does not give its value); N, M from the paper, and in words summaries by the base model.
 * @param own settings of a variant
 */
export const presets = (id: string, own: Partial<Config> = {}): Record<string, Preset<Config>> => {
  const shared = presetsFor<Config>(id, (preset, inWords) => ({ ...ownSettings(preset, inWords), ...own }), {
    'arithmetic-tiny': 2,
    'arithmetic-quick': 2,
  });
  return { ...shared, ...startingApart(shared), ...collapsing(shared, own) };
};

/**
 * How a society agrees itself into one strategy and its mistakes: any winner of a vote is a label, steps are large, and all agents are alike.
 * `guard.stop` ends it near its best. Of the seeds that were tried, seed 1 shows it best (docs/what-replicates.md).
 */
function collapsing(
  { strategies: { config } }: Record<PresetName, Preset<Config>>,
  own: Partial<Config>,
): Record<string, Preset<Config>> {
  const preset = 'strategies-collapse';
  const few = {
    seed: 1,
    trainProblems: 80,
    evaluationProblems: 100,
    singleAgentBaseline: false,
    reading: 'written' as const,
  };
  return {
    [preset]: {
      title: 'Strategies, collapse',
      description:
        'Agents agree more and more and are right less and less, since any winner becomes a label. A guard can end it.',
      revision: 1,
      config: { ...config, preset, ...few, ...own, finetune: { ...config.finetune, lr: 4e-3 } },
    },
  };
}

/** The presets of strategies once more, with agents that start apart. */
function startingApart(shared: Record<PresetName, Preset<Config>>): Record<string, Preset<Config>> {
  const names = ['strategies-tiny', 'strategies-quick', 'strategies'] as const;
  return Object.fromEntries(
    names.map((name): [string, Preset<Config>] => {
      const { title, description, config } = shared[name];
      const preset = name.replace('strategies', 'strategies-apart');
      const start = { diversity: 0.9, ...(name === 'strategies-tiny' && { problems: 24, steps: 10 }) };
      return [
        preset,
        {
          title: title.replace('Strategies', 'Strategies, apart'),
          description: description.replace('all agents alike at the start', 'each agent with a strategy of its own'),
          revision: 1,
          config: { ...config, preset, start },
        },
      ];
    }),
  );
}

/** A preset's values of the society's settings. */
export function ownSettings(preset: PresetName, inWords: boolean): Omit<Config, keyof RunConfig> {
  return {
    agents: 3,
    // Strategies differ in first answers; critics read answers alone, which do not show them.
    rounds: preset.startsWith('strategies') ? 1 : 2,
    criticShare: 0.5,
    minimumVotes: 2,
    startFrom: 'current',
    singleAgentBaseline: !(inWords && preset.endsWith('quick')),
    ...(inWords ? { summary: 'base-model' } : preset !== 'arithmetic' && { evaluate: { single: 'last' } }),
  };
}

/** @throws ConfigurationError for settings that do not go together */
export function check(config: Config): void {
  const { agents, rounds, minimumVotes, saboteur } = config;
  checkStart(config);
  checkGuards(config);
  checkWording(config);
  checkIdle(config);
  if (agents === 1 && rounds > 1) {
    throw new ConfigurationError('agents', 'one agent has nobody to debate with; use at least 2, or rounds=1');
  }
  if (minimumVotes > agents) {
    throw new ConfigurationError('minimumVotes', `${minimumVotes} of ${agents} agents can never agree`);
  }
  if ((saboteur?.seats ?? 0) >= agents)
    throw new ConfigurationError('saboteur.seats', `${saboteur?.seats} of ${agents} agents leave nobody to learn`);
}

/** @throws ConfigurationError for a setting that others leave without any effect */
function checkIdle({ rounds, critics, reads, saboteur, single, singleAgentBaseline, update }: Config): void {
  const refuse = (key: string, why: string): never => {
    throw new ConfigurationError(key, why);
  };
  checkReading({ rounds, reads, saboteur });
  if (rounds === 1 && critics === false) refuse('critics', ONE_ROUND);
  if (single && !singleAgentBaseline)
    refuse(
      'single.steps',
      'is about the one model beside the society; use singleAgentBaseline=true, or single.steps=0',
    );
  const { rule = 'sft' } = update ?? {};
  if (update?.beta !== undefined && rule !== 'dpo' && rule !== 'kto')
    refuse('update.beta', `is not read by update.rule=${rule}; choose dpo or kto, or leave it out`);
  if (update?.group !== undefined && rule !== 'advantage')
    refuse('update.group', `is not read by update.rule=${rule}; choose advantage, or leave it out`);
  if (update?.group !== undefined && (rounds === 1 || critics === false))
    refuse('update.group', 'is about revisions, and nobody learns from one here; use critics and at least rounds=2');
}
