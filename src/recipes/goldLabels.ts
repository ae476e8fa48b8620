/** Upper bound: multiagent finetuning with true answers as labels. It learns from gold, which the method itself does without. */
import { societyRecipe } from './society';

export const goldLabels = societyRecipe({
  id: 'gold-labels',
  title: 'True labels',
  description: 'Multiagent finetuning with the true answer in place of the vote: an upper bound.',
  paper: 'control for arXiv 2501.05707',
  learner: 'True labels',
  name: 'the society with true labels',
  adapter: (role, seat) => `${role}-${seat}`,
  data: 'own',
  label: 'gold',
});
