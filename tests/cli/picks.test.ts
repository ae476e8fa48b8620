/** A person at a terminal, and picks from a file. */
import { describe, expect, it } from 'vitest';
import type { PickQuestion } from '../../src/recipes/human';
import { readPicks, terminalJudge } from '../../tools/cli/picks';
import { expectRefusal, polylogue } from './program';

const at = { purpose: 'train', learner: 'policy', iteration: 1, problem: 7 } as const;
const line = (more: object = {}) => JSON.stringify({ ...at, pick: 'A', ...more });
const notes: string[] = [];
const read = (...lines: string[]) =>
  readPicks('own.jsonl', new TextEncoder().encode(lines.join('\n')), (text) => notes.push(text));
const pair = (turned: boolean, problem = 7): PickQuestion => ({
  at: { ...at, problem },
  question: 'Why?',
  texts: ['because', 'so'],
  turned,
});

describe('a file of picks', () => {
  it('has a line for each pair, as --json prints them', () => {
    expect([...read(line(), '', line({ type: 'pick', problem: 8, pick: 'none' }))]).toEqual([
      ['train/policy/1/7', 'A'],
      ['train/policy/1/8', 'none'],
    ]);
  });

  it('may end in the middle of a line that was appended', () => {
    expect([...read(line(), line({ problem: 8 }).slice(0, 30))]).toEqual([['train/policy/1/7', 'A']]);
    expect(notes).toEqual(['own.jsonl: line 2 was not written to its end and is left out. Its pair is asked again.']);
  });

  it.each([
    [[line(), '{', ''], /^own\.jsonl: line 2 is not JSON; a line is \{"purpose"/],
    [[line({ pick: 'C' })], /^own\.jsonl: line 1 is no pick; /],
    [[line({ problem: 1.5 })], /line 1 is no pick/],
    [[line(), line({ pick: 'B' })], /line 2 picks again for train\/policy\/1\/7/],
  ])('%j is refused by its line', (lines, message) => {
    expect(() => read(...lines)).toThrow(message);
  });
});

describe('the judge', () => {
  it('takes the file first, and reads A as what is shown first', async () => {
    const told: object[] = [];
    const given = { file: 'own.jsonl', picks: read(line()) };
    const judge = terminalJudge({ given, ask: async () => null, onPick: (pick) => told.push(pick) });
    expect([await judge.pick(pair(false)), await judge.pick(pair(true))]).toEqual(['first', 'second']);
    expect(told[0]).toEqual({ type: 'pick', ...at, pick: 'A' });
    await expect(judge.pick(pair(false, 9))).rejects.toThrow(
      'own.jsonl: holds no pick for {"purpose":"train","learner":"policy","iteration":1,"problem":9,"pick":"?"}; add a line for it',
    );
  });

  it('shows both answers at the terminal, and asks again until it is a, b or n', async () => {
    const shown: string[] = [];
    const keys = ['x', ' B ', 'n'];
    const judge = terminalJudge({
      ask: async (text) => {
        shown.push(text);
        return keys.shift() ?? null;
      },
    });
    expect(await judge.pick(pair(true))).toBe('first');
    expect(shown[0]).toBe('\nWhy?\n\nA: so\n\nB: because\n\nWhich answer is better? a, b, or n for no difference: ');
    expect(shown[1]).toMatch(/^Please type a, b or n/);
    expect(await judge.pick(pair(false))).toBe('neither');
    await expect(judge.pick(pair(false))).rejects.toThrow(/nobody is at a terminal; give --picks FILE\.jsonl/);
  });
});

it('nobody to ask is found out before the start', () => {
  const run = ['run', '--recipe', 'preference-loop', '--preset', 'arithmetic-tiny', '--engine', 'reference'];
  expectRefusal(polylogue(...run, '--set', 'teacher=human'), 'nobody is at a terminal; give --picks FILE.jsonl');
  expectRefusal(polylogue(...run, '--picks', 'x.jsonl'), '--picks goes with a teacher or a judge that is human');
});
