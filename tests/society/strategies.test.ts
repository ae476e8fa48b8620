import { describe, expect, it } from 'vitest';
import type { Episode } from '../../src/events';
import { countStrategies, sumStrategies } from '../../src/society/strategies';
import { strategies, sumOf } from '../../src/tasks/strategies';
import type { Strategies } from '../../src/tasks/types';
import { heldDebate } from './handmade';

const known = strategies.strategies as Strategies;
const problems = new Map([sumOf(47, 28), sumOf(14, 32)].map((problem) => [problem.id, problem]));

/** First answers as chains; right where the chain ends at the true answer. */
function answered(id: number, ...texts: string[]): Episode {
  const gold = problems.get(id)?.gold;
  const held = heldDebate(
    id,
    texts.map((text) => strategies.extractAnswer(text)),
  );
  const turns = held.turns.map((turn, at) => ({ ...turn, text: texts[at] as string, right: turn.answer === gold }));
  return { ...held, turns };
}

describe('counts of strategies', () => {
  it('counts what each seat shows, and what is right inside its own gap', () => {
    // 47+28 is in the gap of T, 14+32 in that of R.
    const counts = countStrategies(known, (id) => problems.get(id), [
      answered(4728, 'T60,5#65', 'R77-2#75', 'mumble'),
      answered(4728, 'T60,15#75', 'T60,5#65', 'B50+25#75'),
      answered(1432, 'R44+2#46', 'R44+0#44', 'T40,6#46'),
      // Nobody knows this problem.
      heldDebate(1, ['1', '2', '3']),
    ]);
    expect(counts).toEqual([
      { answers: 3, shown: { T: 2, R: 1 }, inside: 3, repaired: 2 },
      { answers: 3, shown: { R: 2, T: 1 }, inside: 2, repaired: 0 },
      { answers: 3, shown: { B: 1, T: 1 }, inside: 0, repaired: 0 },
    ]);
    expect(sumStrategies(counts)).toEqual({ answers: 9, shown: { T: 4, R: 3, B: 1 }, inside: 5, repaired: 2 });
  });

  it('reads first answers only', () => {
    const held = heldDebate(4728, ['65', '75'], ['75', '75']);
    const [only] = countStrategies(known, (id) => problems.get(id), [held]);
    expect(only?.answers).toBe(1);
  });
});
