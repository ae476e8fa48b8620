/** The only place where gold is read: what a log says about right and wrong. Nothing here feeds back into a recipe. */
import type { Episode, EvaluationDone, LayerScore, MethodScore, PseudoLabels } from '../events';
import { diversityOf } from './diversity';
import { answersOf, layersOf } from './episode';
import type { Equal } from './vote';

/** Answers by problem id. */
export type Gold = ReadonlyMap<number, string>;

/** A pseudo-label that a recipe learns from, or not. */
export interface Label {
  problem: number;
  answer: string | null;
  votes: number;
  accepted: boolean;
}

/** The episode with what gold says about its turns and verdicts. */
export function gradeEpisode(episode: Episode, gold: Gold, equal: Equal): Episode {
  const truth = gold.get(episode.problem);
  if (truth === undefined) return episode;
  const graded = <T extends { answer?: string | null }>(one: T): T =>
    one.answer === undefined ? one : { ...one, right: isRight(one.answer, truth, equal) };
  return { ...episode, turns: episode.turns.map(graded), verdicts: episode.verdicts.map(graded) };
}

/** An unreadable answer is wrong and counted, never left out. @param answers in the order of `problems` */
export function scoreAnswers(
  answers: readonly (string | null)[],
  problems: readonly number[],
  gold: Gold,
  equal: Equal,
): MethodScore {
  const correct = answers
    .map((answer, at) => (isRight(answer, gold.get(problems[at] ?? -1), equal) ? '1' : '0'))
    .join('');
  return {
    right: correct.split('1').length - 1,
    unreadable: answers.filter((answer) => answer === null).length,
    n: answers.length,
    correct,
  };
}

/** What every seat of every layer had right. @param episodes graded; all of one shape */
export function scoreLayers(episodes: readonly Episode[], equal: Equal): EvaluationDone['layers'] {
  const layers = episodes[0] ? layersOf(episodes[0]) : 0;
  return Array.from({ length: layers }, (_, layer): LayerScore => {
    const seats: LayerScore['seats'] = [];
    for (const episode of episodes) {
      for (const at of answersOf(episode, layer)) {
        const turn = episode.turns[at];
        if (!turn) continue;
        const seat = (seats[turn.seat] ??= { right: 0, unreadable: 0 });
        if (turn.right) seat.right++;
        if (turn.answer === null) seat.unreadable++;
      }
    }
    return {
      seats: Array.from(seats, (seat) => seat ?? { right: 0, unreadable: 0 }),
      ...diversityOf(episodes, layer, equal),
    };
  });
}

/** Precision of pseudo-labels, by number of agreeing voters (index = votes, 0 = nothing readable). */
export function gradeLabels(
  labels: readonly Label[],
  voters: number,
  gold: Gold,
  equal: Equal,
): Omit<PseudoLabels, 'type' | 'iteration' | 'learner'> {
  const byVotes = Array.from({ length: voters + 1 }, (_, votes) => ({ votes, problems: 0, right: 0 }));
  let accepted = 0;
  let acceptedRight = 0;
  for (const label of labels) {
    const bin = byVotes[label.votes];
    const right = isRight(label.answer, gold.get(label.problem), equal) ? 1 : 0;
    if (bin) {
      bin.problems++;
      bin.right += right;
    }
    if (label.accepted) {
      accepted++;
      acceptedRight += right;
    }
  }
  return { problems: labels.length, byVotes, accepted, acceptedRight };
}

function isRight(answer: string | null, gold: string | undefined, equal: Equal): boolean {
  return answer !== null && gold !== undefined && equal(answer, gold);
}
