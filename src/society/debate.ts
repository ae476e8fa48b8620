/**
 * Multiagent debate in synchronous rounds (Du et al. 2023; arXiv 2501.05707, Algorithm 1 lines 3 to 15): every agent
 * reads what the *others* said in the previous round, never what they say in this one.
 */
import type { Episode, GroupKey } from '../events';
import type { Asking } from '../runtimes/types';
import type { Task, Ungraded } from '../tasks/types';
import { answersOf, openEpisodes, speak, vote, type PlannedTurn } from './episode';
import type { TieBreak } from './vote';

/** Who plays a seat. */
export interface Player {
  /** Id of the agent. */
  agent: string;
  /** null = the base model. */
  adapter: string | null;
  /** What it says whatever is asked; absent = it answers. */
  given?: string;
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
  /** Names of the samples: stream and iteration; agent (the seat, or what it says of a seat), problem and round are filled in. */
  draws: { stream: number; iteration: number; agentOf?: (seat: number) => number };
  /** Let the base model summarise the others' responses before every round ≥ 2, with draws of this stream. */
  summaries?: { stream: number };
  /** Whom a seat reads before it revises: all others, the next one only, or nobody. Default all. */
  reads?: 'all' | 'one' | 'none';
  /** Name of the tie-breaking draws; problem and round are filled in. Or the rule without draws. */
  tieBreak: TieBreak;
  /** With summaries: agents speak one after another, and read what others said last, in the same round too. */
  inTurn?: boolean;
}

/**
 * Debates some problems together: one `ask` per round holds problems × agents questions (problem-major), and so does
 * the one for summaries before a round, where a model writes them. After each round the society votes.
 * @returns one episode a problem, in order; layer m is round m + 1
 */
export async function debate(
  runtime: Asking,
  task: Task,
  group: GroupKey,
  problems: readonly Ungraded[],
  players: Players,
  { rounds, draws, summaries, reads = 'all', tieBreak, inTurn = false }: DebateSettings,
): Promise<Episode[]> {
  const episodes = openEpisodes(group, problems);
  const { stream, iteration, agentOf = (seat) => seat } = draws;
  for (let round = 1; round <= rounds; round++) {
    const layer = round - 1;
    const summarises = round > 1 && summaries !== undefined && reads !== 'none';
    // The un-finetuned base writes the summaries (as the paper's code does), so what a critic learns to read does not drift.
    const summary = (seat: number, parents: number[], { problem }: Episode): PlannedTurn => ({
      call: `summary-${round}-${seat}`,
      kind: 'summary',
      agent: 'base',
      adapter: null,
      seat,
      layer,
      parents,
      draw: { stream: summaries?.stream ?? 0, iteration, agent: agentOf(seat), problem, round },
    });
    const response = (player: Player, seat: number, parents: number[], { problem }: Episode): PlannedTurn => ({
      call: round === 1 ? `answer-${seat}` : `revision-${round}-${seat}`,
      kind: round === 1 ? 'answer' : 'revision',
      ...player,
      seat,
      layer,
      parents,
      draw: { stream, iteration, agent: agentOf(seat), problem, round },
    });
    const ask = (plan: (episode: Episode, at: number) => PlannedTurn[]) =>
      speak(runtime, task, problems, episodes, plan);
    const seated = round === 1 ? players.first : players.later;
    if (summarises && inTurn) {
      for (const [seat, player] of seated.entries()) {
        const latest = (episode: Episode) => {
          const [before, now] = [answersOf(episode, layer - 1), answersOf(episode, layer)];
          return before.map((at, other) => now[other] ?? at);
        };
        const read = await ask((episode) => [summary(seat, othersOf(seat, latest(episode), reads), episode)]);
        await ask((episode, at) => {
          const own = answersOf(episode, layer - 1)[seat] as number;
          return [response(player, seat, [own, ...(read[at] as number[])], episode)];
        });
      }
    } else {
      const summarised = summarises
        ? await ask((episode) => {
            const before = answersOf(episode, layer - 1);
            return before.map((_, seat) => summary(seat, othersOf(seat, before, reads), episode));
          })
        : null;
      await ask((episode, at) => {
        const before = answersOf(episode, layer - 1);
        const read = summarised?.[at];
        return seated.map((player, seat) => {
          const others = read?.[seat] === undefined ? othersOf(seat, before, reads) : [read[seat]];
          return response(player, seat, round === 1 ? [] : [before[seat] as number, ...others], episode);
        });
      });
    }
    for (const episode of episodes) {
      const tie = tieBreak === 'last' ? tieBreak : { ...tieBreak, problem: episode.problem, round };
      vote(episode, answersOf(episode, layer), task.equal, tie);
    }
  }
  return episodes;
}

/** Whose turns a seat reads, or a summary of them, beside its own. */
function othersOf(seat: number, before: readonly number[], reads: NonNullable<DebateSettings['reads']>): number[] {
  if (reads === 'none') return [];
  if (reads === 'all') return before.filter((_, other) => other !== seat);
  return before.length < 2 ? [] : [before[(seat + 1) % before.length] as number];
}
