/** What the verdicts of an episode come to on the stage: the vote of the last layer, or scores. */
import type { Fate } from '../../society/fate';
import { CHECKER } from '../../society/prompts';
import type { EpisodeView } from '../readings/episodes';

export interface StageVote {
  answer: string | null;
  count: number;
  tied: boolean;
  /** It is a label to learn from, or nobody was to learn from it. */
  accepted: boolean;
  /** Why it is not accepted. */
  why?: string;
}

/** What a verdict says of one turn. */
export interface StageMark {
  slot: number;
  answer: string | null;
  score: number;
  /** Who looked; null: a program that knows the true answer, and 1 is right. */
  by: string | null;
}

/** @param fates of the episode's turns; none = not known */
export function voteOf({ votes }: EpisodeView, fates: readonly Fate[]): StageVote | null {
  const vote = votes.at(-1);
  if (!vote) return null;
  const { answer = null, count = 0, tied = false, of } = vote;
  const learnt = fates.some(({ to }) => to === 'dataset');
  const rejected = of.map((at) => fates[at]).find((fate) => fate?.to === 'dropped');
  const accepted = answer !== null && (learnt || !rejected);
  return { answer, count, tied, accepted, ...(!accepted && rejected && { why: rejected.why }) };
}

/** Scores of all verdicts, in their order; null where there are none. */
export function marksOf({ episode: { turns, verdicts } }: EpisodeView): StageMark[] | null {
  const marks = verdicts.flatMap(({ by, of, scores }) =>
    (scores ?? []).flatMap((score, i): StageMark[] => {
      const turn = turns[of[i] ?? -1];
      if (!turn) return [];
      return [{ slot: turn.seat, answer: turn.answer ?? null, score, by: by === CHECKER ? null : by }];
    }),
  );
  return marks.length > 0 ? marks : null;
}

/** Marks of one seat by one who looked, in the order of the log. */
export interface SeatMarks {
  slot: number;
  /** As in `StageMark`. */
  by: string | null;
  scores: number[];
}

/** More marks than a look takes in are shown by seat. */
export const MOST_MARKS = 12;

/** Many marks by seat and by who looked; null where each can be shown alone. */
export function marksBySeat(marks: readonly StageMark[]): SeatMarks[] | null {
  if (marks.length <= MOST_MARKS) return null;
  const seats = new Map<string, SeatMarks>();
  for (const { slot, by, score } of marks) {
    const name = `${slot} ${by ?? ''}`;
    const known = seats.get(name);
    if (known) known.scores.push(score);
    else seats.set(name, { slot, by, scores: [score] });
  }
  return [...seats.values()];
}
