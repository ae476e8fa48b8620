/** What debate does to answers: how many go from right or wrong in one round to right or wrong in the next. */
import { answerBefore, settledIn, type EpisodeView } from './episodes';
import type { Answered } from './logIndex';

/** Counts of moves from one round to the next. An unreadable answer is wrong. */
export interface Transitions {
  rightRight: number;
  wrongRight: number;
  rightWrong: number;
  wrongWrong: number;
}

/** Moves of one group of debates; index m = from round m + 1 to round m + 2, so there are M − 1 of them. */
export interface Flow {
  /** Counted per agent and problem. */
  answers: Transitions[];
  /** Counted per problem. */
  votes: Transitions[];
}

export const TRANSITIONS = [
  { key: 'rightRight', label: 'right → right', from: 'right', to: 'right' },
  { key: 'wrongRight', label: 'wrong → right', from: 'wrong', to: 'right' },
  { key: 'rightWrong', label: 'right → wrong', from: 'right', to: 'wrong' },
  { key: 'wrongWrong', label: 'wrong → wrong', from: 'wrong', to: 'wrong' },
] as const satisfies readonly { key: keyof Transitions; label: string; from: Truth; to: Truth }[];
export type Truth = 'right' | 'wrong';

export function emptyTransitions(): Transitions {
  return { rightRight: 0, wrongRight: 0, rightWrong: 0, wrongWrong: 0 };
}

/**
 * Adds one debate to a flow, in place.
 * @param right is this answer right? Called with every answer of the debate.
 */
export function addToFlow(flow: Flow, debate: EpisodeView, right: (said: Answered | null) => boolean): void {
  for (let m = 0; m + 1 < debate.responses.length; m++) {
    const answers = (flow.answers[m] ??= emptyTransitions());
    for (const turn of debate.responses[m + 1] ?? []) {
      const before = answerBefore(debate, m + 1, turn);
      if (before) answers[transitionOf(right(before), right(turn))]++;
    }
    const votes = (flow.votes[m] ??= emptyTransitions());
    const [before, after] = [settledIn(debate, m), settledIn(debate, m + 1)];
    if (before && after) votes[transitionOf(right(before), right(after))]++;
  }
}

export function transitionOf(before: boolean, after: boolean): keyof Transitions {
  if (before) return after ? 'rightRight' : 'rightWrong';
  return after ? 'wrongRight' : 'wrongWrong';
}

export function totalOf(moves: Transitions): number {
  return moves.rightRight + moves.wrongRight + moves.rightWrong + moves.wrongWrong;
}

/** A band of the picture: its share of the left and of the right column, from 0 (top) to 1. */
export interface Band {
  key: keyof Transitions;
  count: number;
  left: [top: number, bottom: number];
  right: [top: number, bottom: number];
}

/**
 * Bands between two rounds: right on top, wrong below, in both columns. On the left a state's bands are ordered by where
 * they go, on the right by where they come from, so bands of one state never cross.
 */
export function bandsOf(moves: Transitions): Band[] {
  const total = totalOf(moves);
  if (total === 0) return [];
  const left = stack(moves, ['rightRight', 'rightWrong', 'wrongRight', 'wrongWrong'], total);
  const right = stack(moves, ['rightRight', 'wrongRight', 'rightWrong', 'wrongWrong'], total);
  return TRANSITIONS.filter(({ key }) => moves[key] > 0).map(({ key }) => ({
    key,
    count: moves[key],
    left: left[key],
    right: right[key],
  }));
}

function stack(
  moves: Transitions,
  order: readonly (keyof Transitions)[],
  total: number,
): Record<keyof Transitions, [number, number]> {
  const places = {} as Record<keyof Transitions, [number, number]>;
  let top = 0;
  for (const key of order) {
    const bottom = top + moves[key] / total;
    places[key] = [top, bottom];
    top = bottom;
  }
  return places;
}
