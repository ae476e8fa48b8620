/**
 * Which turns an adapter is finetuned on. A recipe's rule says the fate of every turn (`Recipe.fate`); here the fates become data sets.
 * The vote of the last round is the pseudo-label ŷ; gold is not known here.
 */
import type { DatasetBuilt, Episode, ExampleRef, Verdict } from '../events';
import { drawUint, shuffled, type DrawName } from '../random';
import { DRAW, lastVote } from './episode';
import type { Fate } from './fate';
import { CHECKER } from './prompts';

/** Where a label comes from: the last vote, the true answer, or an agent drawn at random. */
export type LabelSource = 'vote' | 'gold' | 'random';

export type Selection = Pick<DatasetBuilt, 'examples' | 'available' | 'dropped'>;

/** Why a response is not used. */
export const DROPPED = {
  noVote: 'no readable answer to vote on',
  fewVotes: 'label has too few votes',
  differs: 'answer differs from the label',
  share: 'left out to keep the share w',
  dealt: 'dealt to another agent',
  unanimous: 'all agreed or none: nothing to tell apart',
  unspoken: 'the agent said nothing',
} as const;

/**
 * ŷ of an episode, or the reason why there is none to learn from. The paper accepts the winner of any vote
 * (minimumVotes = 1); a weak base then learns from the winners of 1-1-1 ties.
 * @param by gold: the true answer that a checker gave is the label; random: the answer that was drawn, whatever the votes
 */
export function pseudoLabel(
  episode: Episode,
  minimumVotes: number,
  by: LabelSource = 'vote',
): { label: Verdict } | { rejected: string } {
  if (by === 'gold') {
    const truth = episode.verdicts.findLast((verdict) => verdict.by === CHECKER);
    return truth ? { label: truth } : { rejected: DROPPED.noVote };
  }
  if (by === 'random') {
    const draw = episode.verdicts.findLast((verdict) => verdict.by === DRAW);
    return typeof draw?.answer === 'string' ? { label: draw } : { rejected: DROPPED.noVote };
  }
  const vote = lastVote(episode);
  if (!vote || vote.answer === null || vote.answer === undefined) return { rejected: DROPPED.noVote };
  if ((vote.count ?? 0) < minimumVotes) return { rejected: DROPPED.fewVotes };
  return { label: vote };
}

/**
 * The examples of an adapter, in the order of the episodes and their turns.
 * @param fates of the turns of each episode, in the order of the episodes
 * @param kinds of examples that the adapter can have
 */
export function select(
  episodes: readonly Episode[],
  fates: readonly (readonly Fate[])[],
  adapter: string,
  kinds: readonly string[],
): Selection {
  const examples: ExampleRef[] = [];
  const dropped = new Tally();
  episodes.forEach(({ problem }, at) =>
    fates[at]?.forEach((fate, turn) => {
      if (fate.to === 'unused' || fate.adapter !== adapter) return;
      if (fate.to === 'dropped') dropped.add(fate.why);
      else examples.push({ problem, turn, kind: fate.kind, ...(fate.prompt !== undefined && { prompt: fate.prompt }) });
    }),
  );
  const available = kinds.map((kind) => [kind, examples.filter((example) => example.kind === kind).length] as const);
  return { examples, available: Object.fromEntries(available), dropped: dropped.list() };
}

/**
 * D^C_n = w·D^{C−}_n + (1−w)·D^{C+}_n (arXiv 2501.05707, Algorithm 1 line 26): a selection with the share w of one kind, by
 * `mixtureSizes`. Which ones stay: those with the smallest draws, a draw per problem, so that another problem never changes the fate of
 * this one's draw.
 * @param kinds the corrected and the kept ones
 * @param draw name of the draws; problem is filled in
 */
export function mix(
  { examples, available, dropped }: Selection,
  [first, second]: readonly [string, string],
  share: number,
  draw: DrawName,
): Selection {
  const corrected = examples.filter(({ kind }) => kind === first);
  const kept = examples.filter(({ kind }) => kind === second);
  const sizes = mixtureSizes(corrected.length, kept.length, share);
  const chosen = new Set([...sample(corrected, sizes.corrected, draw), ...sample(kept, sizes.kept, draw)]);
  const tally = new Tally(dropped);
  tally.add(DROPPED.share, corrected.length + kept.length - sizes.corrected - sizes.kept);
  return { examples: examples.filter((example) => chosen.has(example)), available, dropped: tally.list() };
}

/**
 * How many of C− and C+ make the critic's set, for 0 < w < 1:
 *
 * - Both have examples: the largest set with the share w from C− (up to rounding), while it holds at least half of the
 *   candidates. Otherwise one side is short: all of it is taken, and the other fills up to half of the candidates, so that a
 *   critic is not left with a handful of examples.
 * - One is empty: all of the other. In the paper w weighs two sets against each other; with one of them the share is 0 or 1
 *   whatever is left out, and leaving out would only lose examples.
 *
 * w = 0 and w = 1 mean one kind only: the other is never taken, not even where the wanted one is empty.
 */
export function mixtureSizes(corrected: number, kept: number, share: number): { corrected: number; kept: number } {
  if (share <= 0) return { corrected: 0, kept };
  if (share >= 1) return { corrected, kept: 0 };
  if (corrected === 0 || kept === 0) return { corrected, kept };
  const half = Math.ceil((corrected + kept) / 2);
  const exact = Math.min(corrected / share, kept / (1 - share));
  if (exact >= half) {
    return {
      corrected: Math.min(corrected, Math.round(share * exact)),
      kept: Math.min(kept, Math.round((1 - share) * exact)),
    };
  }
  return corrected / share < kept / (1 - share)
    ? { corrected, kept: half - corrected }
    : { corrected: half - kept, kept };
}

/** Several selections as one, its examples in the order of the selections. */
export function union(selections: readonly Selection[]): Selection {
  const available: Record<string, number> = {};
  const dropped = new Tally();
  for (const selection of selections) {
    for (const [kind, count] of Object.entries(selection.available)) available[kind] = (available[kind] ?? 0) + count;
    for (const { reason, count } of selection.dropped) dropped.add(reason, count);
  }
  return { examples: selections.flatMap(({ examples }) => examples), available, dropped: dropped.list() };
}

/**
 * One of several random parts of a selection, as equal in size as they can be.
 * @param part 0..parts − 1
 * @param draw name of the permutation
 */
export function deal({ examples, available }: Selection, parts: number, part: number, draw: DrawName): Selection {
  const own = shuffled(examples, draw).filter((_, at) => at % parts === part);
  const dropped = new Tally();
  dropped.add(DROPPED.dealt, examples.length - own.length);
  return { examples: examples.filter((example) => own.includes(example)), available, dropped: dropped.list() };
}

/** The `size` examples with the smallest draws. */
function sample(examples: readonly ExampleRef[], size: number, draw: DrawName): ExampleRef[] {
  return examples
    .map((example) => ({ example, key: drawUint({ ...draw, problem: example.problem }, 0) }))
    .sort((x, y) => x.key - y.key || x.example.problem - y.example.problem)
    .slice(0, size)
    .map(({ example }) => example);
}

class Tally {
  private readonly counts: Map<string, number>;

  constructor(start: DatasetBuilt['dropped'] = []) {
    this.counts = new Map(start.map(({ reason, count }) => [reason, count]));
  }

  add(reason: string, count = 1): void {
    if (count > 0) this.counts.set(reason, (this.counts.get(reason) ?? 0) + count);
  }

  list(): { reason: string; count: number }[] {
    return Array.from(this.counts, ([reason, count]) => ({ reason, count }));
  }
}
