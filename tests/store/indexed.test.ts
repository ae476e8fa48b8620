/** What only the database of the browser can do wrong: full disks, other tabs, older versions. */
import 'fake-indexeddb/auto';
import { IDBFactory, IDBObjectStore } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DATABASE_VERSION, openDatabase } from '../../src/store/database';
import { StorageFullError, StoreUnavailableError } from '../../src/store/errors';
import { IndexedRunStore } from '../../src/store/indexed';
import { sampleAdapter, sampleEvaluation, sampleEvents, sampleRecord } from './samples';

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});
afterEach(() => {
  vi.restoreAllMocks();
});

it('opens again with everything that was stored', async () => {
  const first = await IndexedRunStore.open();
  await first.create(sampleRecord());
  await first.append('a-run', {
    from: 0,
    events: sampleEvents,
    digest: 'd',
    progress: 0.5,
    adapters: [{ name: 'generator-0', iteration: 1, weights: sampleAdapter() }],
  });
  first.close();
  const second = await IndexedRunStore.open();
  expect(await second.events('a-run')).toEqual(sampleEvents);
  const weights = await second.adapter('a-run', 'generator-0', 1);
  expect(weights).toEqual(sampleAdapter());
  second.close();
});

it('migrates a database of version 1 with its runs', async () => {
  const old = await openDatabase('polylogue', 1);
  await old.put('runs', sampleRecord('old'));
  for (const [i, event] of sampleEvents.entries()) await old.put('events', event, ['old', i]);
  await old.put('adapters', sampleAdapter(), ['old', 1, 'generator-0']);
  expect([...old.objectStoreNames]).not.toContain('evaluations');
  old.close();

  const db = await openDatabase();
  expect(db.version).toBe(DATABASE_VERSION);
  const store = new IndexedRunStore(db);
  expect((await store.runs()).map((run) => run.id)).toEqual(['old']);
  expect(await store.events('old')).toEqual(sampleEvents);
  expect(await store.adapter('old', 'generator-0', 1)).toEqual(sampleAdapter());
  expect(await store.evaluations('old')).toEqual([sampleEvaluation(0), sampleEvaluation(1)]);
  store.close();
});

it('migrates a database of version 3, which had no files of problems', async () => {
  const old = await openDatabase('polylogue', 3);
  await old.put('runs', sampleRecord('old'));
  expect([...old.objectStoreNames]).not.toContain('problems');
  old.close();
  const store = await IndexedRunStore.open();
  const file = { sha256: 'ab'.repeat(32), name: 'a.jsonl', created: 1, bytes: new Uint8Array([0x7b, 0x7d]) };
  await store.putProblems(file);
  expect(await store.problems(file.sha256)).toEqual(file);
  expect((await store.runs()).map((run) => run.id)).toEqual(['old']);
  store.close();
});

it('says so when the database is of a newer lab', async () => {
  const request = indexedDB.open('polylogue', DATABASE_VERSION + 1);
  await new Promise((resolve) => (request.onsuccess = resolve));
  request.result.close();
  await expect(openDatabase()).rejects.toThrow(/newer version of the lab/);
  await expect(openDatabase()).rejects.toBeInstanceOf(StoreUnavailableError);
});

it('lets a newer version in another tab upgrade, and fails with a typed error afterwards', async () => {
  const store = new IndexedRunStore(await openDatabase('polylogue', 1));
  await store.create(sampleRecord());
  const newer = await IndexedRunStore.open();
  expect(await newer.run('a-run')).toEqual(sampleRecord());
  await expect(store.update('a-run', { progress: 1 })).rejects.toBeInstanceOf(StoreUnavailableError);
  newer.close();
});

it('a full disk loses nothing that was stored, and nothing is stored by halves', async () => {
  const store = await IndexedRunStore.open();
  await store.create(sampleRecord());
  await store.append('a-run', { from: 0, events: sampleEvents.slice(0, 1), digest: 'd1', progress: 0.1 });

  const put = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
    if (this.name === 'adapters') throw new DOMException('no room', 'QuotaExceededError');
    return put.apply(this, args);
  });
  await expect(
    store.append('a-run', {
      from: 1,
      events: sampleEvents.slice(1),
      digest: 'd4',
      progress: 0.9,
      adapters: [{ name: 'generator-0', iteration: 1, weights: sampleAdapter() }],
    }),
  ).rejects.toBeInstanceOf(StorageFullError);
  vi.restoreAllMocks();

  expect(await store.run('a-run')).toMatchObject({ events: 1, digest: 'd1', progress: 0.1 });
  expect(await store.events('a-run')).toEqual(sampleEvents.slice(0, 1));
  // Once there is room the same batch goes in.
  await store.append('a-run', { from: 1, events: sampleEvents.slice(1), digest: 'd4', progress: 0.9 });
  expect(await store.events('a-run')).toEqual(sampleEvents);
  store.close();
});

it('reports the reason of a transaction that the browser aborted', async () => {
  const store = await IndexedRunStore.open();
  await store.create(sampleRecord());
  const put = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
    const request = put.apply(this, args);
    if (this.name === 'events') {
      // As Chromium does when the disk is full at commit: the transaction aborts with its own error.
      Object.defineProperty(this.transaction, 'error', { value: new DOMException('full', 'QuotaExceededError') });
      this.transaction.abort();
    }
    return request;
  });
  await expect(
    store.append('a-run', { from: 0, events: sampleEvents.slice(0, 1), digest: 'd', progress: 0 }),
  ).rejects.toBeInstanceOf(StorageFullError);
  store.close();
});
