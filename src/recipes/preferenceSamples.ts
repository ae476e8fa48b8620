/** K samples of every problem, for the preference loop. */
import type { Episode, GroupKey } from '../events';
import { STREAMS } from '../random';
import type { Asking } from '../runtimes/types';
import { openEpisodes, speak, vote } from '../society/episode';
import type { Split, Ungraded } from '../tasks/types';
import type { RunConfig } from './config';
import { playChunks } from './steps';
import type { Draft, RunContext } from './types';

export interface Sampling {
  purpose: Split;
  /** `base` or `policy`. */
  learner: string;
  iteration: number;
  /** Iteration word of the draws. */
  draws: number;
}

/**
 * K samples of every problem, in chunks; one event a problem. Held-out samples are voted on.
 * @param look adds verdicts to the episodes of a chunk
 * @param each adds verdicts to one episode, just before it is in the log: what a person says of it is kept at once
 */
export async function* samples(
  context: RunContext<RunConfig & { samples: number }>,
  problems: readonly Ungraded[],
  { purpose, learner, iteration, draws }: Sampling,
  look: (episodes: readonly Episode[], problems: readonly Ungraded[]) => Promise<void>,
  each: (episode: Episode, problems: readonly Ungraded[]) => Promise<void> = async () => {},
): AsyncGenerator<Draft, Episode[], void> {
  const { task, config } = context;
  const group: GroupKey = { purpose, learner, iteration };
  const adapter = learner === 'base' ? null : learner;
  const stream = purpose === 'evaluation' ? STREAMS.evaluate : STREAMS.sample;
  const play = async (chunk: readonly Ungraded[], asking: Asking) => {
    const episodes = openEpisodes(group, chunk);
    const spoken = await speak(asking, task, chunk, episodes, ({ problem }) =>
      Array.from({ length: config.samples }, (_, seat) => ({
        call: `answer-${seat}`,
        kind: 'answer',
        agent: learner,
        adapter,
        seat,
        layer: 0,
        parents: [],
        draw: { stream, iteration: draws, agent: seat, problem, round: 1 },
      })),
    );
    if (purpose === 'evaluation') {
      const tie = { seed: config.seed, stream: STREAMS.tieBreak, iteration: draws, agent: stream };
      episodes.forEach((episode, at) =>
        vote(episode, spoken[at] as number[], task.equal, { ...tie, problem: episode.problem, round: 1 }),
      );
    }
    return { chunk, episodes };
  };
  const held: Episode[] = [];
  for await (const { chunk, episodes } of playChunks(context, problems, false, play)) {
    await look(episodes, chunk);
    for (const episode of episodes) {
      await each(episode, chunk);
      held.push(episode);
      yield episode;
    }
  }
  return held;
}
