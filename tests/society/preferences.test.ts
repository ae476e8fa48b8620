/** Pairs worked out by hand: the student's extremes, the teacher's word, and what gives no pair. */
import { describe, expect, it } from 'vitest';
import type { Episode, Verdict } from '../../src/events';
import {
  contrasts,
  contrastsOf,
  extremes,
  NO_PAIR,
  pairOf,
  pairsOf,
  preference,
  ranked,
  rounded,
  STUDENT,
  voteCounts,
} from '../../src/society/preferences';
import { same, turn } from './handmade';

const student = (...scores: number[]): Verdict => ({ by: STUDENT, of: scores.map((_, at) => at), scores });
const teacher = (of: number[], scores: number[]): Verdict => ({ by: 'checker', of, scores });
const episode = (problem: number, ...verdicts: Verdict[]): Episode => ({
  type: 'episode',
  purpose: 'train',
  learner: 'policy',
  iteration: 1,
  problem,
  turns: ['5', '5', '6', null].map((answer, seat) => turn(answer, { seat, call: `answer-${seat}` })),
  verdicts,
});

describe('the student', () => {
  it('picks the highest and the lowest', () => {
    expect(extremes(student(0.5, -1, 2, 0))).toEqual({ best: 2, worst: 1 });
    expect(ranked([0, 1, 2, 3], [0.5, -1, 2, 0])).toEqual([2, 0, 3, 1]);
  });

  it('picks the first of the highest and the last of the lowest where scores are tied', () => {
    expect(extremes(student(1, 1, 0, 0))).toEqual({ best: 0, worst: 3 });
    expect(extremes(student(0, 1, 1, 0))).toEqual({ best: 1, worst: 3 });
    expect(ranked([0, 1, 2, 3], [0, 1, 1, 0])).toEqual([1, 2, 0, 3]);
  });

  it('picks nothing where all scores are equal', () => {
    expect(extremes(student(0.25, 0.25, 0.25))).toBeNull();
    expect(extremes(student(3))).toBeNull();
  });

  it('reads scores as the log has them', () => {
    expect(rounded(0.12345678)).toBe(0.123457);
    expect(Object.is(rounded(-1e-9), 0)).toBe(true);
  });
});

describe('the teacher', () => {
  const scores = student(0.5, -1, 2, 0); // best 2, worst 1

  it('keeps the order, turns it round, or sees no difference', () => {
    const by = (best: number, worst: number) => pairOf(episode(1, scores, teacher([2, 1], [best, worst])), 'checker');
    expect(by(1, 0)).toEqual({ chosen: 2, rejected: 1, swapped: false });
    expect(by(0, 1)).toEqual({ chosen: 1, rejected: 2, swapped: true });
    expect(by(1, 1)).toEqual({ none: NO_PAIR.even });
    expect(by(0, 0)).toEqual({ none: NO_PAIR.even });
  });

  it('gives no pair where the student told nothing apart, or one of them has not spoken', () => {
    expect(pairOf(episode(1, student(1, 1, 1, 1)), 'checker')).toEqual({ none: NO_PAIR.alike });
    expect(pairOf(episode(1, scores), 'checker')).toEqual({ none: NO_PAIR.unjudged });
    expect(pairOf(episode(1), 'checker')).toEqual({ none: NO_PAIR.unscored });
  });

  it('counts votes of equal answers, and none for an unreadable one', () => {
    expect(voteCounts(episode(1), [0, 1, 2, 3], same)).toEqual([2, 2, 1, 0]);
    expect(voteCounts(episode(1), [3, 2], same)).toEqual([0, 1]);
  });
});

it('pairs of an iteration are examples in the order of the episodes, counted by what became of them', () => {
  const episodes = [
    episode(10, student(0, 3, 1, 2), teacher([1, 0], [1, 0])), // kept
    episode(11, student(5, 3, 1, 2), teacher([0, 2], [0, 1])), // swapped
    episode(12, student(5, 3, 1, 2), teacher([0, 2], [1, 1])), // even
    episode(13, student(2, 2, 2, 2)), // alike
    episode(14, student(1, 0, 0, 1), teacher([0, 2], [1, 0])), // ties: first highest, last lowest
  ];
  expect(pairsOf(episodes, 'checker')).toEqual({
    selection: {
      examples: [
        { problem: 10, turn: 1, kind: 'chosen', rejected: { problem: 10, turn: 0 } },
        { problem: 11, turn: 2, kind: 'chosen', rejected: { problem: 11, turn: 0 } },
        { problem: 14, turn: 0, kind: 'chosen', rejected: { problem: 14, turn: 2 } },
      ],
      available: { chosen: 3 },
      dropped: [
        { reason: NO_PAIR.even, count: 1 },
        { reason: NO_PAIR.alike, count: 1 },
      ],
    },
    screening: { kept: 2, swapped: 1, even: 1, alike: 1 },
  });
});

describe('the warm-up', () => {
  it('sets every highest against every lowest score, and leaves the middle out', () => {
    expect(contrasts(teacher([0, 1, 2, 3], [2, 1, 0, 2]))).toEqual([
      { chosen: 0, rejected: 2 },
      { chosen: 3, rejected: 2 },
    ]);
    expect(contrasts(teacher([0, 1], [1, 1]))).toEqual([]);
    expect(contrasts({ by: 'checker', of: [] })).toEqual([]);
  });

  it('counts problems that the teacher could not tell apart', () => {
    const { examples, dropped } = contrastsOf(
      [episode(1, teacher([0, 1, 2, 3], [1, 1, 0, 0])), episode(2, teacher([0, 1, 2, 3], [0, 0, 0, 0]))],
      'checker',
    );
    expect(examples.map(({ turn, rejected }) => [turn, rejected?.turn])).toEqual([
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
    ]);
    expect(dropped).toEqual([{ reason: NO_PAIR.even, count: 1 }]);
  });
});

it('a preference is 1, 0 or a half', () => {
  expect([preference(2, 1), preference(1, 2), preference(1, 1), preference(-Infinity, -3)]).toEqual([1, 0, 0.5, 0]);
});
