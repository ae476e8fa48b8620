/** The debate of a run that teaches most. */
import { describe, expect, it } from 'vitest';
import { instructiveDebate } from '../../src/ui/readings/instructive';
import { indexLog } from '../../src/ui/readings/logIndex';
import { debate, problems, started, won } from './logs';

const of = (problem: number, first: string[], last: string[], votes: [string, string]) =>
  debate({
    problem,
    answers: [first, last],
    votes: votes.map((vote, m) => won(vote, [first, last][m]!.filter((answer) => answer === vote).length)),
  });
const right = of(1, ['5', '5', '5'], ['5', '5', '5'], ['5', '5']);
const spoiled = of(2, ['3', '3', '2'], ['2', '2', '3'], ['3', '2']);
const spoiledByAll = of(3, ['7', '7', '6'], ['6', '6', '6'], ['7', '6']);
const wrong = of(4, ['9', '9', '8'], ['9', '9', '9'], ['9', '9']);
const known = problems({ 1: '5', 2: '3', 3: '7', 4: '8' });
const found = (...debates: ReturnType<typeof of>[]) => instructiveDebate(indexLog([started(), known, ...debates]));

describe('the most instructive debate', () => {
  it('is one that most agents voted wrong although the society was right at first', () => {
    expect(found(right, wrong, spoiled, spoiledByAll)).toMatchObject({
      sentence: 'On 2 problems the vote of the society was right after round 1 and wrong at the end.',
      count: 2,
      row: { debate: { problem: 3 } },
    });
    expect(found(right, spoiled)?.sentence).toContain('On one problem');
  });

  it('is one from whose wrong vote was learnt, where no debate was spoiled', () => {
    expect(found(right, wrong)).toMatchObject({
      sentence: 'From one wrong label the society learnt as if it were right.',
      count: 1,
      row: { debate: { problem: 4 } },
    });
  });

  it('is one whose vote was wrong, where nobody learnt from it', () => {
    const tested = { ...wrong, purpose: 'evaluation' as const };
    expect(found(right, tested)?.sentence).toBe('One vote of the society was wrong.');
    // The same problem in two tests is two votes.
    expect(found(tested, { ...tested, iteration: 2 })?.sentence).toBe('2 votes of the society were wrong.');
  });

  it('is none where nothing went wrong', () => {
    expect(found(right)).toBeNull();
    expect(instructiveDebate(indexLog([]))).toBeNull();
  });
});
