import { describe, expect, it } from 'vitest';
import { STREAMS } from '../../src/random';
import { clusterAnswers, majorityVote } from '../../src/society/vote';

const same = (a: string, b: string) => a === b;
const name = (problem: number) => ({ seed: 3, stream: STREAMS.tieBreak, problem, round: 1 });

describe('majorityVote', () => {
  it('takes the most frequent answer', () => {
    expect(majorityVote(['7', '12', '7'], same, name(0))).toEqual({ answer: '7', count: 2, tied: false });
  });

  it('never lets unreadable answers win', () => {
    expect(majorityVote([null, null, '5'], same, name(0))).toEqual({ answer: '5', count: 1, tied: false });
    expect(majorityVote([null, null], same, name(0))).toEqual({ answer: null, count: 0, tied: false });
  });

  it('breaks ties by a draw: always the same for a name, each leader about equally often', () => {
    const won = new Map<string | null, number>();
    for (let problem = 0; problem < 3000; problem++) {
      const vote = majorityVote(['7', '12', '100', null], same, name(problem));
      expect(vote).toEqual(majorityVote(['7', '12', '100', null], same, name(problem)));
      expect(vote).toMatchObject({ count: 1, tied: true });
      won.set(vote.answer, (won.get(vote.answer) ?? 0) + 1);
    }
    // 1000 ± 4 standard deviations of √(3000·⅓·⅔) ≈ 26
    for (const answer of ['7', '12', '100']) expect(Math.abs((won.get(answer) ?? 0) - 1000)).toBeLessThan(104);
  });

  it('breaks a tie of two against one only among the leaders', () => {
    for (let problem = 0; problem < 50; problem++) {
      expect(['1', '2']).toContain(majorityVote(['1', '2', '2', '1', '3'], same, name(problem)).answer);
    }
  });

  it('clusters by what the task calls equal, first come first', () => {
    const numeric = (a: string, b: string) => Number(a) === Number(b);
    expect(clusterAnswers(['0.50', '1/2', '.5', null], numeric)).toEqual([
      { answer: '0.50', count: 2 },
      { answer: '1/2', count: 1 },
    ]);
  });
});
