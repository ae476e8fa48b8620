/** The form's values over a reload of this tab. */
import type { EngineChoice, ProblemsSummary } from '../lab/types';
import type { KeepAdapters } from '../store/keep';
import type { SettingValue } from './settingFields';

/** What the form holds. */
export interface Kept {
  recipe: string;
  preset: string;
  model: string;
  ignoreConfig: readonly string[];
  task: string;
  problems: Record<string, ProblemsSummary>;
  seed: number | null;
  values: Record<string, SettingValue>;
  engine: EngineChoice;
  keepAdapters: KeepAdapters;
}

/** Changes with what is kept: values of another version are not taken. */
const KEY = 'polylogue form 1';

/** null where this tab kept nothing, or not in a form that is read. */
export function keptSettings(): Kept | null {
  try {
    const kept: unknown = JSON.parse(globalThis.sessionStorage?.getItem(KEY) ?? 'null');
    return isKept(kept) ? kept : null;
  } catch {
    return null;
  }
}

/** Private windows may refuse to store anything: then a reload begins anew. */
export function keepSettings(kept: Kept): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // The form works without.
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false;
  const kept = value as Record<string, unknown>;
  const texts = ['recipe', 'preset', 'model', 'task', 'engine', 'keepAdapters'];
  const isRecord = (one: unknown) => typeof one === 'object' && one !== null && !Array.isArray(one);
  return (
    texts.every((key) => typeof kept[key] === 'string') &&
    Array.isArray(kept['ignoreConfig']) &&
    isRecord(kept['problems']) &&
    isRecord(kept['values']) &&
    (kept['seed'] === null || typeof kept['seed'] === 'number')
  );
}
