/**
 * Agents that are different before a society has learnt anything, on tasks whose responses show a strategy. With diversity p agent n begins
 * with the preference (1 − p) / S + p for strategy n mod S, and (1 − p) / S for each of the others.
 *
 * How: the untouched model answers some training problems in all seats. From these chains, right or wrong, so with the model's gaps in
 * them, each adapter gets the largest set whose strategies have its preference as shares, and is finetuned on it for a fixed number of
 * steps. It is a training job of its own in the log, `start`, in iteration 0. An adapter that plays several seats has the mean of their
 * preferences, and so has the single model, of all seats. Which chains fill a share: the first of a named permutation.
 *
 * A saboteur learns nothing, so it has no start and no preference that counts.
 *
 * p = 0 is the paper's start, identical copies: nothing is asked and nothing is trained. The idea of starting apart is this lab's.
 */
import type { Episode, ExampleRef } from '../events';
import { shuffled, STREAMS, type DrawName } from '../random';
import { answersOf, layersOf } from '../society/episode';
import type { Selection } from '../society/selection';
import type { Strategies } from '../tasks/types';
import { isSaboteur, playersOf, seatsOf, type Learner, type Variant } from './societyCast';
import type { Config } from './societySettings';
import { START_KIND, startSize } from './startSettings';
import { finetune, holdDebates, type BuiltDataset } from './steps';
import type { Draft, RunContext } from './types';

const JOB = 'start';
/** Word of the problems' draw, beyond those of all iterations. */
const DRAWN = 0xffff;

/** Shares of the strategies in what an adapter starts from. @param seats those that it plays */
export function preference(diversity: number, seats: readonly number[], strategies: number): number[] {
  return Array.from({ length: strategies }, (_, at) => {
    const own = seats.filter((seat) => seat % strategies === at).length;
    return (1 - diversity) / strategies + (diversity * own) / seats.length;
  });
}

/**
 * How many of each strategy's examples make the largest set with these shares, up to rounding. A strategy that has no example is left out
 * and its share is spread over the others.
 */
export function quotas(counts: readonly number[], shares: readonly number[]): number[] {
  const present = shares.map((share, at) => (counts[at] ? share : 0));
  const sum = present.reduce((all, share) => all + share, 0);
  if (sum === 0) return counts.map(() => 0);
  const size = Math.min(...present.flatMap((share, at) => (share > 0 ? [((counts[at] ?? 0) * sum) / share] : [])));
  return present.map((share, at) => Math.min(counts[at] ?? 0, Math.round((size * share) / sum)));
}

/**
 * What an adapter starts from.
 * @param seats those that it plays
 * @param last the base's last round instead of its first: what critics say
 * @param draw name of the permutations; round is filled in
 */
export function startSelection(
  strategies: Strategies,
  episodes: readonly Episode[],
  { diversity, seats, last }: { diversity: number; seats: readonly number[]; last: boolean },
  draw: DrawName,
): Selection {
  const found: ExampleRef[][] = strategies.names.map(() => []);
  let unknown = 0;
  for (const episode of episodes) {
    for (const turn of answersOf(episode, last ? layersOf(episode) - 1 : 0)) {
      const strategy = strategies.of(episode.turns[turn]?.text ?? '');
      const group = found[strategies.names.findIndex(({ key }) => key === strategy)];
      if (group) group.push({ problem: episode.problem, turn, kind: START_KIND });
      else unknown++;
    }
  }
  const counts = found.map(({ length }) => length);
  const sizes = quotas(counts, preference(diversity, seats, counts.length));
  const chosen = new Set(found.flatMap((group, at) => shuffled(group, { ...draw, round: at }).slice(0, sizes[at])));
  const examples = found.flat().filter((example) => chosen.has(example));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const dropped = [
    { reason: 'left out to keep the preference', count: total - examples.length },
    { reason: 'shows no strategy', count: unknown },
  ].filter(({ count }) => count > 0);
  return { examples, available: { [START_KIND]: total }, dropped };
}

/** The untouched model answers, and every adapter learns a preference from its chains. */
export async function* startApart(
  variant: Variant,
  context: RunContext<Config>,
  learning: readonly Learner[],
): AsyncGenerator<Draft, void, void> {
  const { config, task } = context;
  if (!task.strategies) return;
  const { strategies } = task;
  const { problems: count, steps: stepsOfEach } = startSize(config);
  const problems = yield* context.problems('train', count, 0, DRAWN);
  const step = { purpose: 'train', iteration: 0, problems, rounds: config.rounds, stream: STREAMS.start } as const;
  const summaries = config.summary === 'base-model';
  const episodes = yield* holdDebates(context, playersOf(variant, 'base', config), { ...step, summaries });
  const learns = (seat: number) => !isSaboteur(seat, config);
  const starting = learning.filter(({ plays }) => plays.length === 0 || plays.some(({ seat }) => learns(seat)));
  const datasets = starting.map(({ adapter, role, slot, learner, plays }): BuiltDataset => {
    const seats = (learner === 'single' ? seatsOf(config) : plays.map(({ seat }) => seat)).filter(learns);
    const last = plays.length > 0 && plays.every((one) => one.role === 'critic');
    const chosen = { diversity: config.start?.diversity ?? 0, seats, last };
    const draw = { seed: config.seed, stream: STREAMS.startSelect, agent: slot, problem: role };
    return {
      adapter,
      role,
      slot,
      selection: startSelection(strategies, episodes, chosen, draw),
      episodes,
      steps: stepsOfEach,
    };
  });
  yield* finetune(context, { job: JOB, iteration: 0, datasets, problems });
}
