/** Generations that a society spends on a problem. */

/** What decides them. */
export interface SocietySize {
  /** N */
  agents: number;
  /** M */
  rounds: number;
  /** `base-model`: a model writes a summary for every agent before each round but the first. */
  summary?: string;
  /** `none`: nobody reads anybody, so there is nothing to summarise. */
  reads?: string;
}

/** Summaries by a model, N(M − 1) or none. */
export function summariesOf({ agents, rounds, summary, reads }: SocietySize): number {
  return summary === 'base-model' && reads !== 'none' ? agents * (rounds - 1) : 0;
}

/** Responses and summaries, NM or NM + N(M − 1). */
export function callsOfSociety(size: SocietySize): number {
  return size.agents * size.rounds + summariesOf(size);
}
