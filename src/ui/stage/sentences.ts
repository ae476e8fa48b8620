/** What the stage says about the debate on show. */
import type { ExperimentConfig } from '../../recipes/config';
import type { StageModel } from './model';

const TEAMS = { base: 'the untouched model, N times', society: 'the society', single: 'one model, N times' } as const;

/** Beside the phase: why these answers are not what an agent learns from; empty when they are. */
export function noteText({ team, evaluating, phase }: StageModel, { agents }: ExperimentConfig): string {
  if (!phase || phase === 'data' || phase === 'finetune' || phase === 'evaluate') return '';
  const test = evaluating ? 'This is a test: nothing is learnt from these answers.' : '';
  if (team === 'base') return `${test} The untouched model plays every agent.`;
  if (team === 'single')
    return `${test} For comparison, one model answers ${agents} times${evaluating ? '' : ' and learns from its own majority'}.`;
  return test;
}

/** "Iteration 1 of 3 · training problems · the society · 12 of 100 debated" */
export function placeText(stage: StageModel, { iterations, agents }: ExperimentConfig): string {
  const { counters, team } = stage;
  const when = stage.iteration === 0 ? 'Before finetuning' : `Iteration ${stage.iteration} of ${iterations}`;
  const what = stage.evaluating ? 'test on held-out problems' : 'training problems';
  return `${when} · ${what} · ${TEAMS[team].replace('N', String(agents))} · ${counters.done} of ${counters.problems} debated`;
}

/** Who speaks in the first round and in the one on show after it. */
export function speakersOf({ team, round }: StageModel, { rounds }: ExperimentConfig): { first: string; last: string } {
  return {
    first: team === 'society' ? 'generator' : team === 'single' ? 'sample' : 'untouched model',
    last: (team === 'society' ? 'critic' : 'revision') + (rounds > 2 && round > 1 ? `, round ${round}` : ''),
  };
}
