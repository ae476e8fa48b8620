/** MALT's trees of turns, and what is right in them. */
import type { Episode, GroupKey } from '../events';
import { STREAMS } from '../random';
import type { Asking } from '../runtimes/types';
import { checked, openEpisodes, speak, vote } from '../society/episode';
import type { Ungraded } from '../tasks/types';
import { ROLES, settlingTurns, TREE, valuesOf } from './maltData';
import type { Config } from './maltSettings';
import { TEST_DRAWS, tieBreakOf } from './steps';
import type { RunContext } from './types';

/** The frozen model, in any role. */
export const BASE = { agent: 'base', adapter: null };

/** Answers of a problem, checks of each answer, refinements after each check. */
export type Widths = readonly [answers: number, checks: number, refinements: number];

/**
 * A tree for every problem of a chunk. A seat is a branch of the first level: turns under it speak for it. Within a level the branches take
 * turns, so its first turns are one of each seat.
 */
export async function grow(
  { task, config }: RunContext<Config>,
  asking: Asking,
  group: GroupKey,
  chunk: readonly Ungraded[],
  [answers, checks, refinements]: Widths,
): Promise<Episode[]> {
  const draws = group.purpose === 'evaluation' ? TEST_DRAWS : { stream: STREAMS.sample, iteration: group.iteration };
  const episodes = openEpisodes(group, chunk);
  const turn = ({ problem }: Episode, role: number, place: number[], word: number, parents: number[]) => {
    const { role: name, kind } = ROLES[role] as (typeof ROLES)[number];
    const base = group.learner === 'base' || config.untrained === name;
    return {
      call: [kind, ...place].join('-'),
      kind,
      ...(base ? BASE : { agent: name, adapter: name }),
      seat: place[0] ?? 0,
      // A check belongs to the layer that reads it.
      layer: role === 0 ? 0 : 1,
      parents,
      draw: { ...draws, agent: word, problem, round: role + 1 },
    };
  };
  await speak(asking, task, chunk, episodes, (episode) => upTo(answers).map((j) => turn(episode, 0, [j], j, [])));
  await speak(asking, task, chunk, episodes, (episode) =>
    upTo(checks).flatMap((k) => upTo(answers).map((j) => turn(episode, 1, [j, k], j * checks + k, [j]))),
  );
  await speak(asking, task, chunk, episodes, (episode) =>
    upTo(refinements).flatMap((l) =>
      upTo(checks).flatMap((k) =>
        upTo(answers).map((j) => {
          const check = answers + k * answers + j;
          return turn(episode, 2, [j, k, l], (j * checks + k) * refinements + l, [j, check]);
        }),
      ),
    ),
  );
  return episodes;
}

/** 0..count − 1 */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Which turns are right, and in a tree the values of the others. */
export function judge({ config, gold, task }: RunContext<Config>, episode: Episode): void {
  const settling = settlingTurns(episode, config);
  const { iteration, problem, turns } = episode;
  const ties = tieBreakOf(config, { stream: STREAMS.sample, iteration });
  if (config.label === 'gold') checked(episode, settling, gold?.get(problem) ?? '', task.equal);
  else vote(episode, settling, task.equal, { ...ties, problem, round: 2 });
  if (config.credit === 'chain') return;
  const values = valuesOf(episode, config, task.equal);
  if (typeof values === 'string') return;
  for (const inner of ['answer', 'critique']) {
    const of = turns.flatMap(({ kind }, at) => (kind === inner ? [at] : []));
    episode.verdicts.push({ by: TREE, of, scores: of.map((at) => values[at] ?? 0) });
  }
}
