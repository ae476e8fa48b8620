import { describe, expect, it } from 'vitest';
import { arithmetic } from '../../src/tasks/arithmetic';
import { jsonl } from '../../src/tasks/jsonl';
import { quickEqual } from '../../src/tasks/quick';
import { Gradings, gradings, type Pair } from '../../src/ui/readings/grading';
import { indexLog, isRight, MARKS } from '../../src/ui/readings/logIndex';
import { debate, problems, started, won } from './logs';

const arrival = (of: Gradings) =>
  new Promise<void>((resolve) => {
    const end = of.onArrival(() => {
      end();
      resolve();
    });
  });

describe('comparisons for views', () => {
  it('decides what is plain from the texts, as the task would', () => {
    expect(quickEqual(arithmetic, 'a', 'b')).toBe(false);
    const texts = ['1', '0.5', '1/3', '-2', '1/2', 'x', '00', '1.0', '|x|'];
    for (const a of texts) {
      for (const b of texts) {
        const quick = quickEqual(jsonl, a, b);
        if (quick !== null) expect([a, b, quick]).toEqual([a, b, jsonl.equal(a, b)]);
      }
    }
    expect(quickEqual(jsonl, '3', '0.5')).toBe(false);
    expect(quickEqual(jsonl, 'x', 'y')).toBe(null);
  });

  it('asks each pair once, in one call, and knows the answer whichever side is first', async () => {
    const calls: Pair[][] = [];
    const asked = new Gradings();
    expect(asked.equal(jsonl, '2x', 'x+x')).toBe(null);
    expect(asked.equal(jsonl, 'x+x', '2x')).toBe(null);
    expect(asked.equal(jsonl, 'x', 'y')).toBe(null);
    const told = arrival(asked);
    asked.use(async (_task, pairs) => {
      calls.push(pairs);
      return pairs.map(([a, b]) => jsonl.equal(a, b));
    });
    await told;
    expect(calls.map((pairs) => pairs.length)).toEqual([2]);
    expect([asked.equal(jsonl, 'x+x', '2x'), asked.equal(jsonl, 'y', 'x')]).toEqual([true, false]);
  });

  it('takes a pair that fails for different, and loses no other', async () => {
    const asked = new Gradings();
    const told = arrival(asked);
    for (const b of ['x+x', 'x\\cdot2', 'bad']) asked.equal(jsonl, '2x', b);
    asked.use(async (_task, pairs) => {
      if (pairs.some((pair) => pair.includes('bad'))) throw new Error('too long');
      return pairs.map(([a, b]) => jsonl.equal(a, b));
    });
    await told;
    expect(['x+x', 'x\\cdot2', 'bad'].map((b) => asked.equal(jsonl, '2x', b))).toEqual([true, true, false]);
  });

  it('asks a pair again whose worker failed: that may have had another reason', async () => {
    const asked = new Gradings();
    const told = arrival(asked);
    asked.equal(jsonl, '2x', 'x+x');
    let failures = 0;
    asked.use(async (_task, pairs) => {
      if (failures++ === 0) throw new Error('ended');
      return pairs.map(([a, b]) => jsonl.equal(a, b));
    });
    await told;
    expect([asked.equal(jsonl, '2x', 'x+x'), failures]).toEqual([true, 2]);
  });

  it('reads a log anew once its answers have come', async () => {
    const first = started();
    first.config = { ...first.config, task: 'jsonl' };
    const answers = [['2x'], ['x+x']];
    const events = [
      first,
      problems({ 1: 'x \\cdot 2' }),
      debate({ problem: 1, answers, votes: [won('2x', 1), won('x+x', 1)] }),
    ];
    const before = indexLog(events);
    expect(before.rows[0]?.marks).toBe(MARKS.changed | MARKS.voteWrong);
    expect(isRight(before, before.rows[0]!.problem, { answer: '2x' })).toBe(false);
    const told = arrival(gradings);
    gradings.use(async (_task, pairs) => pairs.map(([a, b]) => jsonl.equal(a, b)));
    await told;
    const after = indexLog(events);
    expect(after).not.toBe(before);
    expect(after.rows[0]?.marks).toBe(0);
    expect(isRight(after, after.rows[0]!.problem, { answer: '2x' })).toBe(true);
    expect(indexLog(events)).toBe(after);
  });
});
