/** How much the agents of a society differ, from their answers and texts alone. */
import type { Debate } from './debate';
import { clusterAnswers, type Equal } from './vote';

/** Mean share of agents that gave the voted answer in a round (0-based index); no readable answer counts as 0. */
export function consensus(debates: readonly Debate[], round: number): number {
  return mean(debates, (debate) => (debate.votes[round]?.count ?? 0) / (debate.responses[round]?.length ?? 1));
}

/** Mean number of distinct readable answers among the agents in a round (0-based index). */
export function distinctAnswers(debates: readonly Debate[], round: number, equal: Equal): number {
  return mean(
    debates,
    (debate) =>
      clusterAnswers(
        (debate.responses[round] ?? []).map((response) => response.answer),
        equal,
      ).length,
  );
}

/** Mean number of distinct response texts among the agents in a round (0-based index). */
export function distinctTexts(debates: readonly Debate[], round: number): number {
  return mean(debates, (debate) => new Set((debate.responses[round] ?? []).map((response) => response.text)).size);
}

function mean(debates: readonly Debate[], value: (debate: Debate) => number): number {
  return debates.length === 0 ? 0 : debates.reduce((sum, debate) => sum + value(debate), 0) / debates.length;
}
