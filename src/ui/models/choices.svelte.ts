/** The models that the next run can use. Small, because the first paint has it; `manager.svelte.ts` fills it later. */
import { EMBEDDED_MODEL } from '../../recipes/presets';

export interface ModelChoice {
  /** As `config.model` names it. */
  address: string;
  label: string;
  /** Keys of its config.json that the visitor chose to ignore; absent = none. */
  ignore?: readonly string[];
}

/** The model that comes with the page. */
export const OWN_MODEL: ModelChoice = { address: EMBEDDED_MODEL, label: 'Arithmetic 0.4M' };

class ModelChoices {
  /** Complete models in this browser, and folders of this visit. */
  others = $state.raw<readonly ModelChoice[]>([]);
}

export const modelChoices = new ModelChoices();
