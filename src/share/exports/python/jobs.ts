/** What a run's training jobs were, as a program elsewhere repeats them: read from the log. */
import type { RunEvent } from '../../../events';
import { standing } from '../../../log/superseded';
import { recipeNamed } from '../../../recipes';
import { versionKey, versionsOf } from '../../../store/keep';
import { ExportError } from '../../errors';
import { adapterPaths } from '../peft';
import { startOf } from '../sets';
import type { PythonValue } from './literal';
import { setPaths } from '../trl';

/** One adapter in one job. */
export type JobPlan = {
  iteration: number;
  job: string;
  adapter: string;
  objective: 'sft' | 'dpo' | 'kto' | 'rank';
  beta: number;
  margin: number;
  /** Path of its data set, below `data`. */
  data: string;
  /** Path of the adapter that it begins with, below the folder of adapters; null = a fresh one. */
  start: string | null;
  /** Preferences are compared with the adapter that it begins with, not with the base. */
  own_reference: boolean;
  /** Where the adapter goes, below the folder of adapters. */
  out: string;
  /** Of each optimiser step, as the run had them; one number where they are all alike. */
  learning_rates: number | number[];
  steps: number;
};

/**
 * The jobs in order, without those that had no step.
 * @throws ExportError where a job did not end: the run is not finished
 */
export function jobPlans(events: readonly RunEvent[]): JobPlan[] {
  const { config } = startOf(events);
  const recipe = recipeNamed(config.recipe);
  const fromBase = (config as { startFrom?: unknown }).startFrom === 'base';
  const own = recipe.ownReference?.(config) ?? false;
  const paths = adapterPaths(versionsOf(events));
  const rates = learningRates(events);
  const sets = events.filter((event) => event.type === 'dataset');
  const files = setPaths(sets);
  const last = new Map<string, { iteration: number; path: string }>();
  return sets.flatMap(({ iteration, job, adapter, objective, examples }, at): JobPlan[] => {
    const steps = rates.get(`${job} ${adapter}`) ?? [];
    const out = paths.get(versionKey({ iteration, job, name: adapter }));
    if (out === undefined)
      throw new ExportError(
        `The job ${job} of ${adapter} did not end. Resume the run, and export it when it is finished.`,
      );
    const before = last.get(adapter);
    // "startFrom=base" begins every iteration anew; a second job of the iteration goes on from the first.
    const fresh = before === undefined || (fromBase && before.iteration !== iteration);
    if (steps.length === 0 || examples.length === 0) return [];
    last.set(adapter, { iteration, path: out });
    const alike = steps.every((rate) => rate === steps[0]);
    return [
      {
        ...{ iteration, job, adapter, objective: objective.kind },
        ...{ beta: objective.beta ?? 0.1, margin: objective.margin ?? 0 },
        data: files[at] as string,
        start: fresh ? null : before.path,
        own_reference: own,
        out,
        learning_rates: alike ? (steps[0] as number) : steps,
        steps: steps.length,
      },
    ];
  });
}

/** Learning rates of the steps that count, by job and adapter. */
function learningRates(events: readonly RunEvent[]): Map<string, number[]> {
  const rates = new Map<string, number[]>();
  for (const event of standing(events)) {
    if (event.type !== 'training-step') continue;
    for (const { adapter, lr } of event.tracks) {
      const key = `${event.job} ${adapter}`;
      const known = rates.get(key);
      if (known) known.push(lr);
      else rates.set(key, [lr]);
    }
  }
  return rates;
}

/** The constants of the script. */
export function scriptConstants(events: readonly RunEvent[]): Record<string, PythonValue> {
  const { config, model } = startOf(events);
  const { rank, alpha, targets } = config.adapter;
  return {
    MODEL: model.name,
    MODEL_SHA256: model.hash,
    SEED: config.seed,
    LORA: { r: rank, lora_alpha: alpha, target_modules: [...targets], lora_dropout: 0, bias: 'none' },
    BATCH_SIZE: config.finetune.batchSize,
    CLIP: config.finetune.clip,
    JOBS: jobPlans(events),
  };
}
