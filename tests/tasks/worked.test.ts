import { describe, expect, it } from 'vitest';
import { arithmetic } from '../../src/tasks/arithmetic';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { TaskError } from '../../src/tasks/errors';
import { gsm8k } from '../../src/tasks/gsm8k';
import { multipleChoice } from '../../src/tasks/multipleChoice';
import type { Graded } from '../../src/tasks/types';
import { arithmeticDifficulty } from '../../src/tasks/worked';

const graded = (question: string, gold: string, id = 1): Graded => ({ id, question, gold });

describe('the difficulty of a + b·c + d − e·f', () => {
  it.each([
    // Terms 4; results 6, 0, 7, 11 and 11 have 7 digits; 7 + 4 carries.
    ['1+2*3+4-0*5', 4 + 7 + 1],
    // Results 81, 81, 90, 99 and 18; 81 + 9 carries.
    ['9+9*9+9-9*9', 4 + 10 + 1],
    // Results 2, 81, 2, 5 and −76; 81 − 5 borrows; below 0.
    ['0+1*2+3-9*9', 4 + 7 + 1 + 1],
    // Results 0 five times.
    ['0+0*0+0-0*0', 4 + 5],
    // 700, 1, 795, 804, 803: 95 + 700 carries nothing, 795 + 9 twice.
    ['95+100*7+9-1*1', 4 + 3 + 1 + 3 + 3 + 3 + 2],
  ])('%s is %i', (question, wanted) => expect(arithmeticDifficulty({ question })).toBe(wanted));

  it('is refused for other questions', () => {
    expect(() => arithmeticDifficulty({ question: '1+1' })).toThrow(TaskError);
  });
});

describe('true solutions', () => {
  const problem = graded('7+3*4+5-6*7', '-18');

  it('are written as responses are, and read as the true answer', () => {
    expect(arithmetic.solution?.(problem)).toBe('3*4=12;6*7=42;12+7=19;19+5=24;24-42=-18#-18');
    const words = arithmeticChat.solution?.({ ...problem, question: 'What is the result of 7+3*4+5-6*7?' }) ?? '';
    expect(words.split('\n').slice(-2)).toEqual(['24 - 42 = -18', 'The answer is \\boxed{-18}.']);
    for (const task of [arithmetic, arithmeticChat])
      expect(task.extractAnswer(task.solution?.(problem) ?? '')).toBe('-18');
  });
});

describe('candidates', () => {
  it('of arithmetic are a true answer and a near one, with the last step left out', () => {
    const found = arithmetic.candidates?.(graded('7+3*4+5-6*7', '-18')) ?? [];
    expect(found.map(({ answer }) => answer)).toContain('-18');
    expect(found.length).toBe(2);
    for (const { answer, text } of found) {
      expect(text).toBe(`3*4=12;6*7=42;12+7=19;19+5=24#${answer}`);
      expect([0, 1, 2, 10]).toContain(Math.abs(Number(answer) + 18));
    }
  });

  it('are in an order that does not tell which one is true', () => {
    const problems = arithmetic.problems('train', 400, 1) as Graded[];
    const first = problems.filter((problem) => arithmetic.candidates?.(problem)[0]?.answer === problem.gold).length;
    // 200 ± 10
    expect(Math.abs(first - 200)).toBeLessThan(40);
    const below = problems.filter((problem) =>
      arithmetic.candidates?.(problem).every(({ answer }) => Number(answer) <= Number(problem.gold)),
    ).length;
    expect(Math.abs(below - 200)).toBeLessThan(40);
  });

  it('of GSM8K are numbers, and are refused where the answer is no whole number', () => {
    const found = gsm8k.candidates?.(graded('How many?', '7')) ?? [];
    expect(found.map(({ text }) => gsm8k.extractAnswer(text))).toEqual(found.map(({ answer }) => answer));
    expect(() => gsm8k.candidates?.(graded('How much?', '7/2'))).toThrow(TaskError);
  });

  it('of multiple choice are its letters', () => {
    const { question } = multipleChoice.readProblem({
      question: 'Which?\nA) is no choice',
      choices: ['one', 'two', 'three'],
      answer: 1,
    });
    const found = multipleChoice.candidates?.(graded(question, 'B')) ?? [];
    expect(found.map(({ answer }) => answer)).toEqual(['A', 'B', 'C']);
    expect(found.map(({ text }) => multipleChoice.extractAnswer(text))).toEqual(['A', 'B', 'C']);
  });
});
