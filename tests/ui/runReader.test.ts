/** Opening stored logs on the page: one that is damaged shows what is readable, and says what is wrong. */
import { describe, expect, it, vi } from 'vitest';
import { readableEvents } from '../../src/store/readBack';
import { RunNotFoundError } from '../../src/store/errors';
import { sampleEvents, sampleRecord } from '../store/samples';

// Views keep what they show as Svelte's state; outside a page plain values do.
vi.hoisted(() => {
  const plain = <T>(value: T): T => value;
  Object.assign(globalThis, { $state: Object.assign(plain, { raw: plain }) });
});
const { RunReader } = await import('../../src/ui/runReader');

const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify(sampleEvents[i % sampleEvents.length]));

/** A stored log with these lines; the record tells of 40. */
function reader(stored: string[], gone = false) {
  const record = sampleRecord('a-run', { status: 'finished', events: 40 });
  let asked = 0;
  return new RunReader({
    run: async () => {
      if (gone && asked++ > 0) throw new RunNotFoundError('a-run');
      return record;
    },
    lines: async (_id, from, to) => stored.slice(from, to),
  });
}

describe('a stored log that is opened', () => {
  it('is shown whole where it is sound', async () => {
    const view = await reader(lines).open('a-run');
    expect([view.length, view.damage]).toEqual([40, null]);
  });

  it.each([
    ['text that is no JSON', '{"type": "eval', /^event 30 is not JSON$/],
    ['a value that is no event', '[1]', /^event 30 is no event$/],
    ['an unknown type', '{"type":"dream"}', /^event 30 has the type "dream"/],
  ])('is shown up to %s', async (_what, line, told) => {
    const told30 = lines.with(30, line);
    const seen: number[] = [];
    const source = reader(told30);
    const view = await source.open('a-run', ({ length }) => seen.push(length));
    expect(view.length).toBe(30);
    expect(view.damage).toMatch(told);
    expect(seen.at(-1)).toBe(30);
    // Reading on finds the same and takes nothing twice.
    await source.readOn(view, view.record);
    expect([view.length, view.damage]).toEqual([30, readableEvents(told30).damage]);
  });

  it('is shown up to a hole', async () => {
    const view = await reader(lines.slice(0, 17)).open('a-run');
    expect([view.length, view.damage]).toEqual([17, '40 events were stored and 17 can be found in a row']);
  });

  it('is not called damaged where the run was deleted meanwhile', async () => {
    const view = await reader([], true).open('a-run');
    expect([view.length, view.damage]).toEqual([0, null]);
  });
});
