/** A database connection that is lost: opened again, without doubling what was written. */
import 'fake-indexeddb/auto';
import { forceCloseDatabase, IDBDatabase, IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Connection } from '../../src/store/connection';
import { openDatabase, type Database } from '../../src/store/database';
import { RunNotFoundError, StoreUnavailableError } from '../../src/store/errors';
import { IndexedRunStore } from '../../src/store/indexed';
import type { LogBatch } from '../../src/store/types';
import { sampleAdapter, sampleEvents, sampleRecord } from './samples';

const first: LogBatch = { from: 0, events: sampleEvents.slice(0, 2), digest: 'd2', progress: 0.5 };
const second: LogBatch = { from: 2, events: sampleEvents.slice(2), digest: 'd4', progress: 1 };
const file = { sha256: 'ab'.repeat(32), name: 'a.jsonl', created: 1, bytes: new Uint8Array([1]) };
const adapter = { name: 'generator-0', iteration: 1, job: 'finetune/1', weights: sampleAdapter() };
const whole = { record: sampleRecord(), events: sampleEvents, adapters: [adapter], checkpoints: [], problems: file };

/** Every method of the store, in an order in which each has something to do. */
const METHODS: [name: string, call: (store: IndexedRunStore) => Promise<unknown>][] = [
  ['create', (store) => store.create(sampleRecord('other'))],
  ['append', (store) => store.append('a-run', { ...second, adapters: [adapter] })],
  ['update', (store) => store.update('a-run', { progress: 1 })],
  ['rewrite', (store) => store.rewrite({ ...whole, record: sampleRecord('third', { events: 4 }) })],
  ['run', (store) => store.run('a-run')],
  ['runs', (store) => store.runs()],
  ['events', (store) => store.events('a-run')],
  ['lines', (store) => store.lines('a-run')],
  ['adapter', (store) => store.adapter('a-run', adapter)],
  ['adapters', (store) => store.adapters('a-run')],
  ['condition', (store) => store.condition('a-run')],
  ['evaluations', (store) => store.evaluations('a-run')],
  ['checkpoints', (store) => store.checkpoints('a-run')],
  ['putProblems', (store) => store.putProblems(file)],
  ['problems', (store) => store.problems(file.sha256)],
  ['problemFiles', (store) => store.problemFiles()],
  ['deleteProblems', (store) => store.deleteProblems(file.sha256)],
  ['deleteAdapters', (store) => store.deleteAdapters('a-run', [adapter])],
  ['delete', (store) => store.delete('other')],
];

/** All connections that are open, as a browser sees them that clears or loses its data. */
let open: IDBDatabase[] = [];

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
  open = [];
  const request = IDBFactory.prototype.open;
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(function (this: IDBFactory, ...args) {
    const opening = request.apply(this, args);
    opening.addEventListener('success', () => open.push(opening.result as unknown as IDBDatabase));
    return opening;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const lose = () => open.splice(0).forEach((db) => forceCloseDatabase(db as never));

const { transaction } = IDBDatabase.prototype;

/** The next `times` transactions throw as a browser does whose database is gone. */
function refuse(name: string, times: number): void {
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
    if (times-- > 0) throw new DOMException('Connection to Indexed Database server lost', name);
    return transaction.apply(this, args);
  });
}

async function filled(given?: IndexedRunStore): Promise<IndexedRunStore> {
  const store = given ?? (await IndexedRunStore.open());
  await store.create(sampleRecord());
  await store.append('a-run', first);
  return store;
}

/** What every method answers where nothing is lost. */
async function answers(before: () => void, lab?: IndexedRunStore): Promise<unknown[]> {
  globalThis.indexedDB = new IDBFactory();
  vi.spyOn(Date, 'now').mockReturnValue(5_000);
  const store = await filled(lab);
  const results: unknown[] = [];
  for (const [, call] of METHODS) {
    before();
    results.push(await call(store));
  }
  store.close();
  return results;
}

it('every method goes on when the browser closed the connection before it', async () => {
  expect(await answers(lose)).toEqual(await answers(() => {}));
});

it.each(['InvalidStateError', 'UnknownError', 'AbortError', 'TimeoutError'])(
  'every method goes on after %s, once and several times in a row',
  async (name) => {
    const expected = await answers(() => {});
    for (const times of name === 'UnknownError' ? [1, 3] : [1])
      expect(await answers(() => refuse(name, times))).toEqual(expected);
  },
);

it('a loss that does not pass is told as one of this browser, and blames no tab', async () => {
  const store = await filled();
  refuse('UnknownError', 1_000);
  const lost = store.run('a-run');
  await expect(lost).rejects.toBeInstanceOf(StoreUnavailableError);
  await expect(lost).rejects.toThrow(/broke off while reading a run, 4 times.*server lost.*Reload the page/);
  await expect(lost).rejects.not.toThrow(/another tab/i);
});

it('blames another tab after a version change only', async () => {
  const store = new IndexedRunStore(await openDatabase('polylogue', 1));
  await store.create(sampleRecord());
  const newer = await IndexedRunStore.open();
  await expect(store.run('a-run')).rejects.toThrow(/Another tab/);
  newer.close();
});

/** The transaction commits, and the connection breaks before the page hears of it. */
class BreaksAfterCommit extends Connection {
  override use<T>(doing: string, work: (db: Database, again: boolean) => Promise<T>): Promise<T> {
    return super.use(doing, async (db, again) => {
      await work(db, again);
      return work(db, true);
    });
  }
}

it('does not double what a broken connection had stored all the same', async () => {
  expect(await answers(() => {}, new IndexedRunStore(new BreaksAfterCommit()))).toEqual(await answers(() => {}));
});

it('finds an empty database after the data was cleared, and says that the run is gone', async () => {
  const store = await filled();
  lose();
  await new Promise((resolve) => (indexedDB.deleteDatabase('polylogue').onsuccess = resolve));
  expect(await store.runs()).toEqual([]);
  await expect(store.append('a-run', second)).rejects.toBeInstanceOf(RunNotFoundError);
  await store.rewrite(whole);
  expect(await store.events('a-run')).toEqual(sampleEvents);
  expect(await store.problems(file.sha256)).toEqual(file);
});

it('goes on when another tab deletes the database, without blaming an upgrade', async () => {
  const store = await filled();
  await new Promise((resolve) => (indexedDB.deleteDatabase('polylogue').onsuccess = resolve));
  expect(await store.runs()).toEqual([]);
});

it('says so where the browser has no database at all', async () => {
  const kept = globalThis.indexedDB;
  Reflect.deleteProperty(globalThis, 'indexedDB');
  try {
    await expect(IndexedRunStore.open()).rejects.toThrow(/keeps no database for this page.*ordinary window/);
  } finally {
    globalThis.indexedDB = kept;
  }
});
