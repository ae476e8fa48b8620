/** Control: as many agents as the society, each on a random part of the union of their data, so each keeps nothing of its own. */
import { societyRecipe } from './society';

export const randomSplit = societyRecipe({
  id: 'random-split',
  title: 'Random split',
  description: 'Every agent learns from a random part of all agents’ data instead of its own.',
  paper: 'control for arXiv 2501.05707',
  learner: 'Random split',
  name: 'the randomly split society',
  adapter: (role, seat) => `${role}-${seat}`,
  data: 'dealt',
  label: 'vote',
});
