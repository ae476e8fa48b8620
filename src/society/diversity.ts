/** How much the seats of a society differ, from their answers and texts alone. */
import type { Episode, LayerScore } from '../events';
import { answersOf } from './episode';
import { clusterAnswers, type Equal } from './vote';

/** Consensus and distinct answers and texts of a layer, over episodes. Consensus only where the layer was voted on. */
export function diversityOf(
  episodes: readonly Episode[],
  layer: number,
  equal: Equal,
): Pick<LayerScore, 'consensus' | 'distinctAnswers' | 'distinctTexts'> {
  const votes = episodes.map((episode) => voteOn(episode, layer));
  return {
    ...(votes.every((vote) => vote !== undefined) && {
      consensus: mean(votes.map((vote) => (vote?.count ?? 0) / (vote?.of.length || 1))),
    }),
    distinctAnswers: mean(
      episodes.map((episode, at) => votes[at]?.distinct ?? clusterAnswers(answersIn(episode, layer), equal).length),
    ),
    distinctTexts: mean(
      episodes.map((episode) => new Set(answersOf(episode, layer).map((at) => episode.turns[at]?.text)).size),
    ),
  };
}

function voteOn(episode: Episode, layer: number) {
  return episode.verdicts.find(({ by, of }) => by === 'vote' && of.every((at) => episode.turns[at]?.layer === layer));
}

function answersIn(episode: Episode, layer: number): (string | null)[] {
  return answersOf(episode, layer).map((at) => episode.turns[at]?.answer ?? null);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
