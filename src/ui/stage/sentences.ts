/** What the stage says about the episode on show. */
import type { RunConfig } from '../../recipes/config';
import { headlineLearner } from '../looks';
import { castOf, debates } from '../readings/runCast';
import type { StageModel } from './picture';

/** Beside the stage: why these answers are not what an agent learns from; empty when they are. */
export function noteText({ learner, evaluating, moment, agents }: StageModel, config: RunConfig): string {
  if (!moment || moment === 'data' || moment === 'train' || moment === 'evaluate') return '';
  const cast = castOf(config);
  const test = evaluating ? 'This is a test: nothing is learnt from these answers.' : '';
  const many = agents.length > 1;
  if (learner.agents.length === 0)
    return `${test} ${capital(learner.name)} ${many ? 'plays every seat' : 'answers'}.`.trim();
  if (learner.key !== headlineLearner(cast))
    return `${test} For comparison: ${learner.name}${many && learner.agents.length === 1 ? ' plays every seat' : ''}.`.trim();
  return test;
}

/** "Iteration 1 of 3 · training problems · the society · 12 of 100 debated" */
export function placeText({ counters, learner, iteration, evaluating, agents }: StageModel, config: RunConfig): string {
  const when = iteration === 0 ? 'Before finetuning' : `Iteration ${iteration} of ${config.iterations}`;
  const what = evaluating ? 'test on held-out problems' : 'training problems';
  const who =
    agents.length > 1 && learner.agents.length <= 1 ? `${learner.name}, ${agents.length} times` : learner.name;
  const done = debates(castOf(config), learner.key) ? 'debated' : 'answered';
  return `${when} · ${what} · ${who} · ${counters.done} of ${counters.problems} ${done}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
