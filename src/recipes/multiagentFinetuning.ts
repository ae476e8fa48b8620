/** Multiagent finetuning (arXiv 2501.05707): every agent is finetuned on its own part of the debate. The loop is in `society.ts`. */
import { societyRecipe } from './society';

export const multiagentFinetuning = societyRecipe({
  id: 'multiagent-finetuning',
  title: 'Multiagent finetuning',
  description: 'A society debates and votes; every agent is finetuned on its own part of the debate.',
  paper: 'arXiv 2501.05707',
  learner: 'Society finetuning',
  name: 'the society',
  adapter: (role, seat) => `${role}-${seat}`,
  data: 'own',
  label: 'vote',
});
