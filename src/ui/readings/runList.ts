/** The list of runs: what of a run's settings differs from the run before it. */
import type { RunConfig } from '../../recipes/config';
import { settingsOf } from '../../recipes/resolve';
import type { RunRecord } from '../../store/types';
import { inSentence } from '../looks';
import { settingDifferences } from './compare';
import { recipeOf } from './runCast';

/** Most differences that are named; further ones are counted. */
const NAMED = 4;

/** Short name of a setting: its letter, or its label as the form has it; one that no recipe knows keeps its dotted key. */
function nameOf(key: string, ...configs: RunConfig[]): string {
  for (const config of configs) {
    const recipe = recipeOf(config);
    const setting = recipe && settingsOf(recipe)[key];
    if (setting) return setting.symbol ?? inSentence(setting.label);
  }
  return key;
}

/** "seed 7 → 8, N 3 → 5"; 'same settings' when there is no difference. */
export function changesSince(before: RunConfig, config: RunConfig): string {
  const differences = settingDifferences([before, config]);
  if (differences.length === 0) return 'same settings';
  const named = differences
    .slice(0, NAMED)
    .map(({ key, values: [from, to] }) => `${nameOf(key, config, before)} ${from} → ${to}`);
  const more = differences.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** The run that was created before each; runs come newest first. */
export function runBefore(runs: readonly RunRecord[], index: number): RunRecord | null {
  return runs[index + 1] ?? null;
}
