/**
 * Which responses each agent is finetuned on (arXiv 2501.05707, Algorithm 1 lines 17 to 27). The vote of the last round is the
 * pseudo-label ŷ; gold is not known here.
 */
import type { DatasetBuilt, DatasetEntry } from '../events';
import { drawUint, type DrawName } from '../random';
import type { Debate } from './debate';
import type { Equal } from './vote';

export type Selection = Pick<DatasetBuilt, 'entries' | 'available' | 'dropped'>;

/** Why a response is not used. */
export const DROPPED = {
  noVote: 'no readable answer to vote on',
  fewVotes: 'label has too few votes',
  differs: 'answer differs from the label',
  share: 'left out to keep the share w',
} as const;

/**
 * ŷ of a debate, or the reason why there is none to learn from. The paper accepts the winner of any vote
 * (minimumVotes = 1); a weak base then learns from the winners of 1-1-1 ties.
 */
export function pseudoLabel(debate: Debate, minimumVotes: number): { label: string } | { rejected: string } {
  const vote = debate.votes.at(-1);
  if (!vote || vote.answer === null) return { rejected: DROPPED.noVote };
  if (vote.count < minimumVotes) return { rejected: DROPPED.fewVotes };
  return { label: vote.answer };
}

/** D^G_n: this agent's own round-1 responses whose answer equals ŷ. */
export function selectGenerator(
  debates: readonly Debate[],
  agent: number,
  minimumVotes: number,
  equal: Equal,
): Selection {
  return selectFirstRound(debates, [agent], 'G', minimumVotes, equal);
}

/** Majority finetuning of one model: every slot's round-1 response whose answer equals ŷ. */
export function selectMajority(debates: readonly Debate[], minimumVotes: number, equal: Equal): Selection {
  const slots = Array.from({ length: debates[0]?.responses[0]?.length ?? 0 }, (_, slot) => slot);
  return selectFirstRound(debates, slots, 'M', minimumVotes, equal);
}

function selectFirstRound(
  debates: readonly Debate[],
  slots: readonly number[],
  kind: 'G' | 'M',
  minimumVotes: number,
  equal: Equal,
): Selection {
  const entries: DatasetEntry[] = [];
  const dropped = new Tally();
  for (const debate of debates) {
    const label = pseudoLabel(debate, minimumVotes);
    for (const agent of slots) {
      if ('rejected' in label) dropped.add(label.rejected);
      else if (!agrees(debate, 0, agent, label.label, equal)) dropped.add(DROPPED.differs);
      else entries.push({ problem: debate.problem, kind, agent, round: 1 });
    }
  }
  return { entries, available: { [kind]: entries.length }, dropped: dropped.list() };
}

/**
 * D^C_n = w·D^{C−}_n + (1−w)·D^{C+}_n: last-round responses of the slot that equal ŷ, those whose round-1 answer was wrong
 * (C−, corrected) and those that stayed right (C+), mixed by `mixtureSizes`. Which ones: those with the smallest draws, a draw
 * per problem, so that another problem never changes the fate of this one's draw.
 * @param draw name of the draws; problem is filled in.
 */
export function selectCritic(
  debates: readonly Debate[],
  agent: number,
  share: number,
  minimumVotes: number,
  equal: Equal,
  draw: DrawName,
): Selection {
  const corrected: DatasetEntry[] = [];
  const kept: DatasetEntry[] = [];
  const dropped = new Tally();
  for (const debate of debates) {
    const label = pseudoLabel(debate, minimumVotes);
    const round = debate.responses.length;
    if ('rejected' in label) dropped.add(label.rejected);
    else if (!agrees(debate, round - 1, agent, label.label, equal)) dropped.add(DROPPED.differs);
    else if (agrees(debate, 0, agent, label.label, equal))
      kept.push({ problem: debate.problem, kind: 'C+', agent, round });
    else corrected.push({ problem: debate.problem, kind: 'C-', agent, round });
  }
  const sizes = mixtureSizes(corrected.length, kept.length, share);
  dropped.add(DROPPED.share, corrected.length + kept.length - sizes.corrected - sizes.kept);
  const chosen = new Set([...sample(corrected, sizes.corrected, draw), ...sample(kept, sizes.kept, draw)]);
  const order = new Map(debates.map((debate, index) => [debate.problem, index]));
  return {
    entries: [...chosen].sort((x, y) => (order.get(x.problem) ?? 0) - (order.get(y.problem) ?? 0)),
    available: { 'C-': corrected.length, 'C+': kept.length },
    dropped: dropped.list(),
  };
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

function agrees(debate: Debate, round: number, agent: number, label: string, equal: Equal): boolean {
  const answer = debate.responses[round]?.[agent]?.answer ?? null;
  return answer !== null && equal(answer, label);
}

/** The `size` entries with the smallest draws. */
function sample(entries: readonly DatasetEntry[], size: number, draw: DrawName): DatasetEntry[] {
  return entries
    .map((entry) => ({ entry, key: drawUint({ ...draw, problem: entry.problem }, 0) }))
    .sort((x, y) => x.key - y.key || x.entry.problem - y.entry.problem)
    .slice(0, size)
    .map(({ entry }) => entry);
}

class Tally {
  private readonly counts = new Map<string, number>();

  add(reason: string, count = 1): void {
    if (count > 0) this.counts.set(reason, (this.counts.get(reason) ?? 0) + count);
  }

  list(): { reason: string; count: number }[] {
    return Array.from(this.counts, ([reason, count]) => ({ reason, count }));
  }
}
