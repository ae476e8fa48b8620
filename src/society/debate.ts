/**
 * Multiagent debate in synchronous rounds (Du et al. 2023; arXiv 2501.05707, Algorithm 1 lines 3 to 15): every agent
 * reads what the *others* said in the previous round, never what they say in this one.
 */
import type { Episode, GroupKey } from '../events';
import type { DrawName } from '../random';
import type { Runtime } from '../runtimes/types';
import type { Task, Ungraded } from '../tasks/types';
import { answersOf, openEpisodes, speak, vote } from './episode';

/** Who plays a seat. */
export interface Player {
  /** Id of the agent. */
  agent: string;
  /** null = the base model. */
  adapter: string | null;
}

/** Who sits at the N seats: seat n is played by first[n] in round 1 and by later[n] from round 2 on. */
export interface Players {
  /** Key of the learner. */
  learner: string;
  /** Length N. */
  first: Player[];
  /** Length N; not looked at when there is one round only. */
  later: Player[];
}

export interface DebateSettings {
  /** M */
  rounds: number;
  /** Names of the samples: stream and iteration; agent, problem and round are filled in. */
  draws: { stream: number; iteration: number };
  /** Let the base model summarise the others' responses before every round ≥ 2, with draws of this stream. */
  summaries?: { stream: number };
  /** Name of the tie-breaking draws; problem and round are filled in. */
  tieBreak: DrawName;
}

/**
 * Debates some problems together: one `ask` per round holds problems × agents questions (problem-major), and so does
 * the one for summaries before a round, where a model writes them. After each round the society votes.
 * @returns one episode a problem, in order; layer m is round m + 1
 */
export async function debate(
  runtime: Runtime,
  task: Task,
  group: GroupKey,
  problems: readonly Ungraded[],
  players: Players,
  { rounds, draws, summaries, tieBreak }: DebateSettings,
): Promise<Episode[]> {
  const episodes = openEpisodes(group, problems);
  for (let round = 1; round <= rounds; round++) {
    const layer = round - 1;
    // The un-finetuned base writes the summaries (as the paper's code does), so what a critic learns to read does not drift.
    const summarised =
      round > 1 && summaries
        ? await speak(runtime, task, problems, episodes, (episode) => {
            const before = answersOf(episode, layer - 1);
            return before.map((_, seat) => ({
              call: `summary-${round}-${seat}`,
              kind: 'summary',
              agent: 'base',
              adapter: null,
              seat,
              layer,
              parents: before.filter((_, other) => other !== seat),
              draw: {
                stream: summaries.stream,
                iteration: draws.iteration,
                agent: seat,
                problem: episode.problem,
                round,
              },
            }));
          })
        : null;
    const spoken = await speak(runtime, task, problems, episodes, (episode, at) => {
      const before = answersOf(episode, layer - 1);
      const read = summarised?.[at];
      return (round === 1 ? players.first : players.later).map((player, seat) => ({
        call: round === 1 ? `answer-${seat}` : `revision-${round}-${seat}`,
        kind: round === 1 ? 'answer' : 'revision',
        ...player,
        seat,
        layer,
        parents: round === 1 ? [] : [before[seat] as number, ...readBy(seat, before, read)],
        draw: { ...draws, agent: seat, problem: episode.problem, round },
      }));
    });
    episodes.forEach((episode, at) =>
      vote(episode, spoken[at] as number[], task.equal, { ...tieBreak, problem: episode.problem, round }),
    );
  }
  return episodes;
}

/** What a seat reads beside its own turn: the summary that was written for it, else all others' turns. */
function readBy(seat: number, before: readonly number[], summaries: readonly number[] | undefined): number[] {
  const summary = summaries?.[seat];
  return summary === undefined ? before.filter((_, other) => other !== seat) : [summary];
}
