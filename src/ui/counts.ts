/** Small counts that views make of what they draw. */

/** How many gave each answer, most first; null = unreadable. */
export function tally(round: readonly { answer: string | null }[]): { answer: string | null; count: number }[] {
  const counts = new Map<string | null, number>();
  for (const { answer } of round) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts].map(([answer, count]) => ({ answer, count })).sort((a, b) => b.count - a.count);
}
