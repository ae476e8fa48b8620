/** Responses of LaTeX-like, bracket-like and space-like repetition: each is graded by every task within its limit. */
import { MOST_MS, measureGrading } from '../grading/measure';
import type { SoakOptions, SoakOutcome } from './result';

export async function soakGrading({ count, seed }: SoakOptions): Promise<SoakOutcome> {
  const { longestMs, longest, task, over } = measureGrading(count, seed);
  const faults = over > 0 ? [`${over} took over ${MOST_MS} ms, the longest ${JSON.stringify(longest)} (${task})`] : [];
  const outcomes = { graded: count, [`over ${MOST_MS} ms`]: over };
  return { outcomes, attempts: count, lost: over, equal: null, memory: null, longestMs: Math.round(longestMs), faults };
}
