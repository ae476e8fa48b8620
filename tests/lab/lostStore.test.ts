/** A run at work whose store loses its data, fails, or keeps only some adapters: it ends with the log of an undisturbed one. */
import 'fake-indexeddb/auto';
import { forceCloseDatabase, IDBDatabase, IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRun, Runner, type RunnerParts } from '../../src/lab/run/runner';
import { digestOf } from '../../src/log/digest';
import { recipeNamed } from '../../src/recipes';
import { openDatabase } from '../../src/store/database';
import { DamagedLogError } from '../../src/store/errors';
import { IndexedRunStore } from '../../src/store/indexed';
import { thinRun, type KeepAdapters } from '../../src/store/keep';
import { MemoryRunStore } from '../../src/store/memory';
import type { RunRecord, RunStore } from '../../src/store/types';
import { taskNamed } from '../../src/tasks';
import { sampleConfig } from '../store/samples';
import { ScriptedRuntime } from './scripted';

const config = sampleConfig();

function runner(store: RunStore, runtime: ScriptedRuntime, more: Partial<RunnerParts> = {}): Runner {
  const recipe = recipeNamed(config.recipe);
  return new Runner({ recipe, runtime, task: taskNamed(config.task), adapters: runtime, store, ...more });
}

async function undisturbed() {
  const store = new MemoryRunStore();
  const runtime = new ScriptedRuntime();
  const { id } = await createRun(store, config);
  return { record: await runner(store, runtime).run(id), store, operations: runtime.operations };
}

let open: IDBDatabase[] = [];

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
  open = [];
  const { open: request } = IDBFactory.prototype;
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(function (this: IDBFactory, ...args) {
    const opening = request.apply(this, args);
    opening.addEventListener('success', () => open.push(opening.result as unknown as IDBDatabase));
    return opening;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** As a browser does when the visitor clears the site's data. */
function clearSiteData(): void {
  open.splice(0).forEach((db) => forceCloseDatabase(db as never));
  globalThis.indexedDB = new IDBFactory();
}

describe('a store that loses its data while a run is at work', () => {
  it('gets the run again, wherever that happens, and the run can be killed afterwards', async () => {
    const expected = await undisturbed();
    for (let point = 0; point < expected.record.events; point += 17) {
      globalThis.indexedDB = new IDBFactory();
      const store = await IndexedRunStore.open();
      const { id } = await createRun(store, config);
      const told: string[] = [];
      const onEvent = (_event: unknown, index: number) => index === point && clearSiteData();
      const hangAt = 1 + Math.floor(expected.operations * 0.9);
      const end = await new Promise<RunRecord | null>((resolve, reject) => {
        const runtime = new ScriptedRuntime({ hangAt, hung: () => resolve(null) });
        runner(store, runtime, { onEvent, onRewritten: (message) => told.push(message) })
          .run(id)
          .then(resolve, reject);
      });
      expect(end).toBe(null);
      const record = await runner(await IndexedRunStore.open(), new ScriptedRuntime()).run(id);
      expect(record.digest, `cleared at event ${point}`).toBe(expected.record.digest);
      if (told.length > 0) expect(told[0]).toMatch(/cleared the data of this page.*written again from memory/);
    }
  }, 60_000);

  it('says which adapters are lost, and writes the file of problems again', async () => {
    const store = await IndexedRunStore.open();
    const { id } = await createRun(store, config);
    const problems = { sha256: 'ab'.repeat(32), name: 'a.jsonl', created: 1, bytes: new Uint8Array([1]) };
    await store.putProblems(problems);
    const told: string[] = [];
    let started = 0;
    const record = await runner(store, new ScriptedRuntime(), {
      problems,
      onEvent: (event) => event.type === 'evaluation' && event.iteration === 2 && started++ === 1 && clearSiteData(),
      onRewritten: (message) => told.push(message),
    }).run(id);
    expect(record).toMatchObject({ status: 'finished', digest: (await undisturbed()).record.digest });
    expect(told).toEqual([expect.stringMatching(/7 adapters of earlier iterations are lost/)]);
    expect(await store.problems(problems.sha256)).toEqual(problems);
    expect(digestOf(await store.events(id))).toBe(record.digest);
  });

  it('notices a log of which the end is gone', async () => {
    const store = await IndexedRunStore.open();
    const { id } = await createRun(store, config);
    const db = await openDatabase();
    let done: Promise<unknown> | null = null;
    const record = await runner(store, new ScriptedRuntime(), {
      onRecord: ({ events }) => {
        if (events > 20) done ??= db.delete('events', IDBKeyRange.bound([id], [id, []]));
      },
    }).run(id);
    expect(record.digest).toBe((await undisturbed()).record.digest);
    expect(digestOf(await store.events(id))).toBe(record.digest);
    db.close();
  });
});

/** A store of which every method fails from its nth call on. */
function failing(inner: RunStore, nth: number): RunStore {
  let calls = 0;
  return new Proxy(inner, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        ++calls >= nth ? Promise.reject(new Error('the disk is gone')) : (value.apply(target, args) as unknown);
    },
  });
}

describe('a store that fails', () => {
  it('never leaves a run that looks as if it ran, and what is stored can go on', async () => {
    const expected = await undisturbed();
    for (const nth of [1, 2, 3, 4, 5, 6, 7, 8, 12, 16]) {
      const store = new MemoryRunStore();
      const { id } = await createRun(store, config);
      let told = await store.run(id);
      const work = runner(failing(store, nth), new ScriptedRuntime(), { onRecord: (record) => (told = record) });
      await expect(work.run(id)).rejects.toThrow('the disk is gone');
      // Before the record was read there is none to tell of: the lab does.
      if (nth > 1 && nth !== 2 && nth !== 3) expect(told, `call ${nth}`).toMatchObject({ status: 'failed' });
      expect((await runner(store, new ScriptedRuntime()).run(id)).digest).toBe(expected.record.digest);
    }
  });

  it('records that a damaged log cannot go on, with what can be done', async () => {
    const { record, store } = await undisturbed();
    const events = await store.events(record.id);
    const cut = { ...record, status: 'stopped' } as const;
    await store.rewrite({ record: cut, events: events.slice(0, 9), adapters: [], checkpoints: [] });
    await expect(runner(store, new ScriptedRuntime()).run(record.id)).rejects.toBeInstanceOf(DamagedLogError);
    const { status, error } = await store.run(record.id);
    expect([status, error]).toEqual([
      'failed',
      expect.stringMatching(/Download it to keep its 9 readable events, delete/),
    ]);
  });
});

describe('adapters that are kept', () => {
  it.each([
    ['all', 14, 2],
    ['last', 7, 1],
    ['none', 0, 0],
  ] as const)('%s: killed at every operation, it resumes to the same digest', async (keep: KeepAdapters, kept, of) => {
    const expected = await undisturbed();
    for (let point = 1; point <= expected.operations; point += keep === 'all' ? 11 : 3) {
      const store = new MemoryRunStore();
      const { id } = await createRun(store, config, undefined, keep);
      await new Promise<void>((hung) => {
        void runner(store, new ScriptedRuntime({ hangAt: point, hung })).run(id);
      });
      const record = await runner(store, new ScriptedRuntime()).run(id);
      expect(record, `killed at operation ${point}`).toMatchObject({
        status: 'finished',
        digest: expected.record.digest,
      });
      const adapters = await store.adapters(id);
      expect(adapters).toHaveLength(kept);
      expect(new Set(adapters.map(({ iteration }) => iteration)).size).toBe(of);
    }
  });

  it('can be thinned afterwards: the run goes on, and replays', async () => {
    const expected = await undisturbed();
    for (const keep of ['last', 'none'] as const)
      for (const point of [0.5, 0.8, 1].map((part) => Math.floor(expected.operations * part))) {
        const store = new MemoryRunStore();
        const { id } = await createRun(store, config);
        await new Promise<void>((hung) => {
          void runner(store, new ScriptedRuntime({ hangAt: point, hung })).run(id);
        });
        await thinRun(store, id, keep);
        await runner(store, new ScriptedRuntime()).run(id);
        await thinRun(store, id, keep);
        expect(await store.adapters(id)).toHaveLength(keep === 'none' ? 0 : 7);
        // Once more from the log alone.
        const again = new ScriptedRuntime();
        expect((await runner(store, again).run(id)).digest).toBe(expected.record.digest);
        expect(again.operations).toBe(0);
      }
  });

  it('are measured as they are stored', async () => {
    for (const store of [new MemoryRunStore(), await IndexedRunStore.open()]) {
      const { id } = await createRun(store, config);
      await runner(store, new ScriptedRuntime()).run(id);
      const { adapters, logBytes, damage } = await store.condition(id);
      expect(damage).toBe(null);
      expect(adapters.map(({ bytes }) => bytes)).toEqual(Array(14).fill(4));
      expect(logBytes).toBe((await store.lines(id)).join('').length);
    }
  });
});
