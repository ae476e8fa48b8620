import { describe, expect, it } from 'vitest';
import { boxesIn } from '../../src/tasks/answers';
import { canonicalAnswer, jsonl, sameAnswer } from '../../src/tasks/jsonl';
import { numericAnswer } from '../../src/tasks/arithmeticChat';
import { chosenLetter, MAX_ANSWER } from '../../src/tasks/answers';
import { Budget, MAX_STEPS } from '../../src/tasks/math/budget';
import { MAX_FORMULA } from '../../src/tasks/math/lexer';
import { parseFormula } from '../../src/tasks/math/parser';
import { hostileResponse } from '../../tools/grading/hostile';

/** Steps of reading a formula, whether it is one or not. */
function parsingSteps(text: string): number {
  const budget = new Budget();
  try {
    parseFormula(text, budget);
  } catch {
    // No formula.
  }
  return budget.spent;
}

describe('grading of hostile responses', () => {
  it('takes a bounded number of steps on 10,000 of them', () => {
    const all = { parsing: 0, comparing: 0 };
    for (let index = 0; index < 10_000; index++) {
      const response = hostileResponse(7, index);
      // Every task's extraction is run on a part of them; the measurement runs them all.
      const answer = jsonl.extractAnswer(response);
      if (index % 10 === 0)
        for (const read of [numericAnswer, chosenLetter])
          expect((read(response) ?? '').length).toBeLessThan(2 * MAX_ANSWER);
      const text = answer ?? canonicalAnswer(response.slice(0, 600)) ?? '';
      expect(text.length).toBeLessThanOrEqual(MAX_ANSWER);
      all.parsing = Math.max(all.parsing, parsingSteps(text));
      const budget = new Budget();
      sameAnswer(text, `${text.slice(0, -1)}2`, budget);
      all.comparing = Math.max(all.comparing, budget.spent);
    }
    // A step more than allowed is the one that ends it; the costliest step is a number of 4,096 bits.
    expect(all.comparing).toBeLessThan(MAX_STEPS + MAX_FORMULA);
    expect(all.parsing).toBeLessThan(12 * MAX_FORMULA);
  });

  it.each([
    '|',
    '\\lvert ',
    '\\|',
    '\\left|',
    '\\{x',
    '|x',
    '(',
    '{',
    '\\frac{',
    '2^',
    '-',
    '\\sqrt',
    '\\sin ',
    'f(',
    "'",
    '\\frac12',
    '\\begin{pmatrix}',
  ])('reads twice as much %j in twice the steps', (piece) => {
    const steps = (length: number) => parsingSteps(piece.repeat(length / piece.length));
    expect(steps(800)).toBeLessThanOrEqual(2.2 * steps(400) + 50);
  });

  it('finds boxes in one pass over the text', () => {
    const boxes = (count: number) => boxesIn('\\boxed{'.repeat(count)).steps;
    expect(boxes(16_000)).toBeLessThanOrEqual(16_000 * 7 + 1);
    expect(boxesIn(' '.repeat(40_000)).steps).toBeLessThanOrEqual(40_000);
    expect(boxesIn('\\boxed{1}, '.repeat(4000)).steps).toBeLessThanOrEqual(4000 * 11);
  });
});
