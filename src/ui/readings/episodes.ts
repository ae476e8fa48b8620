/** An episode as views draw it: its answers layer by layer, with the vote on each layer. */
import type { Episode, Turn, Verdict } from '../../events';
import { answersOf, layersOf } from '../../society/episode';

export interface EpisodeView extends Pick<Episode, 'purpose' | 'learner' | 'iteration' | 'problem'> {
  episode: Episode;
  /** responses[m][n]: answers of layer m (round m + 1 of a debate, depth m of a tree), in the order of the log. */
  responses: Turn[][];
  /** Their indices among the episode's turns. */
  places: number[][];
  /** The vote on each layer; null where there was none. */
  votes: (Verdict | null)[];
}

export function viewOf(episode: Episode): EpisodeView {
  const { purpose, learner, iteration, problem, turns, verdicts } = episode;
  const places = Array.from({ length: layersOf(episode) }, (_, layer) => answersOf(episode, layer));
  return {
    purpose,
    learner,
    iteration,
    problem,
    episode,
    places,
    responses: places.map((layer) => layer.map((at) => turns[at] as Turn)),
    votes: places.map(
      (_, layer) =>
        verdicts.find(({ by, of }) => by === 'vote' && of.every((at) => turns[at]?.layer === layer)) ?? null,
    ),
  };
}

/**
 * What a layer came to: its vote, or its only answer where nobody voted. What somebody says who knows the true answer is not what the
 * agents came to.
 */
export function settledIn({ responses, votes }: EpisodeView, layer: number): Verdict | Turn | null {
  const answers = responses[layer] ?? [];
  return votes[layer] ?? (answers.length === 1 ? (answers[0] as Turn) : null);
}

/** What the episode came to: what its last layer with answers did. */
export function outcomeOf(view: EpisodeView): Verdict | Turn | null {
  const last = view.responses.findLastIndex((layer) => layer.length > 0);
  return settledIn(view, last);
}

/**
 * The answer that a turn revises: the first of its parents that gave one in the layer before, or its seat's; undefined where there is
 * none.
 */
export function answerBefore({ episode, responses }: EpisodeView, layer: number, turn: Turn): Turn | undefined {
  const earlier = responses[layer - 1];
  if (!earlier) return undefined;
  for (const at of turn.parents) {
    const parent = episode.turns[at];
    if (parent && parent.layer === layer - 1 && parent.answer !== undefined) return parent;
  }
  return earlier.find(({ seat }) => seat === turn.seat);
}
