/** The runner: a run that is killed, stopped, paused or meets a full disk ends with the log of an undisturbed one. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, describe, expect, it } from 'vitest';
import { RunControl } from '../../src/lab/run/control';
import { LogMismatchError } from '../../src/lab/errors';
import { createRun, Runner } from '../../src/lab/run/runner';
import { digestOf } from '../../src/log/digest';
import { MARGIN_SCALE, packNumbers } from '../../src/pack';
import { recipeNamed } from '../../src/recipes';
import { StorageFullError, StoredRunError } from '../../src/store/errors';
import { IndexedRunStore } from '../../src/store/indexed';
import { MemoryRunStore } from '../../src/store/memory';
import type { LogBatch, RunRecord, RunStore } from '../../src/store/types';
import { taskNamed } from '../../src/tasks';
import { sampleConfig } from '../store/samples';
import { ScriptedRuntime } from './scripted';

const config = sampleConfig();

function runner(store: RunStore, runtime: ScriptedRuntime, control = new RunControl()): Runner {
  const recipe = recipeNamed(config.recipe);
  return new Runner({ recipe, runtime, task: taskNamed(config.task), adapters: runtime, store, control });
}

async function undisturbed(): Promise<{ record: RunRecord; store: MemoryRunStore; operations: number }> {
  const store = new MemoryRunStore();
  const runtime = new ScriptedRuntime();
  const { id } = await createRun(store, config);
  return { record: await runner(store, runtime).run(id), store, operations: runtime.operations };
}

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

describe('an undisturbed run', () => {
  it('is stored whole, with digest, adapters and checkpoints', async () => {
    const { record, store } = await undisturbed();
    const events = await store.events(record.id);
    expect(record).toMatchObject({ status: 'finished', progress: 1, engine: 'scripted', events: events.length });
    expect(record.digest).toBe(digestOf(events));
    expect(events.at(-1)?.type).toBe('run-finished');
    // 3 generators, 3 critics and the single model in each of 2 iterations
    expect(await store.adapters(record.id)).toHaveLength(14);
    const checkpoints = await store.checkpoints(record.id);
    expect(checkpoints.map((checkpoint) => checkpoint.iteration)).toEqual([1, 2]);
    expect(checkpoints[0]!.adapters).toHaveLength(7);
    expect(checkpoints[0]!.digest).toBe(digestOf(events.slice(0, checkpoints[0]!.events)));
    expect(await store.evaluations(record.id)).toHaveLength(5);
  });

  it('reports events in order and progress that never falls', async () => {
    const store = new MemoryRunStore();
    const runtime = new ScriptedRuntime();
    const { id } = await createRun(store, config);
    const progress: number[] = [];
    const indices: number[] = [];
    const work: Runner = new Runner({
      recipe: recipeNamed(config.recipe),
      runtime,
      task: taskNamed(config.task),
      adapters: runtime,
      store,
      onEvent: (_event, index) => {
        indices.push(index);
        progress.push(work.progress);
      },
    });
    const record = await work.run(id);
    expect(indices).toEqual(Array.from({ length: record.events }, (_, i) => i));
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
  });
});

describe('a killed run', () => {
  it('ends with the digest of an undisturbed one, wherever it was killed', async () => {
    const expected = await undisturbed();
    const points = Array.from({ length: expected.operations }, (_, i) => i + 1);
    for (const point of points) {
      globalThis.indexedDB = new IDBFactory();
      const first = await IndexedRunStore.open();
      const { id } = await createRun(first, config);
      await new Promise<void>((hung) => {
        void runner(first, new ScriptedRuntime({ hangAt: point, hung })).run(id);
      });
      expect((await first.run(id)).status).toBe('running');

      const second = await IndexedRunStore.open();
      const record = await runner(second, new ScriptedRuntime()).run(id);
      expect(record, `killed at operation ${point}`).toMatchObject({
        status: 'finished',
        digest: expected.record.digest,
        events: expected.record.events,
      });
      expect(digestOf(await second.events(id))).toBe(expected.record.digest);
      expect(await second.adapters(id)).toEqual(await expected.store.adapters(expected.record.id));
      first.close();
      second.close();
    }
  });

  it('also when it died while writing, before or after the transaction', async () => {
    const expected = await undisturbed();
    for (const when of ['before', 'after'] as const)
      for (const nth of [1, 2, 3, 5, 8, 13]) {
        globalThis.indexedDB = new IDBFactory();
        const inner = await IndexedRunStore.open();
        const { id } = await createRun(inner, config);
        await new Promise<void>((died) => {
          void runner(dyingStore(inner, nth, when, died), new ScriptedRuntime()).run(id);
        });
        const again = await IndexedRunStore.open();
        const record = await runner(again, new ScriptedRuntime()).run(id);
        expect(record.digest, `${when} write ${nth}`).toBe(expected.record.digest);
        inner.close();
        again.close();
      }
  });

  it('may be killed again and again', async () => {
    const expected = await undisturbed();
    const store = await IndexedRunStore.open();
    const { id } = await createRun(store, config);
    let record: RunRecord | null = null;
    let lives = 0;
    while (!record) {
      lives++;
      record = await new Promise<RunRecord | null>((resolve, reject) => {
        const runtime = new ScriptedRuntime({ hangAt: 25, hung: () => resolve(null) });
        runner(store, runtime).run(id).then(resolve, reject);
      });
    }
    expect(lives).toBeGreaterThan(1);
    expect(record.digest).toBe(expected.record.digest);
    store.close();
  });
});

describe('stop and pause', () => {
  it('stops, and resumes to the same digest', async () => {
    const expected = await undisturbed();
    for (const stopAt of [0, 1, 5, 12, 30, 50, 70]) {
      const store = new MemoryRunStore();
      const { id } = await createRun(store, config);
      const control = new RunControl();
      const runtime = new ScriptedRuntime();
      const work = new Runner({
        recipe: recipeNamed(config.recipe),
        runtime,
        task: taskNamed(config.task),
        adapters: runtime,
        store,
        control,
        onEvent: (_event, index) => index === stopAt && control.stop(),
      });
      const stopped = await work.run(id);
      expect(stopped).toMatchObject({ status: 'stopped', events: stopAt + 1 });
      expect((await runner(store, new ScriptedRuntime()).run(id)).digest).toBe(expected.record.digest);
    }
  });

  it('holds when paused, with everything stored, and goes on', async () => {
    const expected = await undisturbed();
    const store = await IndexedRunStore.open();
    const { id } = await createRun(store, config);
    const control = new RunControl();
    const runtime = new ScriptedRuntime();
    const held: boolean[] = [];
    let events = 0;
    const done = new Runner({
      recipe: recipeNamed(config.recipe),
      runtime,
      task: taskNamed(config.task),
      adapters: runtime,
      store,
      control,
      onHold: (state) => held.push(state),
      onEvent: () => ++events === 20 && control.pause(),
    }).run(id);
    await until(async () => (await store.run(id)).status === 'paused');
    const paused = await store.run(id);
    expect(paused.events).toBe(20);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).toBe(20);
    control.resume();
    expect((await done).digest).toBe(expected.record.digest);
    expect(held).toEqual([true, false]);
    store.close();
  });
});

describe('what can go wrong', () => {
  it('waits when the disk is full and goes on once there is room', async () => {
    const expected = await undisturbed();
    const store = new MemoryRunStore();
    let full = false;
    const append = store.append.bind(store);
    store.append = (runId: string, batch: LogBatch) =>
      full ? Promise.reject(new StorageFullError('storing the log')) : append(runId, batch);
    const { id } = await createRun(store, config);
    const control = new RunControl();
    const runtime = new ScriptedRuntime();
    const complaints: string[] = [];
    const done = new Runner({
      recipe: recipeNamed(config.recipe),
      runtime,
      task: taskNamed(config.task),
      adapters: runtime,
      store,
      control,
      onEvent: (_event, index) => {
        if (index === 30) full = true;
      },
      onStorageFull: (error) => complaints.push(error.message),
    }).run(id);
    await until(async () => complaints.length > 0);
    expect(control.paused).toBe(true);
    full = false;
    control.resume();
    const record = await done;
    expect(complaints[0]).toMatch(/storage is full/);
    expect(record).toMatchObject({ status: 'finished', digest: expected.record.digest });
  });

  it('refuses to go on when the log cannot be reproduced, and keeps it', async () => {
    const store = new MemoryRunStore();
    const { id } = await createRun(store, config);
    const control = new RunControl();
    let events = 0;
    const runtime = new ScriptedRuntime();
    await new Runner({
      recipe: recipeNamed(config.recipe),
      runtime,
      task: taskNamed(config.task),
      adapters: runtime,
      store,
      control,
      onEvent: () => ++events === 40 && control.stop(),
    }).run(id);
    const before = await store.events(id);

    const elsewhere = runner(store, new ScriptedRuntime(null, 'another device')).run(id);
    await expect(elsewhere).rejects.toBeInstanceOf(LogMismatchError);
    await expect(elsewhere).rejects.toThrow(/begun on "scripted" and this is "another device".* start a new run/);
    expect(await store.run(id)).toMatchObject({ status: 'failed', events: 40, digest: digestOf(before) });
    expect(await store.events(id)).toEqual(before);
    // On the right device it can still be resumed.
    expect(await runner(store, new ScriptedRuntime()).run(id)).toMatchObject({ status: 'finished', error: null });
  });

  it('notices a damaged log', async () => {
    const { record, store } = await undisturbed();
    const events = await store.events(record.id);
    const episode = events.find((event) => event.type === 'episode' && event.iteration === 1);
    if (episode?.type !== 'episode') throw new Error('no episode');
    episode.turns[0]!.margins = packNumbers([7], MARGIN_SCALE);
    await store.update(record.id, { status: 'stopped' });
    await expect(runner(store, new ScriptedRuntime()).run(record.id)).rejects.toBeInstanceOf(StoredRunError);
  });

  it('keeps what was stored when the runtime fails', async () => {
    const store = new MemoryRunStore();
    const { id } = await createRun(store, config);
    const runtime = new ScriptedRuntime();
    const ask = runtime.ask.bind(runtime);
    let calls = 0;
    runtime.ask = (questions) => (++calls === 8 ? Promise.reject(new Error('device lost')) : ask(questions));
    await expect(runner(store, runtime).run(id)).rejects.toThrow('device lost');
    const failed = await store.run(id);
    expect(failed).toMatchObject({ status: 'failed', error: 'device lost' });
    expect(failed.events).toBeGreaterThan(5);
    const record = await runner(store, new ScriptedRuntime()).run(id);
    expect(record.digest).toBe((await undisturbed()).record.digest);
  });
});

/** A store whose nth append never comes back: the page died just before or just after the transaction. */
function dyingStore(inner: RunStore, nth: number, when: 'before' | 'after', died: () => void): RunStore {
  let appends = 0;
  return new Proxy(inner, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      if (key !== 'append') return value.bind(target) as unknown;
      return async (runId: string, batch: LogBatch) => {
        if (++appends !== nth) return target.append(runId, batch);
        if (when === 'after') await target.append(runId, batch);
        died();
        return new Promise(() => {});
      };
    },
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
