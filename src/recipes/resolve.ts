/** Configurations from a preset and overrides, and the check of a whole configuration. */
import { CACHE_DTYPES, WEIGHT_DTYPES } from '../engine/types';
import { checkLimit, RUN_LIMITS } from '../engine/limits';
import { isFileTask, taskNamed, TASKS } from '../tasks';
import type { ExperimentConfig } from './config';
import { ConfigurationError } from './errors';
import { PRESETS } from './presets';
import { choice, flag, integer, names, number, orNone, projections, sha256, text, type Reader } from './readers';

type Scalar = string | number | boolean;

/** Every setting under its dotted key, with what it accepts. `recipe` and `preset` are not settings. */
const SETTINGS: Readonly<Record<string, Reader>> = {
  model: text(),
  task: choice(...TASKS.map((task) => task.name)),
  seed: integer(0, Number.MAX_SAFE_INTEGER),
  agents: integer(1, RUN_LIMITS.agents.max),
  rounds: integer(1, RUN_LIMITS.rounds.max),
  iterations: integer(0, RUN_LIMITS.iterations.max),
  trainProblems: integer(1, RUN_LIMITS.problems.max),
  evaluationProblems: integer(1, RUN_LIMITS.problems.max),
  problems: choice('same', 'fresh'),
  'sampling.temperature': number(0, 100),
  'sampling.topK': integer(0, 1_000_000),
  'sampling.topP': number(0, 1, 'above'),
  'sampling.maxTokens': integer(1, RUN_LIMITS.responseTokens.max),
  criticShare: number(0, 1),
  minimumVotes: integer(1, RUN_LIMITS.agents.max),
  startFrom: choice('current', 'base'),
  'adapter.rank': integer(1, RUN_LIMITS.rank.max),
  'adapter.alpha': number(0, 1e6, 'above'),
  'adapter.targets': projections(),
  'finetune.lr': number(0, 10),
  'finetune.schedule': choice('constant', 'linear', 'cosine'),
  'finetune.warmup': number(0, 1),
  'finetune.epochs': integer(1, RUN_LIMITS.epochs.max),
  'finetune.batchSize': integer(1, RUN_LIMITS.batch.max),
  'finetune.clip': orNone(number(0, 1e9, 'above')),
  singleAgentBaseline: flag(),
  chunk: integer(1, RUN_LIMITS.problems.max),
};

/** Settings that a configuration need not have: those of some tasks, and those that are left out at their default. */
const OPTIONAL_SETTINGS: Readonly<Record<string, Reader>> = {
  ignoreConfig: names(),
  dtype: choice(...WEIGHT_DTYPES),
  cache: choice('auto', ...CACHE_DTYPES),
  summary: choice('concatenate', 'base-model'),
  'data.name': text(),
  'data.sha256': sha256(),
};

/**
 * What a chat task starts from where a preset made for the compact dialect says something else: room for a chain of reasoning
 * in words, a learning rate for models a thousand times larger, and the paper's summaries and top-p.
 */
const CHAT_DEFAULTS: Readonly<Record<string, Scalar>> = {
  'sampling.maxTokens': 512,
  'sampling.topP': 0.9,
  'finetune.lr': 2e-4,
  summary: 'base-model',
};

/**
 * The other way round: room for a chain of numbers, the learning rate and sampling of the embedded model, whose weights are too small to
 * quantise, and no summaries. Null leaves a setting out.
 */
const COMPACT_DEFAULTS: Readonly<Record<string, Scalar | null>> = {
  'sampling.maxTokens': 64,
  'sampling.topP': 1,
  'finetune.lr': 5e-4,
  dtype: null,
  summary: null,
};

/** Keys of every configuration. */
export const SETTING_KEYS: readonly string[] = Object.keys(SETTINGS);

/** Keys that a configuration need not have. */
export const OPTIONAL_SETTING_KEYS: readonly string[] = Object.keys(OPTIONAL_SETTINGS);

/** Optional settings that are left out at this value, so that logs from before they existed keep their digests. */
const IMPLIED: Readonly<Record<string, Scalar>> = { dtype: 'f32', cache: 'auto' };

function readerOf(key: string): Reader | undefined {
  if (Object.hasOwn(SETTINGS, key)) return SETTINGS[key];
  return Object.hasOwn(OPTIONAL_SETTINGS, key) ? OPTIONAL_SETTINGS[key] : undefined;
}

/**
 * The configuration of a preset with some settings changed.
 * @param overrides dotted key → value, as text (from a command line or a link) or as what it is: `finetune.lr=0.003`,
 * `adapter.targets=q_proj,v_proj`, `finetune.clip=none`. A preset made for one dialect takes the other's defaults
 * (`CHAT_DEFAULTS`, `COMPACT_DEFAULTS`) when its task is changed to one of that dialect.
 * @throws ConfigurationError that names the key and what it accepts.
 */
export function resolveConfig(preset: string, overrides: Readonly<Record<string, Scalar>> = {}): ExperimentConfig {
  const start = Object.hasOwn(PRESETS, preset) ? PRESETS[preset] : undefined;
  if (!start)
    throw new ConfigurationError('preset', `"${preset}" is unknown; there are ${Object.keys(PRESETS).join(', ')}`);
  const config = structuredClone(start.config);
  for (const [key, value] of Object.entries(overrides)) {
    const reader = readerOf(key);
    if (!reader) {
      throw new ConfigurationError(
        key,
        `is not a setting; there are ${[...SETTING_KEYS, ...OPTIONAL_SETTING_KEYS].join(', ')}`,
      );
    }
    put(config, key, reader(key, value));
  }
  if (speaksChat(config) !== speaksChat(start.config)) {
    for (const [key, value] of Object.entries(speaksChat(config) ? CHAT_DEFAULTS : COMPACT_DEFAULTS)) {
      if (Object.hasOwn(overrides, key)) continue;
      if (value === null) delete (config as unknown as Record<string, unknown>)[key];
      else put(config, key, value);
    }
  }
  leaveOutImplied(config);
  checkTogether(config);
  return config;
}

/**
 * Checks a configuration from outside (a bundle, a link, a stored run).
 * @throws ConfigurationError that names the first key that is missing, unknown or wrong.
 */
export function checkConfig(value: unknown): ExperimentConfig {
  if (!isRecord(value)) throw new ConfigurationError('config', 'is not an object');
  if (value['recipe'] !== 'multiagent-finetuning') {
    throw new ConfigurationError('recipe', `"${String(value['recipe'])}" is unknown`);
  }
  const config: Record<string, unknown> = { recipe: value['recipe'], preset: text()('preset', value['preset']) };
  for (const [key, reader] of Object.entries(SETTINGS)) put(config, key, reader(key, get(value, key)));
  for (const key of dottedKeys(value)) {
    if (key === 'recipe' || key === 'preset' || Object.hasOwn(SETTINGS, key)) continue;
    const reader = readerOf(key);
    if (!reader) throw new ConfigurationError(key, 'is not a setting');
    put(config, key, reader(key, get(value, key)));
  }
  const checked = config as unknown as ExperimentConfig;
  leaveOutImplied(checked);
  checkTogether(checked);
  return checked;
}

/** The settings of `config` that differ from its preset's, by dotted key. */
export function differences(config: ExperimentConfig): Record<string, unknown> {
  const preset = PRESETS[config.preset]?.config;
  const result: Record<string, unknown> = {};
  for (const key of [...SETTING_KEYS, ...OPTIONAL_SETTING_KEYS]) {
    const value = settingOf(config, key);
    if (value === undefined) continue;
    const usual = preset ? settingOf(preset, key) : IMPLIED[key];
    if (JSON.stringify(usual) !== JSON.stringify(value)) result[key] = value;
  }
  return result;
}

/** A setting's value by its dotted key, also when it is left out at its default; undefined when the configuration has none. */
export function settingOf(config: ExperimentConfig, key: string): unknown {
  const value = get(config, key);
  return value === undefined ? IMPLIED[key] : value;
}

function leaveOutImplied(config: ExperimentConfig): void {
  const fields = config as unknown as Record<string, unknown>;
  for (const [key, value] of Object.entries(IMPLIED)) if (fields[key] === value) delete fields[key];
}

function checkTogether(config: ExperimentConfig): void {
  if (config.agents === 1 && config.rounds > 1) {
    throw new ConfigurationError('agents', 'one agent has nobody to debate with; use at least 2, or rounds=1');
  }
  if (config.minimumVotes > config.agents) {
    throw new ConfigurationError('minimumVotes', `${config.minimumVotes} of ${config.agents} agents can never agree`);
  }
  checkTaskSettings(config);
  checkProduct(config);
}

/** Settings that are each within their range may together ask for more than any device does in a lifetime. */
function checkProduct(config: ExperimentConfig): void {
  const { agents, rounds, iterations, trainProblems, finetune } = config;
  const { calls } = estimateWork(config);
  checkLimit(
    calls,
    RUN_LIMITS.responses,
    (problem) => new ConfigurationError('agents × rounds × iterations × problems', problem),
  );
  // A generator and, where there are revisions, a critic an agent, each with all its responses at most; and the single agent's.
  const tracks = agents * (rounds > 1 ? 2 : 1) + (config.singleAgentBaseline ? agents : 0);
  const sequences = trainProblems * tracks * iterations * finetune.epochs;
  checkLimit(
    sequences,
    RUN_LIMITS.trainedSequences,
    (problem) => new ConfigurationError('finetune.epochs × agents × iterations × trainProblems', problem),
  );
}

function checkTaskSettings(config: ExperimentConfig): void {
  const { task, data, summary } = config;
  if (!speaksChat(config) && summary !== undefined) {
    throw new ConfigurationError('summary', `${task} has none: agents read each other's final answers`);
  }
  if (speaksChat(config) && summary === undefined) {
    throw new ConfigurationError('summary', `is missing: ${task} needs concatenate or base-model`);
  }
  const reads = isFileTask(taskNamed(task));
  if (reads && data === undefined) {
    throw new ConfigurationError('task', `${task} takes its problems from a file; give one with --data FILE`);
  }
  if (!reads && data !== undefined) throw new ConfigurationError('data', `${task} makes its own problems`);
  if (data && (data.name === undefined || data.sha256 === undefined)) {
    throw new ConfigurationError('data', 'needs both name and sha256');
  }
}

function speaksChat({ task }: ExperimentConfig): boolean {
  return taskNamed(task).dialect === 'chat';
}

/** Rough lengths of word problems and short solutions in words, for models of half a billion parameters or more. */
export const CHAT_WORK: WorkAssumptions = {
  solvePrompt: 150,
  revisePrompt: 750,
  response: 250,
  usedGenerator: 0.5,
  usedCritic: 0.5,
};

/** What a run asks of the device, before it starts. */
export interface WorkEstimate {
  /** Responses, and summaries by a model. */
  calls: number;
  generatedTokens: number;
  /** Tokens of all training sequences, prompts included, over all epochs. */
  trainedTokens: number;
}

/** Lengths and shares that the estimate assumes. */
export interface WorkAssumptions {
  /** Tokens of a solve and of a revise prompt, chat template included. */
  solvePrompt: number;
  revisePrompt: number;
  /** Tokens of a response, end token included. */
  response: number;
  /** Share of responses that end up in a dataset. */
  usedGenerator: number;
  usedCritic: number;
}

/** Lengths as measured on the embedded model with N = 3; the shares are those of a base that is right half of the time. */
export const ARITHMETIC_WORK: WorkAssumptions = {
  solvePrompt: 13,
  revisePrompt: 22,
  response: 40,
  usedGenerator: 0.5,
  usedCritic: 0.5,
};

/** Work of a whole run, expected, not guaranteed: datasets depend on what the agents say. */
export function estimateWork(
  config: ExperimentConfig,
  assume: WorkAssumptions = speaksChat(config) ? CHAT_WORK : ARITHMETIC_WORK,
): WorkEstimate {
  const { agents, rounds, iterations, trainProblems, evaluationProblems, finetune } = config;
  const summaries = config.summary === 'base-model' ? agents * (rounds - 1) : 0;
  const debateCalls = agents * rounds + summaries;
  const teams = config.singleAgentBaseline ? 2 : 1;
  const trainingCalls = trainProblems * (debateCalls + (config.singleAgentBaseline ? agents : 0));
  const calls = evaluationProblems * debateCalls * (1 + teams * iterations) + trainingCalls * iterations;
  const responses = trainProblems * agents;
  const solve = assume.usedGenerator * (assume.solvePrompt + assume.response) * teams;
  const revise = rounds > 1 ? assume.usedCritic * (assume.revisePrompt + assume.response) : 0;
  return {
    calls,
    generatedTokens: Math.round(calls * Math.min(assume.response, config.sampling.maxTokens)),
    trainedTokens: Math.round(responses * (solve + revise) * finetune.epochs * iterations),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function get(from: unknown, key: string): unknown {
  let value: unknown = from;
  for (const part of key.split('.')) value = isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

function put(into: object, key: string, value: unknown): void {
  const parts = key.split('.');
  const last = parts.pop() as string;
  let target = into as Record<string, unknown>;
  for (const part of parts) target = (target[part] ??= {}) as Record<string, unknown>;
  target[last] = value;
}

function dottedKeys(value: Record<string, unknown>, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, item]) =>
    isRecord(item) ? dottedKeys(item, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}
