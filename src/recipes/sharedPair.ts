/** Control: one generator and one critic for all agents. It has roles, and no specialists among the agents. */
import { societyRecipe } from './society';

export const sharedPair = societyRecipe({
  id: 'shared-pair',
  title: 'One shared pair',
  description: 'All agents share one generator and one critic, each trained on the data of all seats.',
  paper: 'control for arXiv 2501.05707',
  learner: 'One shared pair',
  name: 'the shared pair',
  adapter: (role) => role,
  data: 'own',
  label: 'vote',
});
