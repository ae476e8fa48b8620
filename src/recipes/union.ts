/** Control: one model on the union of all agents' data. What is left of the gain is what data alone buys, without specialisation. */
import { societyRecipe } from './society';

export const union = societyRecipe({
  id: 'union',
  title: 'One model on all data',
  description: 'One model plays every seat and learns from the data of all of them.',
  paper: 'control for arXiv 2501.05707',
  learner: 'One model on all data',
  name: 'the one model',
  adapter: () => 'everybody',
  data: 'own',
  label: 'vote',
});
