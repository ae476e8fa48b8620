/** The ledger of a run, on a log whose every answer was written by hand. '7' is right. */
import { describe, expect, it } from 'vitest';
import type { Episode, EvaluationDone, GroupKey, RunEvent } from '../../src/events';
import { fateOf, gapWarning, ledgerOf } from '../../src/log/ledger';
import { ledgerLines, ledgerTables } from '../../src/log/ledgerTables';
import { gradeEpisode } from '../../src/society/grading';
import { heldBy, same } from '../society/handmade';

const CAST = {
  type: 'run-started',
  agents: [],
  learners: [
    { key: 'base', label: 'Base', name: 'base', agents: [] },
    { key: 'society', label: 'Society', name: 'society', agents: [] },
  ],
  methods: [
    { key: 'debate', label: 'Debate', learner: 'base', answer: 'debate', calls: 4 },
    { key: 'societyDebate', label: 'Society', learner: 'society', answer: 'debate', calls: 4 },
  ],
  compare: [['societyDebate', 'debate']],
} as unknown as RunEvent;

const GOLD = new Map([1, 2, 3, 4].map((id) => [id, '7']));
type Answers = (string | null)[];
const held = (group: Omit<GroupKey, 'purpose'>, problem: number, ...rounds: Answers[]): Episode =>
  gradeEpisode(heldBy({ purpose: 'evaluation', ...group }, problem, ...rounds), GOLD, same);
const learnt = (problem: number, ...answers: Answers): Episode =>
  gradeEpisode(heldBy({ purpose: 'train', learner: 'society', iteration: 2 }, problem, answers), GOLD, same);
const test = (iteration: number, learner: string, method: string, correct: string): EvaluationDone => ({
  type: 'evaluation',
  iteration,
  learner,
  scores: [
    { method, calls: 4, turns: [], right: correct.split('1').length - 1, unreadable: 0, n: correct.length, correct },
  ],
  layers: [],
});

/** Problems 1 to 4: learned, degraded, never, unsteady. */
const LOG: RunEvent[] = [
  CAST,
  held({ learner: 'base', iteration: 0 }, 1, ['1', '1', '7'], ['1', '1', '1']),
  held({ learner: 'base', iteration: 0 }, 2, ['7', '7', '7'], ['7', '7', '7']),
  held({ learner: 'base', iteration: 0 }, 3, ['1', '1', null], ['1', '1', '1']),
  held({ learner: 'base', iteration: 0 }, 4, ['7', '7', '1'], ['7', '7', '7']),
  test(0, 'base', 'debate', '0101'),
  held({ learner: 'society', iteration: 1 }, 1, ['7', '1', '7'], ['7', '7', '7']), // one seat becomes right
  held({ learner: 'society', iteration: 1 }, 2, ['7', '7', '7'], ['7', '7', '1']), // one becomes wrong
  held({ learner: 'society', iteration: 1 }, 3, ['2', '2', '2'], ['2', '2', '2']), // another wrong answer
  held({ learner: 'society', iteration: 1 }, 4, ['1', '1', '1'], ['1', '1', '1']), // wrong now
  // Another group of the same learner.
  held({ learner: 'society', iteration: 1, part: 'samples' }, 1, ['1'], ['1']),
  test(1, 'society', 'societyDebate', '1100'),
  // Training: margins 3, 1, 1; nobody readable; rounds are one.
  learnt(1, '7', '7', '7'),
  learnt(2, '7', '7', '1'),
  learnt(3, '1', '1', '7'),
  learnt(4, null, null, null),
  held({ learner: 'society', iteration: 2 }, 1, ['7', '7', '7'], ['7', '7', '7']),
  held({ learner: 'society', iteration: 2 }, 2, ['1', '1', '7'], ['1', '1', '1']), // one becomes wrong
  held({ learner: 'society', iteration: 2 }, 3, ['2', '2', '2'], ['2', '2', '2']),
  held({ learner: 'society', iteration: 2 }, 4, ['7', '7', '7'], ['7', '7', '7']),
  test(2, 'society', 'societyDebate', '1001'),
];

describe('ledger', () => {
  const ledger = ledgerOf(LOG)!;

  it('says what became of every problem, from the untouched model on', () => {
    expect(ledger.iterations).toEqual([0, 1, 2]);
    expect(ledger.problems.map(({ id, fate }) => [id, fate])).toEqual([
      [1, 'learned'],
      [2, 'degraded'],
      [3, 'never'],
      [4, 'unsteady'],
    ]);
    expect(ledger.fates).toEqual({ always: 0, learned: 1, degraded: 1, never: 1, unsteady: 1 });
    expect(fateOf([true, true])).toBe('always');
    expect(fateOf([false])).toBe('never');
  });

  it('counts flips of the last vote between tests', () => {
    expect(ledger.flips).toEqual([
      { iteration: 1, n: 4, toRight: 1, toWrong: 1, amongWrong: 1 },
      { iteration: 2, n: 4, toRight: 1, toWrong: 1, amongWrong: 0 },
    ]);
  });

  it('counts what revisions do to a seat’s own answer, unreadable ones as wrong', () => {
    expect(ledger.revisions).toEqual([
      { iteration: 0, round: 2, n: 12, toRight: 1, toWrong: 1 },
      { iteration: 1, round: 2, n: 12, toRight: 1, toWrong: 1 },
      { iteration: 2, round: 2, n: 12, toRight: 0, toWrong: 1 },
    ]);
    expect(ledger.votes).toEqual([
      { iteration: 0, n: 4, first: 2, last: 2 },
      { iteration: 1, n: 4, first: 2, last: 2 },
      { iteration: 2, n: 4, first: 2, last: 2 },
    ]);
  });

  it('sorts labels by their margin, and leaves out what nobody could read', () => {
    expect(ledger.margins).toEqual([
      { margin: 3, problems: 1, right: 1 },
      { margin: 1, problems: 2, right: 1 },
    ]);
  });

  it('takes the gap between votes and answers, problem by problem', () => {
    // 1 − 1, 1 − 2/3, 0 − 1/3, 0 − 0: mean 0; variance (1/9 + 1/9)/3.
    const [gap] = ledger.gaps;
    expect(gap).toMatchObject({ iteration: 2, problems: 4 });
    expect(gap!.gap).toBeCloseTo(0, 12);
    expect(gap!.standardError).toBeCloseTo(Math.sqrt(2 / 27 / 4), 12);
    expect(gapWarning({ ...gap!, gap: 0 })).toMatch(/^not above zero/);
    expect(gapWarning({ ...gap!, gap: 0.1, standardError: 0.05 })).toMatch(/^not told from zero/);
    expect(gapWarning({ ...gap!, gap: 0.1, standardError: 0.04 })).toBeNull();
  });
});

it('there is none of a log without a comparison, or with one test and no labels', () => {
  expect(ledgerOf([])).toBeNull();
  expect(ledgerOf(LOG.slice(0, 6))).toBeNull();
  expect(ledgerOf([{ ...CAST, compare: [] } as unknown as RunEvent, ...LOG.slice(1)])).toBeNull();
});

it('is tables for the page and lines for the command line', () => {
  const ledger = ledgerOf(LOG)!;
  const tables = ledgerTables(ledger);
  expect(tables.map(({ rows }) => rows.length)).toEqual([5, 2, 3, 3, 2, 1]);
  for (const { columns, rows } of tables) for (const row of rows) expect(row.length).toBe(columns.length);
  expect(tables[0]?.rows[1]).toEqual(['learned: wrong at first, right at last', 1, '25.0 %']);
  expect(tables[4]?.rows[1]).toEqual([1, 2, 1, '50.0 %']);
  expect(ledgerLines(ledger)).toEqual([
    'of 4 held-out problems, first test to last (societyDebate): 0 always, 1 learned, 1 degraded, 1 never, 1 unsteady',
    'iteration 2, the vote since the test before: 1 became right, 1 wrong, 0 changed among wrong answers',
    expect.stringMatching(
      /^iteration 2, generation-verification gap: [+−]0.0 ± 13.6 points \(not (above|told from) zero/,
    ),
  ]);
  // One round: nothing was revised, and both votes are one.
  expect(ledgerTables({ ...ledger, revisions: [] }).length).toBe(4);
});
