/** Every recipe by name. Adding one is a file here and a line in this list. */
import type { ExperimentConfig } from './config';
import { multiagentFinetuning } from './multiagentFinetuning';
import type { Recipe } from './types';

export const RECIPES: Readonly<
  Record<ExperimentConfig['recipe'], { title: string; description: string; run: Recipe }>
> = {
  'multiagent-finetuning': {
    title: 'Multiagent finetuning',
    description:
      'A society debates and votes; every agent is finetuned on its own part of the debate (arXiv 2501.05707).',
    run: multiagentFinetuning,
  },
};
