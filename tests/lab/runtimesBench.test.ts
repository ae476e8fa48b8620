/** Runtimes side by side: speeds of each by rows, and how many of their greedy answers are those of the first. */
import { expect, it } from 'vitest';
import { greedyQuestions, measureRuntimes, type Asks } from '../../src/lab/bench/runtimes';
import type { Answer, Question } from '../../src/runtimes/types';

const answer = (ids: number[]): Answer => ({ text: ids.join(), finish: 'stop', tokens: ids.length, ids });

function scripted(name: string, idsOf: (question: Question) => number[]): Asks & { asked: number[] } {
  const asked: number[] = [];
  return {
    name,
    asked,
    ask: async (questions) => {
      asked.push(questions.length);
      return questions.map((question) => answer(idsOf(question)));
    },
  };
}

it('measures every runtime at every number of rows, and compares with the first', async () => {
  const problem = ({ draw }: Question) => draw.problem;
  const first = scripted('first', (question) => [problem(question), 1]);
  const alike = scripted('alike', (question) => [problem(question), 1]);
  const odd = scripted('odd', (question) => [
    problem(question),
    problem(question) === greedyQuestions(1)[0]!.draw.problem ? 2 : 1,
  ]);
  const found = [];
  for await (const one of measureRuntimes([first, alike, odd], { rows: [1, 8], seconds: 0, compared: 6 }))
    found.push(one);
  expect(found.slice(0, 6).map((one) => [one.runtime, 'rows' in one && one.rows])).toEqual([
    ['first', 1],
    ['first', 8],
    ['alike', 1],
    ['alike', 8],
    ['odd', 1],
    ['odd', 8],
  ]);
  for (const one of found.slice(0, 6)) expect('rows' in one && one.tokensPerSecond).toBeGreaterThan(0);
  expect(found.slice(6)).toEqual([
    { runtime: 'alike', same: 6, of: 6 },
    { runtime: 'odd', same: 5, of: 6 },
  ]);
  // One before them is not counted.
  expect(first.asked).toEqual([1, 1, 8, 8, 6]);
});

it('asks the same problems without a draw, whatever is measured', () => {
  const [few, many] = [greedyQuestions(3), greedyQuestions(10)];
  expect(many.slice(0, 3)).toEqual(few);
  expect(few.every(({ sampling }) => sampling?.temperature === 0)).toBe(true);
});
