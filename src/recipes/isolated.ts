/**
 * Control: agents that learn alone. Each answers every problem as often as the society has seats, votes on its own samples, and learns those
 * that reached its own majority; the agents vote together in tests only. What the society gains beyond this comes from its common label.
 * An agent has as many generations to learn from as the whole society, so the society's cost in training is a third of this at N = 3. With
 * two rounds a society has critics, who read others; here is one round only.
 */
import { societyRecipe } from './society';

export const isolated = societyRecipe({
  id: 'isolated',
  title: 'Isolated agents',
  description: 'Every agent learns from the majority of its own samples. The agents vote together in tests only.',
  paper: 'control for arXiv 2501.05707',
  learner: 'Isolated agents',
  name: 'the isolated agents',
  adapter: (role, seat) => `${role}-${seat}`,
  data: 'alone',
  label: 'vote',
  preset: { rounds: 1 },
});
