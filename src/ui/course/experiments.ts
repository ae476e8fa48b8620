/** Experiments that a page of the course or a question starts with one click: settings by recipe, on the models that come along. */
import type { RunConfig } from '../../recipes/config';
import { resolveConfig, settingOf } from '../../recipes/resolve';
import { recipeNamed } from '../../recipes';
import { settingKeys } from '../../recipes/resolve';
import type { Scalar } from '../../recipes/settings';

export interface Experiment {
  recipe: string;
  preset: string;
  /** By dotted key. */
  set: Readonly<Record<string, Scalar>>;
  /** Variant of the recorded run of it that comes with the site. */
  recording?: string;
}

/** @param seed of the run; one seed gives the same run again */
export function configOf({ recipe, preset, set }: Experiment, seed = 1): RunConfig {
  return resolveConfig(preset, { ...set, seed }, recipe);
}

/** Is a run this experiment, whatever its seed? */
export function plays(experiment: Experiment, config: RunConfig): boolean {
  if (config.recipe !== experiment.recipe) return false;
  const wanted = configOf(experiment, config.seed);
  return settingKeys(recipeNamed(config.recipe)).every(
    (key) => JSON.stringify(settingOf(wanted, key)) === JSON.stringify(settingOf(config, key)),
  );
}

/** Small enough for less than a minute on two idle cores without a GPU. */
const SMALL = { trainProblems: 60, evaluationProblems: 100 } as const;

/** The untouched model votes and debates; nothing is learnt. */
export const DEBATE: Experiment = {
  recipe: 'debate',
  preset: 'arithmetic-tiny',
  set: { evaluationProblems: 100 },
  recording: 'course-debate',
};
/** One model learns from its own majority, three times. */
export const MAJORITY: Experiment = {
  recipe: 'majority-finetuning',
  preset: 'arithmetic-tiny',
  set: { ...SMALL, iterations: 3 },
  recording: 'course-majority',
};
/** The method of the paper once, beside one model that learns alone. */
export const SOCIETY: Experiment = {
  recipe: 'multiagent-finetuning',
  preset: 'arithmetic-tiny',
  set: SMALL,
  recording: 'course-society',
};
/** Generator, verifier and refiner. */
export const MALT: Experiment = {
  recipe: 'malt',
  preset: 'arithmetic-tiny',
  set: { evaluationProblems: 60 },
  recording: 'course-malt',
};
/** Sums whose responses show a strategy. */
export const STRATEGIES: Experiment = {
  recipe: 'multiagent-finetuning',
  preset: 'strategies-tiny',
  set: { iterations: 4, trainProblems: 100, evaluationProblems: 100, singleAgentBaseline: false },
  recording: 'course-strategies',
};

/** A society without the single model beside it. */
export function society(set: Experiment['set']): Experiment {
  return {
    recipe: 'multiagent-finetuning',
    preset: 'arithmetic-tiny',
    set: { ...SMALL, singleAgentBaseline: false, ...set },
  };
}
