/** The settings of the next run. A run at work has its own copy, so changing these never disturbs it. */
import type { EngineChoice } from '../lab/types';
import type { ExperimentConfig } from '../recipes/config';
import { PRESETS } from '../recipes/presets';
import { resolveConfig } from '../recipes/resolve';
import { FIELDS, settingAt, type SettingValue } from './settingFields';

const FIRST_PRESET = 'arithmetic-quick';

export class Settings {
  preset = $state(FIRST_PRESET);
  /** Null while the field is empty. */
  seed = $state<number | null>(1);
  /** By dotted key. */
  values = $state<Record<string, SettingValue>>({});
  singleAgentBaseline = $state(true);
  engine = $state<EngineChoice>('auto');

  constructor() {
    this.usePreset(FIRST_PRESET);
  }

  /** Takes over everything of a preset but the seed. */
  usePreset(name: string): void {
    const config = PRESETS[name]?.config;
    if (!config) return;
    this.preset = name;
    this.values = Object.fromEntries(FIELDS.map(({ key }) => [key, settingAt(config, key)]));
    this.singleAgentBaseline = config.singleAgentBaseline;
  }

  set(key: string, value: SettingValue): void {
    this.values[key] = value;
    // Two of two can agree, three of two cannot.
    if (key === 'agents') this.values['minimumVotes'] = Math.min(Number(this.values['minimumVotes']), Number(value));
  }

  throwDice(): void {
    this.seed = crypto.getRandomValues(new Uint32Array(1))[0]! % 100_000;
  }

  /** The configuration, or why there is none. */
  get config(): { ok: ExperimentConfig; problem: null } | { ok: null; problem: string } {
    const { seed, singleAgentBaseline } = this;
    try {
      return {
        ok: resolveConfig(this.preset, { ...this.values, seed: seed ?? '', singleAgentBaseline }),
        problem: null,
      };
    } catch (error) {
      return { ok: null, problem: error instanceof Error ? error.message : String(error) };
    }
  }
}
