/**
 * The ledger of a run: what became of each held-out problem over the iterations, how votes flipped, what revisions did, how far labels can be
 * trusted by their margin, and whether voting finds more than generating does. A pure view of the log, about the headline learner.
 */
import type { Cast, Episode, EvaluationDone, MethodScore, RunEvent } from '../events';
import { answersOf, DRAW, lastVote, layersOf, revisedAnswers } from '../society/episode';
import { baseLearnerOf, scoreOf } from './results';
import { standing } from './superseded';

/** Of a problem, from its first test to its last. `unsteady`: it ends as it began and was otherwise in between. */
export type ProblemFate = 'always' | 'learned' | 'degraded' | 'never' | 'unsteady';
export const PROBLEM_FATES: readonly ProblemFate[] = ['always', 'learned', 'degraded', 'never', 'unsteady'];

export interface Ledger {
  /** Key of the headline learner, and of its method. */
  learner: string;
  method: string;
  /** The method, for people. */
  label: string;
  /** Iterations that were tested, from 0. */
  iterations: number[];
  /** In the order of the held-out problems: right after each of them? */
  problems: { id: number; right: boolean[]; fate: ProblemFate }[];
  fates: Record<ProblemFate, number>;
  /** How the answer of the last vote changed since the test before. */
  flips: { iteration: number; n: number; toRight: number; toWrong: number; amongWrong: number }[];
  /** What revisions did to a seat's own answer, in tests. Empty without revisions. */
  revisions: { iteration: number; round: number; n: number; toRight: number; toWrong: number }[];
  /** Votes that are right, of round 1 and of the last round, in tests. */
  votes: { iteration: number; n: number; first: number; last: number }[];
  /** Labels of the last training iteration that voted, by how many votes the winner is ahead of the next answer. */
  margins: { margin: number; problems: number; right: number }[];
  gaps: VerificationGap[];
}

/**
 * Generation-verification gap of training problems: share of right votes minus share of right first answers, after "Mind the gap"
 * (arXiv 2412.02674) with the vote as the verifier and all weight on its winner. Not above zero: labels teach nothing that answers lack.
 */
export interface VerificationGap {
  iteration: number;
  problems: number;
  gap: number;
  /** Of the mean over problems. */
  standardError: number;
}

/** null for a log without two tests or votes of a learner. */
export function ledgerOf(all: readonly RunEvent[]): Ledger | null {
  const events = standing(all);
  const cast = events.find((event) => event.type === 'run-started');
  const method = cast?.methods.find(({ key }) => key === cast.compare[0]?.[0]);
  if (!cast || !method) return null;
  const { learner } = method;
  const tests = new Map<string, EvaluationDone>();
  const held = new Map<string, Episode[]>();
  const trained = new Map<number, Episode[]>();
  for (const event of events) {
    if (event.type === 'evaluation') tests.set(`${event.learner} ${event.iteration}`, event);
    if (event.type !== 'episode') continue;
    if (event.purpose === 'evaluation' && event.part === undefined)
      push(held, `${event.learner} ${event.iteration}`, event);
    if (event.purpose === 'train' && event.learner === learner && lastVote(event))
      push(trained, event.iteration, event);
  }
  const last = Math.max(0, ...[...tests.values()].map(({ iteration }) => iteration));
  const scored = Array.from({ length: last + 1 }, (_, iteration) => iteration).flatMap((iteration): Scored[] => {
    const score = scoreOf(cast, method, iteration, (key, l) => tests.get(`${key} ${l}`));
    const own = held.get(`${learner} ${iteration}`);
    const before = iteration === 0 ? held.get(`${baseLearnerOf(cast)} 0`) : undefined;
    return score ? [{ iteration, score, episodes: own ?? before ?? [] }] : [];
  });
  const problems = problemsOf(scored);
  const voted = [...trained.keys()].sort((a, b) => a - b);
  const ledger = {
    learner,
    method: method.key,
    label: method.label,
    iterations: scored.map(({ iteration }) => iteration),
    problems,
    fates: countFates(problems),
    flips: flipsOf(scored),
    revisions: scored.flatMap(({ iteration, episodes }) => revisionsOf(iteration, episodes)),
    votes: scored.flatMap(({ iteration, episodes }) => votesOf(iteration, episodes)),
    margins: marginsOf(trained.get(voted.at(-1) ?? 0) ?? []),
    gaps: voted.flatMap((iteration) => gapOf(iteration, trained.get(iteration) ?? [])),
  };
  return scored.length < 2 && ledger.gaps.length === 0 ? null : ledger;
}

interface Scored {
  iteration: number;
  score: MethodScore;
  episodes: readonly Episode[];
}

function push<K>(map: Map<K, Episode[]>, key: K, episode: Episode): void {
  const known = map.get(key);
  if (known) known.push(episode);
  else map.set(key, [episode]);
}

function problemsOf(scored: readonly Scored[]): Ledger['problems'] {
  const [first] = scored;
  if (!first || scored.some(({ score }) => score.n !== first.score.n)) return [];
  return Array.from(first.score.correct, (_, at) => {
    const right = scored.map(({ score }) => score.correct[at] === '1');
    return { id: first.episodes[at]?.problem ?? at, right, fate: fateOf(right) };
  });
}

/** @param right at least one */
export function fateOf(right: readonly boolean[]): ProblemFate {
  const [first, last] = [right[0] === true, right.at(-1) === true];
  if (first !== last) return last ? 'learned' : 'degraded';
  if (right.some((one) => one !== first)) return 'unsteady';
  return first ? 'always' : 'never';
}

function countFates(problems: Ledger['problems']): Record<ProblemFate, number> {
  const counts = Object.fromEntries(PROBLEM_FATES.map((fate) => [fate, 0])) as Record<ProblemFate, number>;
  for (const { fate } of problems) counts[fate]++;
  return counts;
}

/** Changes of the last vote's answer from one test to the next, for problems that both have. */
function flipsOf(scored: readonly Scored[]): Ledger['flips'] {
  return scored.slice(1).flatMap(({ iteration, episodes }, at) => {
    const before = new Map(scored[at]?.episodes.map((episode) => [episode.problem, lastVote(episode)]));
    const flips = { iteration, n: 0, toRight: 0, toWrong: 0, amongWrong: 0 };
    for (const episode of episodes) {
      const [was, is] = [before.get(episode.problem), lastVote(episode)];
      if (!was || !is) continue;
      flips.n++;
      if (was.answer === is.answer || (was.right && is.right)) continue;
      if (is.right) flips.toRight++;
      else if (was.right) flips.toWrong++;
      else flips.amongWrong++;
    }
    return flips.n > 0 ? [flips] : [];
  });
}

/** What a seat's answer was in a round and in the one before. */
function revisionsOf(iteration: number, episodes: readonly Episode[]): Ledger['revisions'] {
  const rounds = Math.max(0, ...episodes.map(layersOf));
  return Array.from({ length: Math.max(0, rounds - 1) }, (_, at) => {
    const row = { iteration, round: at + 2, n: 0, toRight: 0, toWrong: 0 };
    for (const episode of episodes) {
      for (const { before, after } of revisedAnswers(episode, at + 1)) {
        row.n++;
        if (!before.right && after.right) row.toRight++;
        if (before.right && !after.right) row.toWrong++;
      }
    }
    return row;
  });
}

function votesOf(iteration: number, episodes: readonly Episode[]): Ledger['votes'] {
  const voted = episodes.filter(({ verdicts }) => verdicts.some(({ by }) => by === 'vote'));
  if (voted.length === 0) return [];
  const right = (verdict: Episode['verdicts'][number] | null | undefined) => (verdict?.right ? 1 : 0);
  const sum = (of: (episode: Episode) => number) => voted.reduce((all, episode) => all + of(episode), 0);
  return [
    {
      iteration,
      n: voted.length,
      first: sum(({ verdicts }) => right(verdicts.find(({ by }) => by === 'vote'))),
      last: sum((episode) => right(lastVote(episode))),
    },
  ];
}

/** Labels without a readable answer have no margin. One by the draw may have fewer votes than another answer: its margin is below zero. */
function marginsOf(episodes: readonly Episode[]): Ledger['margins'] {
  const rows = new Map<number, { margin: number; problems: number; right: number }>();
  for (const episode of episodes) {
    const label = episode.verdicts.findLast(({ by }) => by === DRAW) ?? lastVote(episode);
    if (!label || typeof label.answer !== 'string') continue;
    let own = 0;
    const others = new Map<string, number>();
    for (const at of label.of) {
      const answer = episode.turns[at]?.answer;
      if (typeof answer !== 'string') continue;
      if (label.joined?.includes(at) || answer === label.answer) own++;
      else others.set(answer, (others.get(answer) ?? 0) + 1);
    }
    const margin = own - Math.max(0, ...others.values());
    const row = rows.get(margin) ?? { margin, problems: 0, right: 0 };
    rows.set(margin, row);
    row.problems++;
    if (label.right) row.right++;
  }
  return [...rows.values()].sort((a, b) => b.margin - a.margin);
}

function gapOf(iteration: number, episodes: readonly Episode[]): VerificationGap[] {
  const differences = episodes.flatMap((episode) => {
    const vote = lastVote(episode);
    const first = answersOf(episode, 0);
    if (vote?.right === undefined || first.length === 0) return [];
    const right = first.filter((at) => episode.turns[at]?.right).length;
    return [(vote.right ? 1 : 0) - right / first.length];
  });
  const n = differences.length;
  if (n === 0) return [];
  const gap = differences.reduce((sum, one) => sum + one, 0) / n;
  const variance = differences.reduce((sum, one) => sum + (one - gap) ** 2, 0) / Math.max(1, n - 1);
  return [{ iteration, problems: n, gap, standardError: Math.sqrt(variance / n) }];
}

/** What is to be feared of a gap, in words; null where it is above zero by two standard errors. */
export function gapWarning({ gap, standardError }: VerificationGap): string | null {
  if (gap <= 0) return 'not above zero: votes are right no more often than answers, so labels teach nothing new';
  if (gap <= 2 * standardError) return 'not told from zero: it is below two standard errors';
  return null;
}

/** Cast of a log that a ledger can be made of, for views that ask before they compute. */
export function hasLedger({ compare, methods }: Pick<Cast, 'compare' | 'methods'>): boolean {
  return methods.some(({ key }) => key === compare[0]?.[0]);
}
