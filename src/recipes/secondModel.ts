/** The second base model of a run, where its recipe has one: a strong student, or a teacher. */
import type { RunConfig } from './config';
import { ConfigurationError } from './errors';
import { recipeNamed } from './index';
import { embeddedModel } from './presets';
import type { Recipe, SecondModel } from './types';

/** @returns null where one model plays all */
export function secondModelOf(config: RunConfig): SecondModel | null {
  return recipeNamed(config.recipe).secondModel?.(config) ?? null;
}

/** @throws ConfigurationError for the run's own model, and for an embedded one that knows another task */
export function checkSecondModel(recipe: Recipe, config: RunConfig): void {
  const second = recipe.secondModel?.(config);
  if (!second) return;
  const { key, model } = second;
  if (model === config.model)
    throw new ConfigurationError(key, `${model} is the model of the run already; name another one, or leave it out`);
  const own = embeddedModel(model);
  if (own && own.task !== config.task)
    throw new ConfigurationError(
      key,
      `${own.folder} knows task ${own.task} only; choose another for task ${config.task}`,
    );
}
