/** Majority vote over the final answers of one round (arXiv 2501.05707, section 2.1). */
import { drawInt, type DrawName } from '../random';

export interface Cluster {
  /** The first answer of the cluster in agent order. */
  answer: string;
  count: number;
}

/** How ties are broken: by a named draw, or by taking the last one in lexicographic order. */
export type TieBreak = DrawName | 'last';

/** What a vote came to. */
export interface Majority {
  /** null when no response was readable. */
  answer: string | null;
  /** How many gave it. */
  count: number;
  /** Several answers had that count and a seeded draw chose. */
  tied: boolean;
}

/** Do two canonical answers mean the same? (`Task.equal`) */
export type Equal = (a: string, b: string) => boolean;

/** Readable answers grouped greedily in agent order, as the paper's grader does; null (unreadable) joins no cluster. */
export function clusterAnswers(answers: readonly (string | null)[], equal: Equal): Cluster[] {
  const clusters: Cluster[] = [];
  for (const answer of answers) {
    if (answer === null) continue;
    const cluster = clusters.find((candidate) => equal(candidate.answer, answer));
    if (cluster) cluster.count++;
    else clusters.push({ answer, count: 1 });
  }
  return clusters;
}

/**
 * The largest cluster wins; among several of that size a draw chooses uniformly ("one potential answer is chosen at
 * random"; the paper's code takes the lexicographically largest string instead).
 * @param answers one per agent, null = unreadable. Unreadable answers never win: all unreadable gives answer null, count 0.
 * @param tie name of the tie-breaking draw, which is only used in a tie and shifts no other draw; or that code's rule
 */
export function majorityVote(answers: readonly (string | null)[], equal: Equal, tie: TieBreak): Majority {
  const clusters = clusterAnswers(answers, equal);
  const count = Math.max(0, ...clusters.map((cluster) => cluster.count));
  const leaders = clusters.filter((cluster) => cluster.count === count);
  if (leaders.length === 0) return { answer: null, count: 0, tied: false };
  const winner =
    tie === 'last'
      ? leaders.reduce((best, one) => (one.answer > best.answer ? one : best), leaders[0] as Cluster)
      : leaders[leaders.length === 1 ? 0 : drawInt(tie, 0, leaders.length)];
  return { answer: winner?.answer ?? null, count, tied: leaders.length > 1 };
}
