/**
 * Preferences between the samples of a problem: which two a reward model picks, what a second judge makes of them, and how often one
 * model's answers are preferred to another's. Pure functions of scores and verdicts.
 */
import type { Episode, ExampleRef, Verdict } from '../events';
import type { Selection } from './selection';
import type { Equal } from './vote';

/** Who scores all samples, in the log. */
export const STUDENT = 'student';
/** The same after its update. */
export const REFRESHED = 'refreshed student';
/** Counts how many samples gave the same answer. */
export const VOTES = 'vote count';

/** Why a problem gives no pair. */
export const NO_PAIR = {
  unscored: 'the student has not scored it',
  alike: 'the student scores all samples alike',
  unjudged: 'the teacher has not scored it',
  even: 'the teacher sees no difference',
} as const;

/** Turn indices; `swapped`: the teacher turned the student's order round. */
export interface Pair {
  chosen: number;
  rejected: number;
  swapped: boolean;
}

/** Scores as the log has them: six decimals, no negative zero. */
export function rounded(score: number): number {
  return Math.round(score * 1e6) / 1e6 + 0;
}

/** `of` from the highest score to the lowest; equal scores keep their order. */
export function ranked(of: readonly number[], scores: readonly number[]): number[] {
  return of
    .map((turn, at) => ({ turn, score: scores[at] as number }))
    .sort((a, b) => b.score - a.score)
    .map(({ turn }) => turn);
}

/** The first turn of the highest score and the last one of the lowest; null where all scores are equal. */
export function extremes({ of, scores = [] }: Verdict): { best: number; worst: number } | null {
  const order = ranked(of, scores);
  const [best, worst] = [order[0], order.at(-1)];
  if (best === undefined || worst === undefined || Math.max(...scores) === Math.min(...scores)) return null;
  return { best, worst };
}

/** The pair of an episode by the student's extremes and the teacher's scores of these two, or why there is none. */
export function pairOf({ verdicts }: Pick<Episode, 'verdicts'>, teacher: string): Pair | { none: string } {
  const screened = verdicts.find(({ by }) => by === STUDENT);
  if (!screened) return { none: NO_PAIR.unscored };
  const found = extremes(screened);
  if (!found) return { none: NO_PAIR.alike };
  const judged = verdicts.find(({ by }) => by === teacher);
  if (!judged) return { none: NO_PAIR.unjudged };
  const { best, worst } = found;
  const scoreOf = (turn: number) => judged.scores?.[judged.of.indexOf(turn)] ?? 0;
  const difference = scoreOf(best) - scoreOf(worst);
  if (difference === 0) return { none: NO_PAIR.even };
  return difference > 0
    ? { chosen: best, rejected: worst, swapped: false }
    : { chosen: worst, rejected: best, swapped: true };
}

/** Every turn of a judge's highest score against every one of its lowest; none where all scores are equal. */
export function contrasts({ of, scores = [] }: Verdict): Omit<Pair, 'swapped'>[] {
  const [most, least] = [Math.max(...scores), Math.min(...scores)];
  if (scores.length === 0 || most === least) return [];
  const scored = (score: number) => of.filter((_, at) => scores[at] === score);
  return scored(most).flatMap((chosen) => scored(least).map((rejected) => ({ chosen, rejected })));
}

/** How many of an episode's samples gave the answer of each turn; unreadable ones have no votes. */
export function voteCounts({ turns }: Pick<Episode, 'turns'>, of: readonly number[], equal: Equal): number[] {
  const answers = turns.flatMap(({ answer }) => (typeof answer === 'string' ? [answer] : []));
  return of.map((at) => {
    const own = turns[at]?.answer;
    return typeof own === 'string' ? answers.filter((answer) => equal(answer, own)).length : 0;
  });
}

/** Of an iteration's problems: pairs as the student ordered them, swapped ones, and those that the teacher could not tell apart. */
export interface Screening {
  kept: number;
  swapped: number;
  even: number;
  /** Problems without two texts for the teacher. */
  alike: number;
}

/** The pairs of episodes as examples, in their order. */
export function pairsOf(episodes: readonly Episode[], teacher: string): { selection: Selection; screening: Screening } {
  const screening: Screening = { kept: 0, swapped: 0, even: 0, alike: 0 };
  const examples: ExampleRef[] = [];
  const dropped = new Map<string, number>();
  for (const episode of episodes) {
    const pair = pairOf(episode, teacher);
    if ('none' in pair) {
      dropped.set(pair.none, (dropped.get(pair.none) ?? 0) + 1);
      if (pair.none === NO_PAIR.even) screening.even++;
      else screening.alike++;
      continue;
    }
    if (pair.swapped) screening.swapped++;
    else screening.kept++;
    examples.push(example(episode.problem, pair));
  }
  return { selection: selectionOf(examples, dropped), screening };
}

/** The contrasts of episodes that a teacher scored in full, as examples. */
export function contrastsOf(episodes: readonly Episode[], teacher: string): Selection {
  const dropped = new Map<string, number>();
  const examples = episodes.flatMap(({ problem, verdicts }) => {
    const judged = verdicts.find(({ by }) => by === teacher);
    const pairs = judged ? contrasts(judged) : [];
    if (pairs.length === 0) dropped.set(NO_PAIR.even, (dropped.get(NO_PAIR.even) ?? 0) + 1);
    return pairs.map((pair) => example(problem, pair));
  });
  return selectionOf(examples, dropped);
}

/** 1 where the first score is higher, 0 where the second is, ½ where neither is. */
export function preference(first: number, second: number): number {
  return first === second ? 0.5 : first > second ? 1 : 0;
}

function example(problem: number, { chosen, rejected }: Omit<Pair, 'swapped'>): ExampleRef {
  return { problem, turn: chosen, kind: 'chosen', rejected: { problem, turn: rejected } };
}

function selectionOf(examples: ExampleRef[], dropped: ReadonlyMap<string, number>): Selection {
  return {
    examples,
    available: { chosen: examples.length },
    dropped: Array.from(dropped, ([reason, count]) => ({ reason, count })),
  };
}
