/** Steps of work that one comparison may take: what a model writes must not be able to hold up whoever reads it. */

/** An answer asks for more work than one answer is worth; it then equals nothing but its own text. */
export class OutOfSteps extends Error {}

/** Tokens, nodes, evaluations and products of whole numbers count one each; long ones count by their length. */
export const MAX_STEPS = 50_000;

export class Budget {
  private used = 0;

  constructor(readonly limit = MAX_STEPS) {}

  /** Steps taken until now; at most `limit`, unless the last spending went over it. */
  get spent(): number {
    return this.used;
  }

  /** @throws OutOfSteps when nothing is left. */
  spend(steps = 1): void {
    this.used += steps;
    if (this.used > this.limit) throw new OutOfSteps('the answer asks for more work than one answer is worth');
  }
}
