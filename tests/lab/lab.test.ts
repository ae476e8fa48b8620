/** The lab's commands over the embedded model on the reference engine: what the page asks, without a page. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { unzipSync, strFromU8 } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { createEngineHost } from '../../src/lab/host/engineHost';
import { LabBusyError } from '../../src/lab/errors';
import type { Lab } from '../../src/lab/lab';
import { digestOf } from '../../src/log/digest';
import { resolveConfig } from '../../src/recipes/resolve';
import { openDatabase } from '../../src/store/database';
import { firstFormatRun } from '../store/samples';
import { closeLabs, idle, openLab, referenceLab } from './testLab';

const base = new URL('../../static/', import.meta.url).href;
const config = resolveConfig('arithmetic-tiny', {
  agents: 2,
  trainProblems: 5,
  evaluationProblems: 3,
  chunk: 2,
  seed: 3,
});

const newLab = () => referenceLab(base);

async function stored(lab: Lab, id: string) {
  const run = await lab.run(id);
  const lines = await lab.lines(id, 0, run.events);
  return { run, events: lines.map((line) => JSON.parse(line) as RunEvent) };
}

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});
afterEach(closeLabs);

describe('Lab', () => {
  it('runs an experiment and tells the page all of its log', async () => {
    const { lab, messages, until } = newLab();
    expect(await lab.probe()).toMatchObject({ kind: 'reference' });
    const { id } = await lab.start(config, 'auto');
    await expect(lab.start(config, 'auto')).rejects.toBeInstanceOf(LabBusyError);
    await expect(lab.delete(id)).rejects.toBeInstanceOf(LabBusyError);
    await until(idle);

    expect(messages.filter((message) => message.type === 'error')).toEqual([]);
    const { run, events } = await stored(lab, id);
    expect(run).toMatchObject({ status: 'finished', progress: 1, digest: digestOf(events) });
    const told = messages.filter((message) => message.type === 'events');
    expect(told.flatMap((message) => message.events)).toEqual(events);
    expect(messages.some((message) => message.type === 'partial')).toBe(true);
    const losses = events
      .flatMap((event) => (event.type === 'training-step' ? event.tracks : []))
      .map(({ loss }) => loss);
    expect(losses.length).toBeGreaterThan(0);
    expect(losses.every(Number.isFinite)).toBe(true);

    const files = unzipSync(await lab.bundle(id));
    expect(Object.keys(files)).toContain('adapters/iteration-1/critic-1/adapter_model.safetensors');
    expect(strFromU8(files['log.jsonl']!).trimEnd().split('\n')).toHaveLength(events.length);
    expect(JSON.parse(strFromU8(files['run.json']!))).toMatchObject({ digest: run.digest, config });

    await lab.delete(id);
    expect((await lab.runs()).runs).toEqual([]);
  });

  it('plans keys and values as the device will keep them', async () => {
    const labOn = (arithmetic: 'f32' | 'f16') => {
      const probe = async () =>
        ({ kind: 'webgpu', device: 'test', software: false, fallbackReason: null, arithmetic }) as const;
      return openLab(
        createEngineHost(probe, () => Promise.reject(new Error('nothing is to be loaded'))),
        base,
      ).lab;
    };
    const [half, whole] = [labOn('f16'), labOn('f32')];
    const packed = { ...config, dtype: 'int4' } as const;
    const plan = await whole.plan(packed);
    expect(2 * (await half.plan(packed)).kvCache).toBe(plan.kvCache);
    // What differs then is the copy of the adapters in f16.
    const { adapters, total, ...rest } = await half.plan({ ...packed, cache: 'f32' });
    expect(rest).toEqual({ ...rest, weights: plan.weights, kvCache: plan.kvCache, activations: plan.activations });
    expect(adapters).toBeGreaterThan(1.4 * plan.adapters);
    expect(total - plan.total).toBe(adapters - plan.adapters);
    expect(await half.plan(config)).toEqual(await whole.plan(config));
  });

  it('plans bytes without loading weights, checks a model, and takes a folder', async () => {
    const { lab } = newLab();
    const plan = await lab.plan(config);
    const { weights, kvCache, activations, adapters, optimiser, total } = plan;
    expect(total).toBe(weights + kvCache + activations + adapters + optimiser);
    expect((await lab.plan({ ...config, adapter: { ...config.adapter, rank: 16 } })).adapters).toBeGreaterThan(
      adapters,
    );
    expect((await lab.plan({ ...config, dtype: 'int4' })).weights).toBeLessThan(weights / 4);

    const request = { model: config.model, dtype: 'f32', engine: 'reference', text: '1+2=3' } as const;
    const check = await lab.checkModel(request, new MessageChannel().port2);
    expect(check).toMatchObject({ engine: { kind: 'reference' }, perplexity: { cut: false } });
    expect(check.perplexity?.perplexity).toBeGreaterThan(1);
    expect(check.hash).toMatch(/^[0-9a-f]{64}$/);

    const folder = { name: 'mine', files: new Map([['config.json', new Blob(['{}'])]]) };
    expect(await lab.addFolder(folder)).toBe('folder:mine');
    const { id } = await lab.start(config, 'auto');
    await expect(lab.checkModel(request, new MessageChannel().port2)).rejects.toBeInstanceOf(LabBusyError);
    await lab.stop();
    await lab.delete(id);
  });

  it('pauses, is abandoned, and is offered to another page that resumes it to the same digest', async () => {
    const undisturbed = newLab();
    const { id: first } = await undisturbed.lab.start(config, 'auto');
    await undisturbed.until(idle);
    const expected = (await stored(undisturbed.lab, first)).run.digest;
    await undisturbed.lab.delete(first);

    const one = newLab();
    const { id } = await one.lab.start(config, 'auto');
    await one.until(
      (message) => message.type === 'events' && message.events.some((event) => event.type === 'training-step'),
    );
    await one.lab.pause();
    await one.until((message) => message.type === 'run' && message.run.status === 'paused');
    expect((await one.lab.runs()).interrupted).toEqual([]);

    // Nothing more comes from that page. Another one opens.
    const two = newLab();
    expect((await two.lab.runs()).interrupted).toEqual([id]);
    await two.lab.resume(id, 'auto');
    await two.until(idle);
    expect(two.messages.filter((message) => message.type === 'error')).toEqual([]);
    expect((await stored(two.lab, id)).run).toMatchObject({ status: 'finished', digest: expected });
  });

  it('stops, and goes on later', async () => {
    const { lab, messages, until } = newLab();
    const { id } = await lab.start(config, 'auto');
    await until((message) => message.type === 'partial');
    await lab.stop();
    expect((await stored(lab, id)).run.status).toBe('stopped');
    await until(idle);
    messages.length = 0;
    await lab.resume(id, 'auto');
    await until(idle);
    expect((await stored(lab, id)).run.status).toBe('finished');
    await expect(lab.resume(id, 'auto')).rejects.toThrow(/finished/);
  });

  it('shows a run of log format 1 and refuses to resume it, as it was', async () => {
    const { lines, record } = firstFormatRun('old');
    const stopped = { ...record, status: 'stopped' as const };
    const db = await openDatabase();
    await db.put('runs', stopped);
    for (const [at, line] of lines.entries()) await db.put('events', line, ['old', at]);
    db.close();
    const { lab, messages } = newLab();
    await expect(lab.resume('old', 'auto')).rejects.toThrow(/log format 1, which can be read and not continued/);
    expect(await lab.run('old')).toEqual(stopped);
    expect(await lab.lines('old', 0, record.events)).toEqual(lines);
    expect(messages.filter(({ type }) => type === 'error')).toEqual([]);
    // Nothing is at work: another run can begin.
    await lab.delete('old');
  });

  it('says what is wrong when the model is missing, and keeps the run', async () => {
    const { lab, messages, until } = newLab();
    const { id } = await lab.start({ ...config, model: 'no-such-model' }, 'auto');
    await until(idle);
    const error = messages.find((message) => message.type === 'error');
    expect(error?.message).toMatch(/no-such-model/);
    expect((await stored(lab, id)).run).toMatchObject({ status: 'failed', error: error?.message });
  });
});
