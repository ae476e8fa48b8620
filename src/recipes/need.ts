/** What a recipe's loop asks of a device, where recipes share it. */
import type { Work } from './types';

/** Episodes of one stretch of work. */
interface Amount {
  problems: number;
  /** Responses and summaries in all. */
  calls: number;
  /** As `Work` counts them. */
  table?: number;
}

/** Work of a loop that tests the base, and then answers, learns and tests in each iteration. */
export function loopWork(
  iterations: number,
  answered: Amount,
  learnt: { solve: number; revise: number },
  tested: (iteration: number) => Amount,
): Work[] {
  const test = (iteration: number): Work => ({
    kind: 'episodes',
    iteration,
    purpose: 'evaluation',
    ...tested(iteration),
  });
  const numbers = Array.from({ length: iterations }, (_, l) => l + 1);
  return [
    test(0),
    ...numbers.flatMap((iteration): Work[] => [
      { kind: 'episodes', iteration, purpose: 'train', ...answered },
      { kind: 'train', iteration, ...learnt },
      test(iteration),
    ]),
  ];
}
