import { describe, expect, it } from 'vitest';
import { STREAMS } from '../../src/random';
import type { Episode, ExampleRef } from '../../src/events';
import { recipeNamed } from '../../src/recipes';
import { resolveConfig } from '../../src/recipes/resolve';
import { DROPPED, mix, mixtureSizes, select, type Selection } from '../../src/society/selection';
import { heldBy, heldDebate, same } from './handmade';

/** By the rule of multiagent finetuning: what an adapter could learn of these debates. */
function candidates(debates: Episode[], adapter: string, kinds: string[], minimumVotes: number): Selection {
  const recipe = recipeNamed('multiagent-finetuning');
  const config = resolveConfig('arithmetic-tiny', { minimumVotes });
  const fates = debates.map((episode) => recipe.fate!(episode, config, same));
  return select(debates, fates, adapter, kinds);
}

const selectGenerator = (debates: Episode[], seat: number, minimumVotes: number) =>
  candidates(debates, `generator-${seat}`, ['G'], minimumVotes);

const selectCritic = (debates: Episode[], seat: number, share: number, minimumVotes: number) =>
  mix(candidates(debates, `critic-${seat}`, ['C-', 'C+'], minimumVotes), ['C-', 'C+'], share, draw);

const alone = (problem: number, answers: (string | null)[]) =>
  heldBy({ purpose: 'train', learner: 'single', iteration: 1 }, problem, answers);

const selectMajority = (debates: Episode[], minimumVotes: number) => candidates(debates, 'single', ['M'], minimumVotes);

const kinds = (examples: ExampleRef[]) => examples.map(({ kind }) => kind);

const debates = [
  heldDebate(10, ['5', '6', '5'], ['5', '5', '5']), // label 5
  heldDebate(11, ['1', '2', '3'], ['2', '2', '3']), // label 2
  heldDebate(12, [null, '8', '9'], ['8', '8', null]), // label 8
  heldDebate(13, ['1', '2', '3'], ['1', '2', '3']), // tie of single votes
  heldDebate(14, ['4', '4', '4'], [null, null, null]), // no label
];
const draw = { seed: 1, stream: STREAMS.select, iteration: 1, agent: 0 };

describe('generators', () => {
  it('learn from their own round-1 responses that equal the last vote', () => {
    expect(selectGenerator(debates, 0, 2)).toEqual({
      examples: [{ problem: 10, turn: 0, kind: 'G' }],
      available: { G: 1 },
      dropped: [
        { reason: DROPPED.differs, count: 2 },
        { reason: DROPPED.fewVotes, count: 1 },
        { reason: DROPPED.noVote, count: 1 },
      ],
    });
    expect(selectGenerator(debates, 1, 2).examples.map(({ problem }) => problem)).toEqual([11, 12]);
  });

  it('with a minimum of one vote also learn from the winner of a tie, as in the paper', () => {
    const winner = debates[3]?.verdicts[1]?.answer;
    const slot = ['1', '2', '3'].indexOf(winner ?? '');
    expect(selectGenerator(debates, slot, 1).examples.map(({ problem }) => problem)).toContain(13);
    expect(selectGenerator(debates, slot, 2).examples.map(({ problem }) => problem)).not.toContain(13);
  });

  it('count every debate once', () => {
    for (const agent of [0, 1, 2]) {
      const { examples, dropped } = selectGenerator(debates, agent, 2);
      expect(examples.length + dropped.reduce((sum, { count }) => sum + count, 0)).toBe(debates.length);
    }
  });
});

describe('critics', () => {
  it('learn from corrected and from kept answers of their slot', () => {
    // slot 0: 10 kept; 11 and 12 corrected (an unreadable first answer was wrong too)
    const all = selectCritic(debates, 0, 2 / 3, 2);
    expect(all.available).toEqual({ 'C-': 2, 'C+': 1 });
    expect(all.examples).toEqual([
      { problem: 10, turn: 3, kind: 'C+' },
      { problem: 11, turn: 3, kind: 'C-' },
      { problem: 12, turn: 3, kind: 'C-' },
    ]);
    // slot 2: 10 kept; 11 stayed with 3, 12 became unreadable
    expect(selectCritic(debates, 2, 0.5, 2).available).toEqual({ 'C-': 0, 'C+': 1 });
  });

  it('with w = 1 learn from corrected answers only, with w = 0 from kept ones only', () => {
    expect(kinds(selectCritic(debates, 0, 1, 2).examples)).toEqual(['C-', 'C-']);
    const kept = selectCritic(debates, 0, 0, 2);
    expect(kinds(kept.examples)).toEqual(['C+']);
    expect(kept.dropped).toContainEqual({ reason: DROPPED.share, count: 2 });
  });

  it('lose no example where all were corrected or all were kept', () => {
    const all = (before: string) =>
      Array.from({ length: 7 }, (_, i) => heldDebate(i, [before, '5', '5'], ['5', '5', '5']));
    for (const [before, kind] of [
      ['6', 'C-'],
      ['5', 'C+'],
    ] as const) {
      const { examples, dropped } = selectCritic(all(before), 0, 0.5, 2);
      expect(kinds(examples)).toEqual(Array(7).fill(kind));
      expect(dropped).toEqual([]);
    }
  });

  it('keep their choice when another problem is added', () => {
    const many = Array.from({ length: 60 }, (_, i) => heldDebate(i, [i % 4 ? '5' : '6', '5', '5'], ['5', '5', '5']));
    const chosen = (n: number) =>
      new Set(selectCritic(many.slice(0, n), 0, 0.5, 2).examples.map(({ problem }) => problem));
    const before = chosen(56);
    const after = chosen(60);
    expect(before.size).toBe(28);
    // One more candidate of each kind at most displaces or admits single problems.
    expect([...before].filter((problem) => !after.has(problem)).length).toBeLessThanOrEqual(3);
  });
});

describe('mixtureSizes', () => {
  it.each([
    // C−, C+, w → taken of each
    [20, 30, 0.5, 20, 20],
    [30, 20, 0.5, 20, 20],
    [20, 20, 0.5, 20, 20],
    [30, 15, 2 / 3, 30, 15],
    // C− is short: all of it, filled up to half of the 58
    [8, 50, 0.5, 8, 21],
    [50, 8, 0.5, 21, 8],
    // one side is empty: the share can be kept by no size, so nothing is left out
    [0, 9, 0.5, 0, 9],
    [9, 0, 0.5, 9, 0],
    [0, 9, 0.9, 0, 9],
    [9, 0, 0.1, 9, 0],
    [1, 0, 0.5, 1, 0],
    [0, 1, 0.5, 0, 1],
    [0, 0, 0.5, 0, 0],
    // one of each, and tiny sets
    [1, 1, 0.5, 1, 1],
    [1, 2, 0.5, 1, 1],
    [2, 1, 0.5, 1, 1],
    [9, 1, 0.5, 4, 1],
    [1, 9, 0.5, 1, 4],
    // w = 0 and w = 1 ask for one kind, also where it is empty
    [9, 0, 0, 0, 0],
    [0, 9, 1, 0, 0],
    [9, 0, 1, 9, 0],
    [0, 9, 0, 0, 9],
    [8, 50, 1, 8, 0],
    [8, 50, 0, 0, 50],
    [0, 50, 1, 0, 0],
  ])('of %i corrected and %i kept with w = %f takes %i and %i', (corrected, kept, w, takenCorrected, takenKept) =>
    expect(mixtureSizes(corrected, kept, w)).toEqual({ corrected: takenCorrected, kept: takenKept }),
  );

  it('never takes more than there is nor less than half for shares inside (0, 1)', () => {
    for (let corrected = 0; corrected <= 12; corrected++) {
      for (let kept = 0; kept <= 12; kept++) {
        for (const w of [0.1, 1 / 3, 0.5, 0.9]) {
          const taken = mixtureSizes(corrected, kept, w);
          expect(taken.corrected).toBeGreaterThanOrEqual(0);
          expect(taken.kept).toBeGreaterThanOrEqual(0);
          expect(taken.corrected).toBeLessThanOrEqual(corrected);
          expect(taken.kept).toBeLessThanOrEqual(kept);
          expect(2 * (taken.corrected + taken.kept)).toBeGreaterThanOrEqual(corrected + kept - 1);
        }
      }
    }
  });
});

describe('majority finetuning', () => {
  it('takes every slot that gave the majority answer', () => {
    const single = [alone(1, ['5', '6', '5']), alone(2, ['1', '2', '3']), alone(3, [null, null, null])];
    expect(selectMajority(single, 2)).toEqual({
      examples: [
        { problem: 1, turn: 0, kind: 'M' },
        { problem: 1, turn: 2, kind: 'M' },
      ],
      available: { M: 2 },
      dropped: [
        { reason: DROPPED.differs, count: 1 },
        { reason: DROPPED.fewVotes, count: 3 },
        { reason: DROPPED.noVote, count: 3 },
      ],
    });
  });
});
