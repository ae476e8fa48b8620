/** Configurations from a preset and overrides, and the check of a whole configuration: all by the recipe's table of settings. */
import { checkLimit, RUN_LIMITS } from '../engine/limits';
import { isFileTask, taskNamed } from '../tasks';
import { checkSeats } from './abilities';
import type { RunConfig } from './config';
import { ConfigurationError } from './errors';
import { DEFAULT_RECIPE, recipeNamed, recipes } from './index';
import { EMBEDDED_MODELS, embeddedModel } from './presets';
import { text } from './readers';
import { checkSecondModel } from './secondModel';
import type { Scalar, Setting, SettingTable } from './settings';
import { SHARED_SETTINGS } from './sharedSettings';
import type { Recipe } from './types';

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

/** The settings of a recipe by dotted key: its own first, as people look for them, then the shared ones. */
export function settingsOf(recipe: Pick<Recipe, 'settings'>): SettingTable {
  return { ...recipe.settings, ...SHARED_SETTINGS };
}

/** Keys of settings, in the order of `settingsOf`. */
export function settingKeys(recipe: Pick<Recipe, 'settings'>): string[] {
  return Object.keys(settingsOf(recipe));
}

/**
 * The configuration of a preset with some settings changed.
 * @param overrides dotted key → value, as text (from a command line or a link) or as what it is: `finetune.lr=0.003`,
 * `adapter.targets=q_proj,v_proj`, `finetune.clip=none`. A preset made for one dialect takes the other's defaults
 * (`CHAT_DEFAULTS`, `COMPACT_DEFAULTS`) when its task is changed to one of that dialect.
 * @throws ConfigurationError that names the key and what it accepts.
 */
export function resolveConfig(
  preset: string,
  overrides: Readonly<Record<string, Scalar>> = {},
  recipeId = DEFAULT_RECIPE,
): RunConfig {
  const recipe = recipeNamed(recipeId);
  const start = Object.hasOwn(recipe.presets, preset) ? recipe.presets[preset] : undefined;
  if (!start)
    throw new ConfigurationError(
      'preset',
      `"${preset}" is unknown; there are ${Object.keys(recipe.presets).join(', ')}`,
    );
  const table = settingsOf(recipe);
  const config = structuredClone(start.config);
  for (const [key, value] of Object.entries(overrides)) {
    const setting = settingAt(table, key);
    if (!setting) throw noSetting(recipe, table, key);
    put(config, key, setting.reader.read(key, value));
  }
  if (speaksChat(config) !== speaksChat(start.config)) {
    for (const [key, value] of Object.entries(speaksChat(config) ? CHAT_DEFAULTS : COMPACT_DEFAULTS)) {
      if (Object.hasOwn(overrides, key) || !Object.hasOwn(table, key)) continue;
      if (value === null) delete (config as unknown as Record<string, unknown>)[key];
      else put(config, key, value);
    }
  }
  // A model that comes with the lab knows one task; with another task of its kind comes another model.
  const own = EMBEDDED_MODELS.find((model) => model.task === config.task);
  const isEmbedded = embeddedModel(config.model) !== undefined;
  if (own && isEmbedded && !Object.hasOwn(overrides, 'model')) config.model = own.folder;
  // So does a second one.
  const second = recipe.secondModel?.(config);
  const known = second && embeddedModel(second.model);
  if (second && known && known.task !== config.task && !Object.hasOwn(overrides, second.key))
    remove(config, second.key);
  leaveOutAbsent(table, config);
  checkTogether(recipe, table, config);
  return config;
}

/**
 * Checks a configuration from outside (a bundle, a link, a stored run).
 * @throws ConfigurationError that names the first key that is missing, unknown or wrong.
 */
export function checkConfig(value: unknown): RunConfig {
  if (!isRecord(value)) throw new ConfigurationError('config', 'is not an object');
  const recipe = recipeNamed(String(value['recipe']));
  const table = settingsOf(recipe);
  const config: Record<string, unknown> = { recipe: recipe.id, preset: text().read('preset', value['preset']) };
  for (const [key, { reader, absent }] of Object.entries(table)) {
    if (absent === undefined) put(config, key, reader.read(key, get(value, key)));
  }
  for (const key of dottedKeys(value)) {
    if (key === 'recipe' || key === 'preset') continue;
    const setting = settingAt(table, key);
    if (!setting) throw new ConfigurationError(key, 'is not a setting');
    if (setting.absent !== undefined) put(config, key, setting.reader.read(key, get(value, key)));
  }
  const checked = config as unknown as RunConfig;
  leaveOutAbsent(table, checked);
  checkTogether(recipe, table, checked);
  return checked;
}

/** The settings of `config` that differ from its preset's, by dotted key. */
export function differences(config: RunConfig): Record<string, unknown> {
  const recipe = recipeNamed(config.recipe);
  const preset = recipe.presets[config.preset]?.config;
  const result: Record<string, unknown> = {};
  for (const key of settingKeys(recipe)) {
    const value = settingOf(config, key);
    if (value === undefined) continue;
    const usual = settingOf(preset ?? { ...config, [key]: undefined }, key);
    if (JSON.stringify(usual) !== JSON.stringify(value)) result[key] = value;
  }
  return result;
}

/** A setting's value by its dotted key, also when it is left out at its default; undefined when the configuration has none. */
export function settingOf(config: RunConfig, key: string): unknown {
  const value = get(config, key);
  if (value !== undefined) return value;
  return settingAt(settingsOf(recipeNamed(config.recipe)), key)?.absent ?? undefined;
}

/** A setting of other recipes names them; one of nobody's is told what there is. */
function noSetting({ id }: Recipe, table: SettingTable, key: string): ConfigurationError {
  const owners = recipes().flatMap((other) => (Object.hasOwn(other.settings, key) ? [other.id] : []));
  const rest =
    owners.length > 0 ? ` of ${id}, but of ${owners.join(', ')}` : `; there are ${Object.keys(table).join(', ')}`;
  return new ConfigurationError(key, `is not a setting${rest}`);
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a row is read by its own reader
function settingAt(table: SettingTable, key: string): Setting<any> | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Optional settings are left out at their default, so that logs from before they existed keep their digests. */
function leaveOutAbsent(table: SettingTable, config: RunConfig): void {
  for (const [key, { absent }] of Object.entries(table)) {
    if (absent !== undefined && absent !== null && get(config, key) === absent) remove(config, key);
  }
}

function checkTogether(recipe: Recipe, table: SettingTable, config: RunConfig): void {
  recipe.check?.(config);
  checkSize(recipe, config);
  checkSeats(recipe, config);
  checkSecondModel(recipe, config);
  const { task, data } = config;
  const inWords = speaksChat(config);
  for (const [key, setting] of Object.entries(table)) {
    if (!setting.chat || setting.absent !== null) continue;
    const value = get(config, key);
    if (!inWords && value !== undefined) {
      throw new ConfigurationError(key, `${task} has none: agents read each other's final answers`);
    }
    if (inWords && value === undefined) {
      const { accepts } = setting.reader;
      const choices = accepts.type === 'choice' ? accepts.choices.join(' or ') : 'a value';
      throw new ConfigurationError(key, `is missing: ${task} needs ${choices}`);
    }
  }
  if (taskNamed(task).ungraded && !recipe.ungraded) {
    const able = recipes().flatMap(({ id, ungraded }) => (ungraded ? [id] : []));
    throw new ConfigurationError(
      'task',
      `${task} has no true answers, and ${recipe.id} is evaluated by them; choose the recipe ${able.join(' or ')}, or a task with answers`,
    );
  }
  const own = embeddedModel(config.model);
  if (own && !inWords && own.task !== task) {
    throw new ConfigurationError('model', `${own.folder} knows task ${own.task} only; choose another for task ${task}`);
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

/** Settings that are each within their range may together ask for more than any device does in a lifetime. */
function checkSize(recipe: Recipe, config: RunConfig): void {
  let calls = 0;
  let sequences = 0;
  for (const work of recipe.cost(config).work) {
    if (work.kind === 'episodes') calls += work.calls;
    // At most all responses are learnt; half of them are expected to be.
    else if (work.kind === 'train') sequences += 2 * (work.solve + work.revise) * config.finetune.epochs;
  }
  const refuse = (key: string) => (problem: string) => new ConfigurationError(key, problem);
  checkLimit(calls, RUN_LIMITS.responses, refuse('problems × iterations × seats × rounds'));
  checkLimit(sequences, RUN_LIMITS.trainedSequences, refuse('finetune.epochs × iterations × trainProblems'));
}

/** Is the configuration's task asked in words? */
export function speaksChat({ task }: Pick<RunConfig, 'task'>): boolean {
  return taskNamed(task).dialect === 'chat';
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

/** Takes a setting out, and the object around it when nothing else is left there. */
function remove(from: object, key: string): void {
  const [first = '', ...rest] = key.split('.');
  const fields = from as Record<string, unknown>;
  const inner = fields[first];
  if (rest.length > 0 && isRecord(inner)) remove(inner, rest.join('.'));
  if (rest.length === 0 || (isRecord(inner) && Object.keys(inner).length === 0)) delete fields[first];
}

function dottedKeys(value: Record<string, unknown>, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, item]) =>
    isRecord(item) ? dottedKeys(item, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}
