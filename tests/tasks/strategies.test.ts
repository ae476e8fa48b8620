import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TaskError } from '../../src/tasks/errors';
import { chainOf, gapOf, partOf, strategies, strategyOf, sumOf, sumsOf } from '../../src/tasks/strategies';

const ALL = [0, 1, 2, 3, 4, 5, 6];
const of = (question: string) => ({ id: 0, question });

describe('sums by strategies', () => {
  it.each([
    // By hand: 47 + 28 = 60 + 15; 47 + 30 − 2; 50 + 25.
    ['47+28', 'T', false, 'T60,15#75'],
    ['47+28', 'R', false, 'R77-2#75'],
    ['47+28', 'B', false, 'B50+25#75'],
    // The carry forgotten, the adjustment forgotten, the bridge not taken from the second number.
    ['47+28', 'T', true, 'T60,5#65'],
    ['47+28', 'R', true, 'R77-0#77'],
    ['47+28', 'B', true, 'B50+28#78'],
    // Units below 6 are rounded down; without a carry the misconception makes one.
    ['13+24', 'T', false, 'T30,7#37'],
    ['13+24', 'T', true, 'T30,17#47'],
    ['13+24', 'R', false, 'R33+4#37'],
    ['13+24', 'R', true, 'R33+0#33'],
    ['13+24', 'B', false, 'B20+17#37'],
    // The bridge may leave little, and a sum three digits.
    ['11+11', 'B', false, 'B20+2#22'],
    ['79+79', 'T', false, 'T140,18#158'],
    ['79+79', 'R', false, 'R159-1#158'],
  ] as const)('writes %s by %s, mistaken %s: %s', (question, strategy, mistaken, chain) => {
    expect(chainOf(of(question), strategy, mistaken)).toBe(chain);
    expect(strategyOf(chain)).toBe(strategy);
    expect(strategies.extractAnswer(chain)).toBe(chain.split('#')[1]);
  });

  it('reads right answers from right chains, and wrong ones from mistaken chains, on every problem', () => {
    for (const problem of sumsOf(ALL)) {
      for (const strategy of ['T', 'R', 'B'] as const) {
        expect(strategies.extractAnswer(chainOf(problem, strategy, false))).toBe(problem.gold);
        expect(strategies.extractAnswer(chainOf(problem, strategy, true))).not.toBe(problem.gold);
      }
    }
  });

  it.each(['', 'T', 'T60,15', 'T60+15#75', 'R77#75', 'B50-25#75', 'X60,15#75', '60,15#75', 'TT60,15#75'])(
    'reads no strategy from %j',
    (text) => expect(strategyOf(text)).toBeNull(),
  );

  it.each([
    ['11+11', ['T', 'B']], // row 1, column 1 of the table: 6
    ['47+28', ['T']], // row 7, column 8: 1
    ['12+13', ['T']], // row 2, column 3: 1
    ['22+12', ['R', 'B']], // row 2, column 2: 5
    ['14+32', ['R']], // row 4, column 2: 2
    ['76+11', []], // row 6, column 1: 0
  ])('knows the gap of %s', (question, gap) => expect(gapOf(of(question))).toEqual(gap));

  it('has the gaps with which the model was pretrained', () => {
    const source = readFileSync('tools/pretrain/strategies_data.py', 'utf8');
    const rows = [...source.matchAll(/^ {4}"(\d{9})",$/gm)].map(([, row]) => row as string);
    expect(rows).toHaveLength(9);
    const wrong = [[], ['T'], ['R'], ['B'], ['T', 'R'], ['R', 'B'], ['T', 'B']];
    rows.forEach((row, a) =>
      [...row].forEach((digit, b) => expect(gapOf(sumOf(11 + a, 11 + b))).toEqual(wrong[Number(digit)])),
    );
  });

  it('has as many problems of each class in each part: 5, 49 and 27 of 81', () => {
    expect(sumsOf(ALL)).toHaveLength(3969);
    for (const part of ALL) {
      const counts = [0, 0, 0];
      for (const problem of sumsOf([part])) counts[gapOf(problem).length]!++;
      expect(counts).toEqual([5 * 7, 49 * 7, 27 * 7]);
    }
  });

  it('has one right strategy at least on every problem, and writes it as the solution', () => {
    for (const problem of sumsOf(ALL)) {
      const solution = strategies.solution?.(problem) ?? '';
      expect(gapOf(problem)).not.toContain(strategyOf(solution));
      expect(strategies.extractAnswer(solution)).toBe(problem.gold);
      expect(strategies.difficulty?.(problem)).toBe(gapOf(problem).length);
    }
  });

  it('draws training and held-out problems that no other part has, the longer list beginning with the shorter', () => {
    const held = strategies.problems('evaluation', 567, 7);
    const train = strategies.problems('train', 1134, 7);
    const parts = (list: typeof held) => new Set(list.map(({ id }) => partOf(Math.floor(id / 100), id % 100)));
    expect(parts(held)).toEqual(new Set([0]));
    expect(parts(train)).toEqual(new Set([1, 2]));
    expect(new Set([...held, ...train].map(({ id }) => id)).size).toBe(1701);
    expect(strategies.problems('train', 10, 7)).toEqual(train.slice(0, 10));
    expect(strategies.problems('train', 10, 7, 1)).not.toEqual(train.slice(0, 10));
    expect(strategies.problems('train', 10, 8)).not.toEqual(train.slice(0, 10));
    expect(() => strategies.problems('evaluation', 568, 7)).toThrow(TaskError);
  });

  it('writes its prompts', () => {
    const problem = sumOf(47, 28);
    expect(problem).toEqual({ id: 4728, question: '47+28', gold: '75' });
    const content = (messages: { content: string }[] | undefined) => messages?.map((message) => message.content);
    expect(content(strategies.solvePrompt(problem))).toEqual(['47+28']);
    expect(content(strategies.revisePrompt(problem, '75', strategies.summarise(['65', null])))).toEqual([
      '47+28@75~65,x',
    ]);
    expect(content(strategies.verifyPrompt?.(problem, '75'))).toEqual(['47+28@75?']);
    expect(content(strategies.verifyPrompt?.(problem, null))).toEqual(['47+28@x?']);
    expect(content(strategies.refinePrompt?.(problem, '75', '65'))).toEqual(['47+28@75?65']);
    expect(content(strategies.hintPrompt?.(problem, '75'))).toEqual(['47+28!75']);
  });

  it.each(['', '7+8', '47+20', '81+28', '47-28', '47+28+1'])('refuses %j as a sum', (question) =>
    expect(() => gapOf(of(question))).toThrow(TaskError),
  );
});
