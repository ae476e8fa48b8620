/** Every recipe by name. Adding one is a file here and a line in this list. */
import { debate } from './debate';
import { ConfigurationError } from './errors';
import { goldLabels } from './goldLabels';
import { majorityFinetuning } from './majorityFinetuning';
import { multiagentFinetuning } from './multiagentFinetuning';
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
  union,
  sharedPair,
  randomSplit,
  goldLabels,
  debate,
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
