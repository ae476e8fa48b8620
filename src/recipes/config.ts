/** Everything that defines an experiment. Two equal configurations with one model on one runtime give one log. */
import type { SHARED_SETTINGS } from './sharedSettings';
import type { SettingsOf, SettingTable } from './settings';

/** What a configuration of every recipe holds (the rows of `SHARED_SETTINGS` say what each is), beside the recipe's own settings. */
export type RunConfig = {
  /** Id of the recipe. */
  recipe: string;
  /** Preset of the recipe that this started from. */
  preset: string;
} & SettingsOf<typeof SHARED_SETTINGS>;

/** A configuration of a recipe with settings of its own. */
export type ConfigOf<T extends SettingTable> = RunConfig & SettingsOf<T>;
