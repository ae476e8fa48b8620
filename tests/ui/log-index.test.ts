import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { bandsOf } from '../../src/ui/readings/flow';
import { groupKey, indexLog, MARKS } from '../../src/ui/readings/logIndex';
import { filterDebates, NO_FILTER, routesOf, tallyOf } from '../../src/ui/readings/debates';
import { viewOf } from '../../src/ui/readings/episodes';
import { dataset, debate, problems, started, won } from './logs';

/** Problem 1: rescued after a tie; 2: spoiled; 3: nobody moves, one unreadable; 4: agent 2 wins the label but is short of the share. */
function log(): RunEvent[] {
  return [
    started({ agents: 3, minimumVotes: 2 }),
    problems({ 1: '5', 2: '7', 3: '9', 4: '2' }),
    debate({
      problem: 1,
      answers: [
        ['4', '5', '6'],
        ['5', '5', '6'],
      ],
      votes: [won('4', 1, true), won('5', 2)],
    }),
    debate({
      problem: 2,
      answers: [
        ['7', '7', '8'],
        ['8', '7', '8'],
      ],
      votes: [won('7', 2), won('8', 2)],
    }),
    debate({
      problem: 3,
      answers: [
        ['9', '9', null],
        ['9', '9', null],
      ],
      votes: [won('9', 2), won('9', 2)],
    }),
    dataset(3, {
      iteration: 1,
      adapter: 'generator-1',
      entries: [
        { problem: 1, kind: 'G', agent: 1, round: 1 },
        { problem: 3, kind: 'G', agent: 1, round: 1 },
      ],
      available: { G: 2 },
      dropped: [],
    }),
    dataset(3, {
      iteration: 1,
      adapter: 'critic-0',
      entries: [{ problem: 1, kind: 'C-', agent: 0, round: 2 }],
      available: { 'C-': 2, 'C+': 1 },
      dropped: [],
    }),
  ];
}

describe('indexLog', () => {
  it('marks what a debate can be filtered by', () => {
    const { rows } = indexLog(log());
    expect(rows.map(({ marks }) => marks)).toEqual([
      MARKS.changed | MARKS.tied | MARKS.rescued,
      // Agents learn from the wrong vote, and agent 1 was right before it.
      MARKS.changed | MARKS.spoiled | MARKS.voteWrong | MARKS.labelWrong | MARKS.lost,
      MARKS.unreadable,
    ]);
  });

  it('counts moves of answers and votes between rounds', () => {
    const { groups } = indexLog(log());
    const flow = groups.get(groupKey('train', 'society', 1))?.flow;
    // Problem 1: w→r, r→r, w→w; problem 2: r→w, r→r, w→w; problem 3: r→r, r→r, w→w.
    expect(flow?.answers).toEqual([{ rightRight: 4, wrongRight: 1, rightWrong: 1, wrongWrong: 3 }]);
    expect(flow?.votes).toEqual([{ rightRight: 1, wrongRight: 1, rightWrong: 1, wrongWrong: 0 }]);
  });

  it('reads a growing log on, gives the same object for the same log, and starts again for another', () => {
    const events = log();
    const part = indexLog(events.slice(0, 4));
    expect(part.rows.length).toBe(2);
    const whole = indexLog([...events]);
    expect(whole).not.toBe(part);
    expect(whole.rows).toBe(part.rows);
    expect(whole.rows.length).toBe(3);
    expect(indexLog(events)).toBe(whole);
    const shorter = indexLog(events.slice(0, 3));
    expect(shorter.rows.length).toBe(1);
    expect(whole.rows.length).toBe(3);
  });

  it('holds nothing for an empty log, and draws a log whose task is unknown', () => {
    expect(indexLog([]).rows).toEqual([]);
    const events = log();
    const first = events[0];
    if (first?.type === 'run-started') first.config = { ...first.config, task: 'from the future' };
    const index = indexLog(events);
    expect(index.task).toBeNull();
    expect(index.rows[0]?.marks).toBe(MARKS.changed | MARKS.tied | MARKS.rescued);
  });

  it('reads each event of a growing log once', () => {
    const events: RunEvent[] = [started(), problems({ 1: '5' })];
    const answers = [['4', '5', '6'], ['5', '5', '6']]; // prettier-ignore
    for (let i = 0; i < 1000; i++)
      events.push(debate({ problem: 1, iteration: 1 + (i % 5), answers, votes: [won('4', 1, true), won('5', 2)] }));
    let reads = 0;
    const counting = (length: number) =>
      new Proxy(events.slice(0, length), {
        get(list, key, receiver) {
          if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
          return Reflect.get(list, key, receiver) as unknown;
        },
      });
    for (let length = 10; length < events.length; length += 10) indexLog(counting(length));
    const index = indexLog(counting(events.length));
    expect(filterDebates(index.rows, { ...NO_FILTER, marks: ['rescued'], search: 'q1' }).length).toBe(1000);
    // Each event, and a few of each length to see where it grew.
    expect(reads).toBeLessThan(events.length + 4 * 101);
  });
});

describe('filterDebates', () => {
  it('needs every mark and finds text in problems, answers and responses', () => {
    const { rows } = indexLog(log());
    const found = (filter: object) => filterDebates(rows, { ...NO_FILTER, ...filter }).map((row) => row.debate.problem);
    expect(found({})).toEqual([1, 2, 3]);
    expect(found({ marks: ['changed'] })).toEqual([1, 2]);
    expect(found({ marks: ['changed', 'tied'] })).toEqual([1]);
    expect(found({ search: ' Q2 ' })).toEqual([2]);
    expect(found({ search: '?#6' })).toEqual([1]);
    expect(found({ learner: 'single' })).toEqual([]);
    expect(found({ purpose: 'train', iteration: 1 })).toEqual([1, 2, 3]);
  });
});

describe('routesOf', () => {
  it('says where each response went and why', () => {
    const index = indexLog(log());
    const routes = (i: number) =>
      routesOf(index, index.rows[i]!.debate).map((round) => round.map(({ to, why }) => `${to}: ${why}`));
    expect(routes(0)).toEqual([
      [
        'dropped: answer differs from the label',
        'dataset: first-round answer equals the vote',
        'dropped: answer differs from the label',
      ],
      [
        'dataset: first answer differed from the vote, the revised one equals it',
        'dropped: left out to keep the share w',
        'dropped: answer differs from the label',
      ],
    ]);
    expect(routes(2)[0]?.[2]).toBe('dropped: answer differs from the label');
  });

  it('names votes that are too few, held-out problems, middle rounds and what is still to come', () => {
    const tie = debate({ problem: 1, answers: [['1', '2'], ['1', '2'], ['1', '2']], votes: [won('1', 1, true), won('1', 1, true), won('1', 1, true)] }); // prettier-ignore
    const heldOut = debate({ problem: 2, purpose: 'evaluation', answers: [['1', '2']], votes: [won('1', 1, true)] });
    const later = debate({ problem: 1, iteration: 2, answers: [['1', '1']], votes: [won('1', 2)] });
    const index = indexLog([...log(), tie, heldOut, later]);
    const why = (d: typeof tie, m: number) => routesOf(index, viewOf(d))[m]?.[0]?.why;
    // The log's examples name problem 1, so only responses nobody learnt from are looked at here.
    expect(routesOf(index, viewOf(tie))[0]?.[0]).toEqual({ to: 'dropped', why: 'label has too few votes' });
    expect(why(tie, 1)).toBe('only the first and the last round become examples');
    expect(why(heldOut, 0)).toBe('nobody learns from a held-out problem');
    expect(routesOf(index, viewOf(later))[0]?.[0]?.to).toBe('pending');
  });
});

describe('tallyOf', () => {
  it('puts the winner first, also in a tie, and unreadable last', () => {
    const index = indexLog(log());
    expect(tallyOf(index, index.rows[0]!.debate, 0)).toEqual([
      { answer: '4', agents: [0], won: true },
      { answer: '5', agents: [1], won: false },
      { answer: '6', agents: [2], won: false },
    ]);
    expect(tallyOf(index, index.rows[2]!.debate, 1).map(({ answer, agents }) => [answer, agents])).toEqual([
      ['9', [0, 1]],
      [null, [2]],
    ]);
  });
});

describe('bandsOf', () => {
  it('stacks right above wrong in both columns', () => {
    const bands = bandsOf({ rightRight: 4, wrongRight: 2, rightWrong: 1, wrongWrong: 3 });
    expect(bands.map(({ key, left, right }) => [key, ...left, ...right].map(round))).toEqual([
      ['rightRight', 0, 0.4, 0, 0.4],
      ['wrongRight', 0.5, 0.7, 0.4, 0.6],
      ['rightWrong', 0.4, 0.5, 0.6, 0.7],
      ['wrongWrong', 0.7, 1, 0.7, 1],
    ]);
    expect(bandsOf({ rightRight: 0, wrongRight: 0, rightWrong: 0, wrongWrong: 0 })).toEqual([]);
  });
});

function round(value: string | number): string | number {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}
