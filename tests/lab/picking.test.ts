/** A person at the page compares answers: pairs in the status, picks by a command, and a run that is stopped while it waits. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import type { Lab } from '../../src/lab/lab';
import type { AskedPair, LabMessage } from '../../src/lab/types';
import { resolveConfig } from '../../src/recipes/resolve';
import { closeLabs, idle, referenceLab } from './testLab';

const base = new URL('../../static/', import.meta.url).href;
const config = resolveConfig(
  'arithmetic-tiny',
  { teacher: 'human', trainProblems: 3, evaluationProblems: 2, warmupProblems: 2, samples: 3, seed: 3 },
  'preference-loop',
);

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});
afterEach(closeLabs);

const asking = (message: LabMessage): AskedPair | null =>
  message.type === 'status' ? (message.status.asking ?? null) : null;

/** Picks A of every pair as it is shown. @param most pairs; the run then waits */
function picker(most: number) {
  const picked: AskedPair[] = [];
  const seen = new Set<string>();
  let lab: Lab | null = null;
  const hear = (message: LabMessage): void => {
    const pair = asking(message);
    if (!pair || !lab || picked.length >= most) return;
    const name = JSON.stringify(pair.at);
    if (seen.has(name)) return;
    seen.add(name);
    picked.push(pair);
    void lab.pick({ ...pair.at, problem: -1 }, 'B').then(() => lab?.pick(pair.at, 'A'));
  };
  return { picked, hear, use: (one: Lab) => (lab = one) };
}

async function verdictsOf(lab: Lab, id: string): Promise<string[]> {
  const run = await lab.run(id);
  const events = (await lab.lines(id, 0, run.events)).map((line) => JSON.parse(line) as RunEvent);
  return events.flatMap((event) =>
    event.type === 'episode'
      ? event.verdicts.filter(({ by }) => by === 'human').map((verdict) => JSON.stringify([event.problem, verdict]))
      : [],
  );
}

it('shows pair by pair, waits for each pick, and writes it down as a verdict', async () => {
  const { picked, hear, use } = picker(Infinity);
  const { lab, messages, until } = referenceLab(base, undefined, hear);
  use(lab);
  const { id } = await lab.start(config, 'auto');
  await until(idle);
  expect(messages.filter(({ type }) => type === 'error')).toEqual([]);
  expect((await lab.run(id)).status).toBe('finished');
  const verdicts = await verdictsOf(lab, id);
  expect(picked.length).toBeGreaterThan(2);
  expect(verdicts.length).toBe(picked.length);
  for (const { shown } of picked) expect(shown[0]).not.toBe(shown[1]);
});

it('is stopped while it waits, and goes on with the picks of its log', async () => {
  const first = picker(2);
  const one = referenceLab(base, undefined, first.hear);
  first.use(one.lab);
  const { id } = await one.lab.start(config, 'auto');
  const named = (pair: AskedPair | null) => pair && JSON.stringify(pair.at);
  await one.until((message) => {
    const pair = named(asking(message));
    return pair !== null && first.picked.length === 2 && !first.picked.some((known) => named(known) === pair);
  });
  await one.lab.stop();
  expect((await one.lab.run(id)).status).toBe('stopped');
  const before = await verdictsOf(one.lab, id);
  expect(before).toHaveLength(2);

  const rest = picker(Infinity);
  const two = referenceLab(base, undefined, rest.hear);
  rest.use(two.lab);
  await two.lab.resume(id, 'auto');
  await two.until(idle);
  expect((await two.lab.run(id)).status).toBe('finished');
  const after = await verdictsOf(two.lab, id);
  expect(after.slice(0, 2)).toEqual(before);
  expect(rest.picked).toHaveLength(after.length - 2);
});
