/** What a run's recipe says of it: also before its log begins, and nothing where this version of the lab does not know the recipe. */
import type { Cast } from '../../events';
import { recipes } from '../../recipes';
import type { RunConfig } from '../../recipes/config';
import type { ExampleKind, Recipe, Stage } from '../../recipes/types';
import type { LogIndex } from './logIndex';

/** null when this version of the lab does not know it. */
export function recipeOf({ recipe }: Pick<RunConfig, 'recipe'>): Recipe | null {
  return recipes().find(({ id }) => id === recipe) ?? null;
}

/** The cast of the log; before the log begins, that of the recipe. */
export function castOf(config: RunConfig, index?: Pick<LogIndex, 'cast' | 'started'>): Cast {
  if (index?.started) return index.cast;
  return recipeOf(config)?.cast(config) ?? { agents: [], learners: [], methods: [], compare: [] };
}

export function stagesOf(config: RunConfig): Stage[] {
  return recipeOf(config)?.stages(config) ?? [];
}

/** Does this learner debate? Else it only answers. */
export function debates({ methods }: Pick<Cast, 'methods'>, learner: string): boolean {
  return methods.some((method) => method.learner === learner && method.answer === 'debate');
}

/** A kind of examples in words; the kind alone where the recipe says no more. */
export function exampleKind(
  recipe: Pick<Recipe, 'examples'> | null,
  kind: string,
): Pick<ExampleKind, 'line'> & { label: string } {
  const known = recipe?.examples?.find((one) => one.kind === kind);
  return { label: known?.label ?? kind, line: known?.line ?? '' };
}
