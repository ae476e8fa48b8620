/** The models that the next run can use. Small, because the first paint has it; `manager.svelte.ts` fills it later. */
import { EMBEDDED_MODELS } from '../../recipes/presets';
import { taskNamed } from '../../tasks';

export interface ModelChoice {
  /** As `config.model` names it. */
  address: string;
  label: string;
  /** Keys of its config.json that the visitor chose to ignore; absent = none. */
  ignore?: readonly string[];
}

/** The models that come with the page, the default one first. */
export const OWN_MODELS: readonly (ModelChoice & { knows: string })[] = EMBEDDED_MODELS.map(
  ({ folder, label, task }) => ({ address: folder, label, knows: taskNamed(task).title.toLowerCase() }),
);

/** One that comes with the page; undefined for all others. */
export function ownModel(address: string): (typeof OWN_MODELS)[number] | undefined {
  return OWN_MODELS.find((own) => own.address === address);
}

/** A model in ONNX that a seat on transformers.js may have. */
export interface SeatChoice {
  /** As the setting `seats` names it, behind `transformers:`. */
  model: string;
  label: string;
}

class ModelChoices {
  /** Complete models in this browser, and folders of this visit. */
  others = $state.raw<readonly ModelChoice[]>([]);
  /** Complete models in ONNX in this browser. */
  onnx = $state.raw<readonly SeatChoice[]>([]);
}

export const modelChoices = new ModelChoices();
