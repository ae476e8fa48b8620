/** Stored logs that are damaged: found, told, and kept as far as they can be read. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { strFromU8, unzipSync } from 'fflate';
import { beforeEach, expect, it } from 'vitest';
import { DamageCheck } from '../../src/lab/stored/damage';
import { storedRuns } from '../../src/lab/stored/runs';
import { bundleRun } from '../../src/share/writeBundle';
import { openDatabase, type Database } from '../../src/store/database';
import { IndexedRunStore } from '../../src/store/indexed';
import { sampleEvents, sampleRecord } from './samples';

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

const DAMAGE: [what: string, damage: (db: Database) => Promise<unknown>, told: RegExp, readable: number][] = [
  [
    'a log that is cut short',
    (db) => db.delete('events', ['a-run', 3]),
    /4 events were stored and 3 can be found in a row/,
    3,
  ],
  ['a hole', (db) => db.delete('events', ['a-run', 1]), /4 events were stored and 1 can be found in a row/, 1],
  ['text that is no JSON', (db) => db.put('events', '{"type": "eval', ['a-run', 2]), /event 2 is not JSON/, 2],
  ['a value that is no event', (db) => db.put('events', '[1]', ['a-run', 2]), /event 2 is no event/, 2],
  [
    'an event of an unknown type',
    (db) => db.put('events', '{"type":"toString"}', ['a-run', 1]),
    /event 1 has the type "toString", which this version does not know/,
    1,
  ],
  [
    'a field that is not known',
    (db) => db.put('events', '{"type":"iteration-started","iteration":1,"mood":"good"}', ['a-run', 1]),
    /event 1 has the field "mood", which this version does not know/,
    1,
  ],
  [
    'a log that begins with something else',
    (db) => db.put('events', JSON.stringify(sampleEvents[1]), ['a-run', 0]),
    /event 0 is not the start of a run/,
    0,
  ],
  ['a line too many', (db) => db.put('events', JSON.stringify(sampleEvents[0]), ['a-run', 4]), /4 events were/, 4],
];

it.each(DAMAGE)('%s is not offered as interrupted', async (_what, damage, told, readable) => {
  const db = await openDatabase();
  const store = new IndexedRunStore(db);
  for (const id of ['a-run', 'sound']) {
    await store.create(sampleRecord(id));
    await store.append(id, { from: 0, events: sampleEvents, digest: 'd', progress: 0.5 });
  }
  await damage(db);
  const listed = await storedRuns(
    store,
    new DamageCheck(),
    () => undefined,
    async () => false,
  );
  expect(listed.interrupted).toEqual(['sound']);
  expect(listed.damaged['a-run']).toMatch(told);
  expect((await store.condition('a-run')).damage).toMatch(told);
  expect((await store.condition('sound')).damage).toBe(null);

  const files = unzipSync(await bundleRun(store, 'a-run'));
  const { damage: named, readableEvents } = JSON.parse(strFromU8(files['run.json']!)) as Record<string, unknown>;
  expect([named, readableEvents]).toEqual([expect.stringMatching(told), readable]);
  expect(strFromU8(files['log.jsonl']!).split('\n')).toHaveLength(readable + 1);
  await store.delete('a-run');
  expect((await store.runs()).map(({ id }) => id)).toEqual(['sound']);
  store.close();
});

it('a run of an unknown recipe is listed, without a score', async () => {
  const store = new IndexedRunStore(await openDatabase());
  const { config } = sampleRecord();
  await store.create(sampleRecord('other', { status: 'finished', config: { ...config, recipe: 'of-tomorrow' } }));
  const listed = await storedRuns(
    store,
    new DamageCheck(),
    () => undefined,
    async () => false,
  );
  expect(listed.runs.map(({ id }) => id)).toEqual(['other']);
  expect(listed.scores).toEqual({});
  store.close();
});

it('a log is read once, in slices, and no more events at a listing than are allowed', async () => {
  const store = new IndexedRunStore(await openDatabase());
  for (const id of ['first', 'second', 'third']) {
    await store.create(sampleRecord(id));
    await store.append(id, { from: 0, events: sampleEvents, digest: 'd', progress: 0.5 });
  }
  const read: string[] = [];
  const lines = store.lines.bind(store);
  store.lines = (id, ...range) => (read.push(id), lines(id, ...range));
  const check = new DamageCheck();
  const listing = async (): Promise<string[]> => {
    read.length = 0;
    await check.of(store, await store.runs(), 1);
    return [...read];
  };
  // One run at a listing, since a listing reads no further once it has read an event.
  const listed = [...(await listing()), ...(await listing()), ...(await listing())];
  expect([...listed].sort()).toEqual(['first', 'second', 'third']);
  expect(await listing()).toEqual([]);
  // A log that grew is another one.
  await store.append('second', { from: 4, events: sampleEvents.slice(0, 1), digest: 'e', progress: 0.6 });
  expect(await listing()).toEqual(['second']);
  store.close();
});
