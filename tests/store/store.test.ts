/** What every run store promises, asked of both. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { strFromU8, unzipSync } from 'fflate';
import { beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/engine/safetensors';
import { bundleRun } from '../../src/share/writeBundle';
import { LogConflictError, ProblemsMissingError, RunNotFoundError, StoredRunError } from '../../src/store/errors';
import { IndexedRunStore } from '../../src/store/indexed';
import { versionsOf } from '../../src/store/keep';
import { MemoryRunStore } from '../../src/store/memory';
import type { RunStore } from '../../src/store/types';
import {
  sampleAdapter,
  sampleConfig,
  sampleEvaluation,
  sampleEvents,
  sampleRecord,
  sampleStart,
  sampleVersion,
} from './samples';

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

const kinds: [string, () => Promise<RunStore>][] = [
  ['MemoryRunStore', async () => new MemoryRunStore()],
  ['IndexedRunStore', () => IndexedRunStore.open()],
];

describe.each(kinds)('%s', (_name, open) => {
  it('appends a log in order and keeps the record beside it', async () => {
    const store = await open();
    await store.create(sampleRecord());
    await store.append('a-run', { from: 0, events: sampleEvents.slice(0, 2), digest: 'd2', progress: 0.25 });
    const record = await store.append('a-run', {
      from: 2,
      events: sampleEvents.slice(2),
      digest: 'd4',
      progress: 0.5,
    });
    expect(record).toMatchObject({ events: 4, digest: 'd4', progress: 0.5, status: 'running' });
    expect(await store.run('a-run')).toEqual(record);
    expect(await store.events('a-run')).toEqual(sampleEvents);
    const lines = sampleEvents.map((event) => JSON.stringify(event));
    expect(await store.lines('a-run', 1, 3)).toEqual(lines.slice(1, 3));
    expect(await store.evaluations('a-run')).toEqual([sampleEvaluation(0), sampleEvaluation(1)]);
    store.close();
  });

  it('orders more than ten events by number, not by text', async () => {
    const store = await open();
    await store.create(sampleRecord());
    const many = [
      sampleStart(),
      ...Array.from({ length: 120 }, (_, i) => ({ type: 'iteration-started' as const, iteration: i })),
    ];
    await store.append('a-run', { from: 0, events: many, digest: '', progress: 0 });
    expect(await store.events('a-run')).toEqual(many);
    store.close();
  });

  it('refuses events that do not continue the log, and keeps it', async () => {
    const store = await open();
    await store.create(sampleRecord());
    await store.append('a-run', { from: 0, events: sampleEvents, digest: 'd', progress: 0 });
    for (const from of [0, 3, 5])
      await expect(
        store.append('a-run', { from, events: sampleEvents, digest: 'x', progress: 1 }),
      ).rejects.toBeInstanceOf(LogConflictError);
    expect(await store.run('a-run')).toMatchObject({ events: 4, digest: 'd', progress: 0 });
    expect(await store.events('a-run')).toHaveLength(4);
    store.close();
  });

  it('keeps adapters per iteration and job, and checkpoints', async () => {
    const store = await open();
    await store.create(sampleRecord());
    const checkpoint = { iteration: 1, events: 4, digest: 'd', adapters: ['critic-0', 'generator-0'] };
    const version = (name: string, iteration: number, job: string) => ({ name, iteration, job });
    const second = version('generator-0', 2, 'finetune/2');
    const first = version('generator-0', 1, 'finetune/1');
    const preferred = version('generator-0', 1, 'prefer/1');
    const critic = version('critic-0', 1, 'finetune/1');
    await store.append('a-run', {
      from: 0,
      events: sampleEvents,
      digest: 'd',
      progress: 0,
      adapters: [second, first, preferred, critic].map((one, at) => ({ ...one, weights: sampleAdapter(at) })),
      checkpoint,
    });
    expect(await store.adapters('a-run')).toEqual([critic, first, preferred, second]);
    expect(await store.adapter('a-run', second)).toEqual(sampleAdapter(0));
    // Two jobs of one iteration: both versions are there.
    expect(await store.adapter('a-run', first)).toEqual(sampleAdapter(1));
    expect(await store.adapter('a-run', preferred)).toEqual(sampleAdapter(2));
    await expect(store.adapter('a-run', version('critic-0', 2, 'finetune/2'))).rejects.toBeInstanceOf(StoredRunError);
    await expect(store.adapter('a-run', version('critic-0', 1, 'prefer/1'))).rejects.toBeInstanceOf(StoredRunError);
    expect(await store.checkpoints('a-run')).toEqual([checkpoint]);
    await store.deleteAdapters('a-run', [first]);
    expect(await store.adapters('a-run')).toEqual([critic, preferred, second]);
    const { adapters, damage } = await store.condition('a-run');
    expect(damage).toBe(null);
    expect(adapters.map(({ bytes: _, ...name }) => name)).toEqual([critic, preferred, second]);
    store.close();
  });

  it('bundles an adapter that two jobs of an iteration trained twice, each under its job', async () => {
    const store = await open();
    await store.create(sampleRecord());
    const jobs = ['finetune/1', 'prefer/1'];
    const events = [sampleStart(), ...jobs.map((job) => sampleVersion(1, job)), sampleVersion(2)];
    const adapters = versionsOf(events).map((version, at) => ({ ...version, weights: sampleAdapter(at + 1) }));
    await store.append('a-run', { from: 0, events, digest: 'd', progress: 0.5, adapters });
    const files = unzipSync(await bundleRun(store, 'a-run'));
    const folders = [
      'iteration-1/generator-0/finetune-1',
      'iteration-1/generator-0/prefer-1',
      'iteration-2/generator-0',
    ];
    for (const [at, folder] of folders.entries()) {
      const weights = files[`adapters/${folder}/adapter_model.safetensors`];
      const tensors = readSafetensors(weights ?? new Uint8Array(), folder);
      expect(Math.max(...[...tensors.values()].flatMap(({ data }) => [...data])), folder).toBe(at + 1);
    }
    expect(JSON.parse(strFromU8(files['run.json']!))).toMatchObject({ adaptersNotKept: [] });
    store.close();
  });

  it('lists the newest first, updates, and deletes one without touching another', async () => {
    const store = await open();
    await store.create(sampleRecord('a', { created: 1 }));
    await store.create(sampleRecord('b', { created: 3 }));
    await store.create(sampleRecord('ab', { created: 2 }));
    for (const id of ['a', 'b', 'ab'])
      await store.append(id, {
        from: 0,
        events: sampleEvents,
        digest: id,
        progress: 0,
        adapters: [{ name: 'single', iteration: 1, job: 'finetune/1', weights: sampleAdapter() }],
      });
    expect((await store.runs()).map((run) => run.id)).toEqual(['b', 'ab', 'a']);
    await store.update('ab', { status: 'finished', name: 'renamed' });
    expect(await store.run('ab')).toMatchObject({ status: 'finished', name: 'renamed', events: 4 });
    await store.delete('a');
    await expect(store.run('a')).rejects.toBeInstanceOf(RunNotFoundError);
    await expect(store.delete('a')).rejects.toBeInstanceOf(RunNotFoundError);
    await expect(store.update('a', { progress: 1 })).rejects.toBeInstanceOf(RunNotFoundError);
    expect(await store.events('ab')).toHaveLength(4);
    expect(await store.adapters('b')).toHaveLength(1);
    store.close();
  });

  it('keeps files of problems until the last run that reads them is deleted', async () => {
    const store = await open();
    const hash = (digit: string) => digit.repeat(64);
    const file = (digit: string, created: number) => ({
      sha256: hash(digit),
      name: `${digit}.jsonl`,
      created,
      bytes: new Uint8Array([1, 2, Number(digit)]),
    });
    const reading = (id: string, digit: string) =>
      sampleRecord(id, {
        config: sampleConfig({ task: 'jsonl', data: { name: `${digit}.jsonl`, sha256: hash(digit) } }),
      });
    for (const [digit, created] of [
      ['1', 5],
      ['2', 7],
      ['3', 6],
    ] as const)
      await store.putProblems(file(digit, created));
    await store.create(reading('a', '1'));
    await store.create(reading('b', '1'));
    await store.create(sampleRecord('c'));
    expect(await store.problems(hash('1'))).toEqual(file('1', 5));
    expect(await store.problemFiles()).toEqual([
      { sha256: hash('2'), name: '2.jsonl', created: 7, size: 3, runs: [] },
      { sha256: hash('3'), name: '3.jsonl', created: 6, size: 3, runs: [] },
      { sha256: hash('1'), name: '1.jsonl', created: 5, size: 3, runs: ['a', 'b'] },
    ]);
    await store.delete('a');
    await store.delete('c');
    expect((await store.problemFiles()).length).toBe(3);
    await store.delete('b');
    await expect(store.problems(hash('1'))).rejects.toBeInstanceOf(ProblemsMissingError);
    await store.deleteProblems(hash('2'));
    await store.deleteProblems(hash('2'));
    await store.putProblems({ ...file('3', 6), name: 'other name.jsonl' });
    expect((await store.problemFiles()).map(({ name }) => name)).toEqual(['other name.jsonl']);
    store.close();
  });
});
