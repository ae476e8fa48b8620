/** How far agents are from each other, from the log-probabilities that each gives to what each has said. */

/** A response and what an agent makes of it. */
export interface ScoredResponse {
  problem: number;
  /** Whose response it is. */
  seat: number;
  tokens: number;
  /** Σ log p of its tokens under the agent, in nats. */
  score: number;
}

export interface AgentDistance {
  /** Mean −log p of a token of the others' responses, in nats; null without any token. */
  others: number | null;
  /** Of an agent's own responses. */
  own: number | null;
  /** KL(m‖n) a response, mean over ordered pairs of agents; null where no pair has a response. */
  kl: number | null;
}

/**
 * The estimator of KL is the plain one: for responses y that agent m has sampled, the mean of log p_m(y) − log p_n(y), a response whole. It
 * is unbiased where m samples from its own distribution (temperature 1, nothing cut off); its estimate may be below zero.
 * @param scored by seat of the agent that scores: its scores of all responses
 */
export function agentDistance(scored: ReadonlyMap<number, readonly ScoredResponse[]>): AgentDistance {
  const sums = { others: { nats: 0, tokens: 0 }, own: { nats: 0, tokens: 0 } };
  const pairs: number[] = [];
  for (const [agent, responses] of scored) {
    for (const { seat, tokens, score } of responses) {
      const sum = seat === agent ? sums.own : sums.others;
      sum.nats -= score;
      sum.tokens += tokens;
    }
    const own = responses.filter(({ seat }) => seat === agent);
    for (const [other, theirs] of scored) {
      if (other === agent || own.length === 0) continue;
      const under = new Map(theirs.flatMap((one) => (one.seat === agent ? [[one.problem, one.score] as const] : [])));
      const ratios = own.flatMap(({ problem, score }) =>
        under.has(problem) ? [score - (under.get(problem) ?? 0)] : [],
      );
      if (ratios.length > 0) pairs.push(ratios.reduce((sum, one) => sum + one, 0) / ratios.length);
    }
  }
  const each = ({ nats, tokens }: { nats: number; tokens: number }) => (tokens === 0 ? null : nats / tokens);
  const kl = pairs.length === 0 ? null : pairs.reduce((sum, one) => sum + one, 0) / pairs.length;
  return { others: each(sums.others), own: each(sums.own), kl };
}
