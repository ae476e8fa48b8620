/**
 * Control: one model with the society's number of optimiser steps. It learns from its own majority answers on the same problems, as the
 * single model beside every society does, and that one takes as many steps as its examples give: N times those of an agent. Here it takes
 * those of one generator on the average over the agents (`single.steps` = 1), or of three (3); batches are cut off or repeated in further epochs.
 * Critics are not counted: the single model has none. Our choice: the paper has no such control.
 */
import { societyRecipe } from './society';

export const equalSteps = societyRecipe({
  id: 'equal-steps',
  title: 'One model at equal steps',
  description: 'Multiagent finetuning beside one model that takes as many optimiser steps as one of its agents.',
  paper: 'control for arXiv 2501.05707',
  learner: 'Society finetuning',
  name: 'the society',
  adapter: (role, seat) => `${role}-${seat}`,
  data: 'own',
  label: 'vote',
  preset: { singleAgentBaseline: true, single: { steps: 1 } },
});
