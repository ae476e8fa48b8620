/** Every recipe by name. Adding one is a file here and a line in this list. */
import { debate } from './debate';
import { distil } from './distil';
import { equalSteps } from './equalSteps';
import { ensemW2S } from './ensemW2S';
import { ConfigurationError } from './errors';
import { goldLabels } from './goldLabels';
import { isolated } from './isolated';
import { majority } from './majority';
import { malt } from './malt';
import { majorityFinetuning } from './majorityFinetuning';
import { merge } from './merge';
import { multiagentFinetuning } from './multiagentFinetuning';
import { preferenceLoop } from './preferenceLoop';
import { randomSplit } from './randomSplit';
import { sharedPair } from './sharedPair';
import { star } from './star';
import type { Recipe } from './types';
import { union } from './union';

/** Recipes differ in their settings; whoever holds a checked configuration may hand it to its recipe. */
const known = [
  multiagentFinetuning,
  majorityFinetuning,
  star,
  malt,
  union,
  sharedPair,
  randomSplit,
  isolated,
  equalSteps,
  goldLabels,
  debate,
  majority,
  ensemW2S,
  distil,
  merge,
  preferenceLoop,
] as unknown as readonly Recipe[];

const registry = new Map(known.map((recipe) => [recipe.id, recipe]));

/** Id of the recipe that is meant where none is named. */
export const DEFAULT_RECIPE = multiagentFinetuning.id;

/** All recipes, in the order in which they are offered. */
export function recipes(): Recipe[] {
  return [...registry.values()];
}

/** @throws ConfigurationError */
export function recipeNamed(id: string): Recipe {
  const recipe = registry.get(id);
  if (!recipe)
    throw new ConfigurationError('recipe', `"${id}" is unknown; there are ${[...registry.keys()].join(', ')}`);
  return recipe;
}

/** Adds a recipe of a test. Returns what takes it out again. */
export function register(recipe: Recipe): () => void {
  registry.set(recipe.id, recipe);
  return () => void registry.delete(recipe.id);
}
