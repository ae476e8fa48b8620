/** Which strategies agents use, and how often one is right where its strategy goes wrong: diagnostics with gold that no recipe reads. */
import type { Episode } from '../events';
import type { Strategies, Ungraded } from '../tasks/types';
import { answersOf } from './episode';

/** First answers of one seat. */
export interface StrategyCount {
  /** Answers in all, those that show no strategy included. */
  answers: number;
  /** Answers that show a strategy, by its key. */
  shown: Record<string, number>;
  /** Answers by a strategy that goes wrong on the problem: inside one's own gap. */
  inside: number;
  /** Those of them that are right all the same. */
  repaired: number;
}

/**
 * Counts of the first answers, by seat.
 * @param problem of an id; an episode whose problem is not known is left out
 */
export function countStrategies(
  strategies: Strategies,
  problem: (id: number) => Pick<Ungraded, 'question'> | undefined,
  episodes: Iterable<Episode>,
): StrategyCount[] {
  const counts: StrategyCount[] = [];
  for (const episode of episodes) {
    const asked = problem(episode.problem);
    if (!asked) continue;
    const wrong = strategies.wrongOn(asked);
    for (const at of answersOf(episode, 0)) {
      const { seat, text, right } = episode.turns[at]!;
      const count = (counts[seat] ??= { answers: 0, shown: {}, inside: 0, repaired: 0 });
      count.answers++;
      const strategy = strategies.of(text);
      if (strategy === null) continue;
      count.shown[strategy] = (count.shown[strategy] ?? 0) + 1;
      if (!wrong.includes(strategy)) continue;
      count.inside++;
      if (right) count.repaired++;
    }
  }
  return counts;
}

/** Several seats as one. */
export function sumStrategies(counts: readonly StrategyCount[]): StrategyCount {
  const sum: StrategyCount = { answers: 0, shown: {}, inside: 0, repaired: 0 };
  for (const { answers, shown, inside, repaired } of counts) {
    sum.answers += answers;
    sum.inside += inside;
    sum.repaired += repaired;
    for (const [key, count] of Object.entries(shown)) sum.shown[key] = (sum.shown[key] ?? 0) + count;
  }
  return sum;
}
