import { describe, expect, it } from 'vitest';
import { arithmetic, operandsOf, problemOf, residue } from '../../src/tasks/arithmetic';
import { TaskError } from '../../src/tasks/errors';
import { taskNamed } from '../../src/tasks';

const problem = problemOf(734567);

describe('arithmetic', () => {
  it('encodes the operands in the id and computes gold', () => {
    expect(problem).toEqual({ id: 734567, question: '7+3*4+5-6*7', gold: '-18' });
    expect(operandsOf(5)).toEqual([0, 0, 0, 0, 0, 5]);
    expect(problemOf(0).gold).toBe('0');
  });

  it('writes the compact dialect', () => {
    expect(arithmetic.solvePrompt(problem)).toEqual([{ role: 'user', content: '7+3*4+5-6*7' }]);
    const summary = arithmetic.summarise(['-18', null]);
    expect(summary).toBe('-18,x');
    expect(arithmetic.revisePrompt(problem, '12', summary)[0]?.content).toBe('7+3*4+5-6*7@12~-18,x');
    expect(arithmetic.revisePrompt(problem, null, summary)[0]?.content).toBe('7+3*4+5-6*7@x~-18,x');
  });

  it.each([
    ['3*4=12;6*7=42;12+7=19;19+5=24;24-42=-18#-18', '-18'],
    ['#1#2', '2'],
    ['#-0', '0'],
    ['#007', '7'],
    ['3*4=12', null],
    ['#', null],
    ['#-', null],
    ['#1;2', null],
    ['#1.5', null],
    ['#12345678901', null],
    ['', null],
  ])('reads the answer of %j as %j', (text, answer) => expect(arithmetic.extractAnswer(text)).toBe(answer));

  it('draws problems of the right residue, without repetition, a longer list beginning with the shorter', () => {
    const train = arithmetic.problems('train', 500, 7);
    const evaluation = arithmetic.problems('evaluation', 500, 7);
    expect(train.every(({ id }) => residue(operandsOf(id)) === 1)).toBe(true);
    expect(evaluation.every(({ id }) => residue(operandsOf(id)) === 0)).toBe(true);
    expect(new Set([...train, ...evaluation].map(({ id }) => id)).size).toBe(1000);
    expect(arithmetic.problems('train', 100, 7)).toEqual(train.slice(0, 100));
    expect(arithmetic.problems('train', 100, 8)).not.toEqual(train.slice(0, 100));
    expect(arithmetic.problems('train', 100, 7, 1)).not.toEqual(train.slice(0, 100));
    expect(arithmetic.problems('train', 100, 7, 2)).not.toEqual(arithmetic.problems('train', 100, 7, 1));
  });

  it('refuses more problems than there are, and unknown tasks by name', () => {
    expect(() => arithmetic.problems('train', 150_000, 1)).toThrow(TaskError);
    expect(() => taskNamed('gsm9k')).toThrow(/gsm9k.*arithmetic/);
  });
});
