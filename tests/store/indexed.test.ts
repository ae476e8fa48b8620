/** What only the database of the browser can do wrong: full disks, other tabs, older versions. */
import 'fake-indexeddb/auto';
import { IDBFactory, IDBObjectStore } from 'fake-indexeddb';
import { readFileSync } from 'node:fs';
import { strFromU8, unzipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DamageCheck } from '../../src/lab/stored/damage';
import { Runner } from '../../src/lab/run/runner';
import { storedRuns } from '../../src/lab/stored/runs';
import { canonicalJson } from '../../src/log/canonical';
import { digestOf } from '../../src/log/digest';
import { readEvents } from '../../src/log/read';
import type { RunResults } from '../../src/log/results';
import { recipeNamed } from '../../src/recipes';
import { bundleRun } from '../../src/share/writeBundle';
import { DATABASE_VERSION, openDatabase } from '../../src/store/database';
import { OldFormatError, StorageFullError, StoreUnavailableError } from '../../src/store/errors';
import { IndexedRunStore } from '../../src/store/indexed';
import { missingAdapters, versionsOf } from '../../src/store/keep';
import type { RunRecord } from '../../src/store/types';
import { taskNamed } from '../../src/tasks';
import { ScriptedRuntime } from '../lab/scripted';
import { FORMAT_1, firstFormatRun, sampleAdapter, sampleEvents, sampleRecord } from './samples';

const generator = { name: 'generator-0', iteration: 1, job: 'finetune/1' };

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
    adapters: [{ name: 'generator-0', iteration: 1, job: 'finetune/1', weights: sampleAdapter() }],
  });
  first.close();
  const second = await IndexedRunStore.open();
  expect(await second.events('a-run')).toEqual(sampleEvents);
  const weights = await second.adapter('a-run', generator);
  expect(weights).toEqual(sampleAdapter());
  second.close();
});

it('migrates a database of version 1 with its runs', async () => {
  const { lines, record } = firstFormatRun('old');
  const old = await openDatabase('polylogue', 1);
  await old.put('runs', record);
  // Objects then, texts since version 3.
  for (const [i, line] of lines.entries()) await old.put('events', JSON.parse(line) as object, ['old', i]);
  await old.put('adapters', sampleAdapter(), ['old', 1, 'generator-0']);
  expect([...old.objectStoreNames]).not.toContain('evaluations');
  old.close();

  const db = await openDatabase();
  expect(db.version).toBe(DATABASE_VERSION);
  const store = new IndexedRunStore(db);
  expect((await store.runs()).map((run) => run.id)).toEqual(['old']);
  const events = readEvents(lines);
  expect(await store.events('old')).toEqual(events);
  expect(await store.adapter('old', generator)).toEqual(sampleAdapter());
  const evaluations = events.filter(({ type }) => type === 'evaluation');
  expect(evaluations.length).toBe(5);
  expect(await store.evaluations('old')).toEqual(expect.arrayContaining(evaluations));
  store.close();
});

describe('a run of log format 1 in a database of version 4', () => {
  const { lines, record } = firstFormatRun('old');
  const stopped = { ...record, status: 'stopped' as const };

  /** As the lab stored it until then: adapters by iteration and name. */
  async function stored(run: RunRecord): Promise<IndexedRunStore> {
    const old = await openDatabase('polylogue', 4);
    await old.put('runs', run);
    for (const [i, line] of lines.entries()) {
      await old.put('events', line, ['old', i]);
      const event = JSON.parse(line) as { type: string; iteration: number; team: string; adapter: string };
      if (event.type === 'evaluation') await old.put('evaluations', event, ['old', event.iteration, event.team]);
      if (event.type === 'adapter-updated')
        await old.put('adapters', sampleAdapter(event.iteration), ['old', event.iteration, event.adapter]);
    }
    old.close();
    return IndexedRunStore.open();
  }

  it('is listed with its score, and opened with its adapters', async () => {
    const store = await stored(record);
    const listed = await storedRuns(
      store,
      new DamageCheck(),
      () => undefined,
      async () => false,
    );
    expect(listed.runs.map(({ id }) => id)).toEqual(['old']);
    expect([listed.damaged, listed.interrupted]).toEqual([{}, []]);
    // The last iteration's societyDebate, as results.json had it.
    const { iterations } = JSON.parse(readFileSync(`${FORMAT_1}.results.json`, 'utf8')) as RunResults;
    const [before, after] = [iterations[0]?.methods['debate'], iterations.at(-1)?.methods['societyDebate']];
    expect(listed.scores['old']).toEqual({
      iteration: 2,
      right: after?.right,
      n: after?.n,
      base: { right: before?.right, n: before?.n },
    });
    const events = await store.events('old');
    expect(events).toEqual(readEvents(lines));
    const versions = versionsOf(events);
    expect(versions.length).toBe(14);
    for (const version of versions)
      expect(await store.adapter('old', version)).toEqual(sampleAdapter(version.iteration));
    expect(missingAdapters(events, await store.adapters('old'))).toEqual([]);
    expect((await store.condition('old')).damage).toBe(null);
    await store.deleteAdapters('old', await store.adapters('old'));
    expect(await store.adapters('old')).toEqual([]);
    store.close();
  });

  it('is bundled with its original lines, which verify against the digest that it recorded', async () => {
    const store = await stored(record);
    const files = unzipSync(await bundleRun(store, 'old'));
    const log = strFromU8(files['log.jsonl']!);
    expect(log).toBe(lines.map((line) => `${canonicalJson(JSON.parse(line))}\n`).join(''));
    const written = log.trimEnd().split('\n');
    expect(digestOf(written.map((line) => JSON.parse(line) as object))).toBe(record.digest);
    expect(JSON.parse(strFromU8(files['run.json']!))).toMatchObject({ digest: record.digest, adaptersNotKept: [] });
    expect(JSON.parse(strFromU8(files['results.json']!))).toEqual(
      JSON.parse(readFileSync(`${FORMAT_1}.results.json`, 'utf8')),
    );
    expect(Object.keys(files)).toContain('adapters/iteration-2/critic-1/adapter_model.safetensors');
    store.close();
  });

  it('can be read and not continued: the runner refuses it, and its record stays as it was', async () => {
    const cut = {
      ...stopped,
      events: 20,
      digest: digestOf(lines.slice(0, 20).map((line) => JSON.parse(line) as object)),
    };
    const store = await stored(cut);
    const runtime = new ScriptedRuntime();
    const parts = { recipe: recipeNamed(cut.config.recipe), runtime, task: taskNamed(cut.config.task) };
    const told: RunRecord[] = [];
    const runner = new Runner({ ...parts, adapters: runtime, store, onRecord: (run) => told.push(run) });
    const refused = runner.run('old');
    await expect(refused).rejects.toBeInstanceOf(OldFormatError);
    await expect(refused).rejects.toThrow(/log format 1, which can be read and not continued.*Start a new run/);
    expect(await store.run('old')).toEqual(cut);
    expect([told, runtime.operations]).toEqual([[], 0]);
    store.close();
  });
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
      adapters: [{ name: 'generator-0', iteration: 1, job: 'finetune/1', weights: sampleAdapter() }],
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
