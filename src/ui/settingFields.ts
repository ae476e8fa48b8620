/** The fields of the form, made from a recipe's table of settings: nothing here knows a setting of a recipe. */
import type { RunConfig } from '../recipes/config';
import { settingOf, settingsOf, speaksChat } from '../recipes/resolve';
import type { Accepts } from '../recipes/readers';
import type { Scalar, Setting } from '../recipes/settings';
import type { Recipe } from '../recipes/types';
import { bytesText } from './bytes';

/** As an override of `resolveConfig`: lists are names with commas, and no number is "none". */
export type SettingValue = Scalar;

export interface Option {
  value: SettingValue;
  label: string;
}

export interface SettingField extends Pick<Setting<unknown>, 'label' | 'line' | 'symbol' | 'paper'> {
  /** Dotted key of the configuration. */
  key: string;
  section: 'main' | 'expert';
  /** Only tasks in words have it. */
  chat: boolean;
  accepts: Accepts;
  /** Values to choose from; null = a free value. */
  options: readonly Option[] | null;
}

/** Settings with a place of their own in the form. */
const PLACED: readonly string[] = ['model', 'ignoreConfig', 'task', 'data.name', 'data.sha256', 'seed', 'seats'];

/** All fields of a recipe: its own first, then the shared ones. A setting that names no section is for experts. */
export function fieldsOf(recipe: Pick<Recipe, 'settings'>): SettingField[] {
  return Object.entries(settingsOf(recipe))
    .filter(([key]) => !PLACED.includes(key))
    .map(([key, { label, line, symbol, paper, section = 'expert', chat = false, steps, reader }]) => ({
      key,
      label,
      line,
      section,
      chat,
      accepts: reader.accepts,
      options:
        steps?.map(({ value, label: own }) => ({ value, label: own ?? String(value) })) ?? choices(reader.accepts),
      ...(symbol !== undefined && { symbol }),
      ...(paper !== undefined && { paper }),
    }));
}

function choices(accepts: Accepts): Option[] | null {
  return accepts.type === 'choice' ? accepts.choices.map((value) => ({ value, label: value })) : null;
}

/** The value under a dotted key, as the form holds it; undefined when the configuration has none. */
export function settingAt(config: RunConfig, key: string): SettingValue | undefined {
  const value = settingOf(config, key);
  if (value === undefined) return undefined;
  if (value === null) return 'none';
  return Array.isArray(value) ? value.join(',') : (value as SettingValue);
}

/** What the form holds of a configuration: the fields that its task has. */
export function valuesOf(recipe: Pick<Recipe, 'settings'>, config: RunConfig): Record<string, SettingValue> {
  const fields = fieldsOf(recipe).filter(({ chat }) => speaksChat(config) || !chat);
  return Object.fromEntries(
    fields.flatMap(({ key }) => {
      const value = settingAt(config, key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

/** The values of another recipe's preset, but what was changed from the earlier preset's stays where both have the setting. */
export function carriedOver(
  values: Readonly<Record<string, SettingValue>>,
  earlier: Readonly<Record<string, SettingValue>>,
  preset: Readonly<Record<string, SettingValue>>,
): Record<string, SettingValue> {
  const changed = Object.entries(values).filter(([key, value]) => value !== earlier[key] && Object.hasOwn(preset, key));
  return { ...preset, ...Object.fromEntries(changed) };
}

/** The options of a field, with the value in force even when it is none of them, and the paper's marked. */
export function optionsOf({ options, paper }: Pick<SettingField, 'options' | 'paper'>, value: SettingValue): Option[] {
  const all = options ?? [];
  const known = all.some((option) => option.value === value);
  return [...all, ...(known ? [] : [{ value, label: String(value) }])].map((option) =>
    option.value === paper ? { ...option, label: `${option.label} (paper)` } : option,
  );
}

/** The line under a field; it names the paper's value where no option does. */
export function lineOf({ line, options, paper, accepts }: SettingField): string {
  if (paper === undefined || options?.some(({ value }) => value === paper)) return line;
  return `${line} The paper: ${accepts.type === 'flag' ? (paper ? 'yes' : 'no') : String(paper)}.`;
}

/** Bytes of JSON per sampled token in a log: its text, id, log-probability and margin. */
const LOG_BYTES_PER_TOKEN = 13;

export function logSizeText(generatedTokens: number): string {
  return bytesText(generatedTokens * LOG_BYTES_PER_TOKEN);
}
