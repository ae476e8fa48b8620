/** All settings of a run: those that differ from its preset first, then the others. */
import type { RunConfig } from '../../recipes/config';
import { settingsOf } from '../../recipes/resolve';
import { settingText, valueAt } from './compare';
import { recipeOf } from './runCast';

export interface SettingLine {
  /** Dotted key, as links and the command line write it. */
  key: string;
  label: string;
  value: string;
  /** The preset's value where the run has another; null = the same, or the preset is not known. */
  preset: string | null;
}

/** Keys that every run has. */
const FIRST: readonly (readonly [key: string, label: string])[] = [
  ['recipe', 'Method'],
  ['preset', 'Preset'],
  ['model', 'Model'],
  ['task', 'Task'],
  ['seed', 'Seed'],
];

/** Of a run whose recipe this version does not know, what the configuration holds, by its keys. */
export function settingLines(config: RunConfig): { changed: SettingLine[]; others: SettingLine[] } {
  const recipe = recipeOf(config);
  const preset = recipe?.presets[config.preset]?.config;
  const table = recipe ? settingsOf(recipe) : {};
  const keys = new Map<string, string>(FIRST);
  for (const [key, { label }] of Object.entries(table)) if (!keys.has(key)) keys.set(key, label);
  const lines = [...keys].flatMap(([key, label]): SettingLine[] => {
    const value = valueAt(config, key);
    if (value === undefined) return [];
    const other = preset && key !== 'seed' ? settingText(valueAt(preset, key)) : null;
    const text = settingText(value);
    return [{ key, label, value: text, preset: other === text ? null : other }];
  });
  return {
    changed: lines.filter(({ preset: other }) => other !== null),
    others: lines.filter((line) => line.preset === null),
  };
}
