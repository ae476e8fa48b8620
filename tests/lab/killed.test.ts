/** Runs that are killed after any of their events, on a runtime that repeats itself and on one that cannot. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { RunControl } from '../../src/lab/run/control';
import { LogMismatchError } from '../../src/lab/errors';
import { createRun, Runner } from '../../src/lab/run/runner';
import { digestOf } from '../../src/log/digest';
import { resultsOf } from '../../src/log/results';
import { standing } from '../../src/log/superseded';
import { recipeNamed, recipes } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig } from '../../src/recipes/resolve';
import { needOf } from '../../src/recipes/work';
import { IndexedRunStore } from '../../src/store/indexed';
import { versionsOf } from '../../src/store/keep';
import { MemoryRunStore } from '../../src/store/memory';
import type { RunRecord, RunStore } from '../../src/store/types';
import { taskNamed } from '../../src/tasks';
import { ScriptedRuntime } from './scripted';

const FEW = { iterations: 2, trainProblems: 4, evaluationProblems: 3, chunk: 2, 'finetune.batchSize': 2 };
/** Recipes whose runs are kept in the browser's database here; the others, which share their steps, in memory. */
const IN_DATABASE = ['multiagent-finetuning', 'majority-finetuning', 'star'];
/** What presets leave out, since only some engines can do it. */
const ALL_RULES = { 'merge.rules': 'task-arithmetic,ties,emr,regmean' };
const configOf = (recipe: string): RunConfig =>
  resolveConfig('arithmetic-tiny', { ...FEW, ...(recipe === 'merge' && ALL_RULES) }, recipe);
const config = configOf('multiagent-finetuning');

function play(
  store: RunStore,
  id: string,
  runtime: ScriptedRuntime,
  settings = config,
  onEvent: (event: RunEvent, index: number, control: RunControl) => void = () => {},
  onRecord: (record: RunRecord) => void = () => {},
): Promise<RunRecord> {
  const control = new RunControl();
  return new Runner({
    recipe: recipeNamed(settings.recipe),
    runtime,
    task: taskNamed(settings.task),
    adapters: runtime,
    store,
    control,
    onEvent: (event, index) => onEvent(event, index, control),
    onRecord,
  }).run(id);
}

/** Plays until `point` events are in the store, and never again. */
async function killedAt(point: number, store: RunStore, id: string, runtime: ScriptedRuntime, settings = config) {
  await new Promise<void>((killed, failed) => {
    const pause = (_: RunEvent, index: number, control: RunControl): void => void (index === point && control.pause());
    const stored = ({ status }: RunRecord): void => void (status === 'paused' && killed());
    play(store, id, runtime, settings, pause, stored).then(() => failed(new Error('it ended')), failed);
  });
}

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

describe.each(recipes().map(({ id }) => id))('%s', (recipe) => {
  it('killed after any event, it ends with the digest of an undisturbed run', async () => {
    const settings = configOf(recipe);
    const whole = new MemoryRunStore();
    const { id: one } = await createRun(whole, settings);
    const expected = await play(whole, one, new ScriptedRuntime(), settings);
    const learns = needOf(settings).work.some(({ kind }) => kind === 'train');
    const types = new Set((await whole.events(one)).map(({ type }) => type));
    expect(types.has('training-step')).toBe(learns);
    for (let point = 0; point < expected.events - 1; point++) {
      globalThis.indexedDB = new IDBFactory();
      const memory = new MemoryRunStore();
      const open = async (): Promise<RunStore> => (IN_DATABASE.includes(recipe) ? IndexedRunStore.open() : memory);
      const first = await open();
      const { id } = await createRun(first, settings);
      await killedAt(point, first, id, new ScriptedRuntime(), settings);
      expect((await first.run(id)).events).toBe(point + 1);
      const second = await open();
      const record = await play(second, id, new ScriptedRuntime(), settings);
      expect(record, `killed after event ${point}`).toMatchObject({ status: 'finished', digest: expected.digest });
      expect(await second.adapters(id)).toEqual(await whole.adapters(one));
      first.close();
      second.close();
    }
  }, 600_000);

  it('on a runtime that cannot repeat itself, keeps all that was stored and says what no longer counts', async () => {
    const settings = configOf(recipe);
    const length = (await played(settings, 1)).events.length;
    for (let point = 0; point < length - 1; point += 3) {
      const store = new MemoryRunStore();
      const { id } = await createRun(store, settings);
      await killedAt(point, store, id, new ScriptedRuntime(null, 'scripted', 1), settings);
      const before = await store.events(id);
      const again = new ScriptedRuntime(null, 'scripted', 2);
      const record = await play(store, id, again, settings);
      const events = await store.events(id);
      expect(events.slice(0, before.length)).toEqual(before);
      // Only an unfinished job is superseded, right behind what it had done.
      const job = unfinished(before);
      const superseded = events.flatMap((event, index) => (event.type === 'job-superseded' ? [{ event, index }] : []));
      expect(superseded.map(({ index }) => index)).toEqual(job === null ? [] : [before.length]);
      if (job !== null) expect(superseded[0]?.event).toMatchObject({ job, steps: stepsOf(before, job).length });
      for (const name of new Set(events.flatMap((event) => (event.type === 'training-step' ? [event.job] : []))))
        expect(stepsOf(standing(events), name)).toEqual(stepsOf(standing(events), name).map((_, step) => step));
      expect(await store.adapters(id)).toHaveLength(versionsOf(events).length);
      // The log alone gives the run again, and nothing is asked.
      await store.update(id, { status: 'stopped' });
      const third = new ScriptedRuntime(null, 'scripted', 3);
      expect((await play(store, id, third, settings)).digest).toBe(record.digest);
      expect([third.asked, third.begun]).toEqual([[], []]);
    }
  }, 60_000);
});

/** A whole run on a runtime that cannot repeat itself. */
async function played(settings: RunConfig, salt: number) {
  const store = new MemoryRunStore();
  const { id } = await createRun(store, settings);
  await play(store, id, new ScriptedRuntime(null, 'scripted', salt), settings);
  return { store, id, events: await store.events(id) };
}

const stepsOf = (events: readonly RunEvent[], job: string): number[] =>
  events.flatMap((event) => (event.type === 'training-step' && event.job === job ? [event.step] : []));

/** The job of a log's end that has steps, and not all of its adapters. */
function unfinished(events: readonly RunEvent[]): string | null {
  const last = events.findLast((event) => event.type === 'training-step');
  if (last?.type !== 'training-step') return null;
  const { job } = last;
  const wanted = events.filter((event) => event.type === 'dataset' && event.job === job).length;
  const done = events.filter((event) => event.type === 'adapter' && 'job' in event.from && event.from.job === job);
  return done.length < wanted ? job : null;
}

describe('a runtime that cannot repeat itself', () => {
  it('trains an unfinished job anew each time it is killed in it, and only the last steps count', async () => {
    const { events: whole } = await played(config, 1);
    const point = whole.findIndex((event) => event.type === 'training-step') + 1;
    const store = new MemoryRunStore();
    const { id } = await createRun(store, config);
    await killedAt(point, store, id, new ScriptedRuntime(null, 'scripted', 1));
    // The two steps, the event that takes them back, and two steps more.
    await killedAt(point + 3, store, id, new ScriptedRuntime(null, 'scripted', 2));
    await play(store, id, new ScriptedRuntime(null, 'scripted', 3));
    const events = await store.events(id);
    const tail = events.slice(point - 1, point + 7).map((event) => ('step' in event ? event.step : event.type));
    expect(tail).toEqual([0, 1, 'job-superseded', 0, 1, 'job-superseded', 0, 1]);
    const losses = (from: readonly RunEvent[]) => resultsOf(from).iterations[1]?.losses;
    expect(losses(events)).toEqual(losses(standing(events)));
    const first = events[point + 5];
    if (first?.type !== 'training-step') throw new Error('no step');
    expect(losses(events)?.[0]).toMatchObject({ adapter: 'generator-0', first: first.tracks[0]?.loss });
  });

  it('is asked only for the debate that is missing where a chunk was stored in part', async () => {
    const { events: whole } = await played(config, 1);
    // Second chunk of the training debates.
    const held = whole.flatMap((event, index) =>
      event.type === 'episode' && event.purpose === 'train' && event.iteration === 1 ? [{ event, index }] : [],
    );
    const [one, other] = [held[2], held[3]];
    if (!one || !other) throw new Error('no such debates');
    const store = new MemoryRunStore();
    const { id } = await createRun(store, config);
    const stopped = await play(store, id, new ScriptedRuntime(null, 'scripted', 1), config, (_, index, control) => {
      if (index === one.index) control.stop();
    });
    expect(stopped).toMatchObject({ status: 'stopped', events: one.index + 1 });
    const again = new ScriptedRuntime(null, 'scripted', 2);
    expect(await play(store, id, again)).toMatchObject({ status: 'finished' });
    const chunk = other.event.turns.length;
    const name = (problem: number, call: string) => `train/society/1/${problem}/${call}`;
    expect(again.asked.slice(0, chunk)).toEqual(other.event.turns.map(({ call }) => name(other.event.problem, call)));
    expect(again.asked.some((call) => call.startsWith(`train/society/1/${one.event.problem}/`))).toBe(false);
    expect((await store.events(id))[one.index]).toEqual(one.event);
  });
});

describe('a runtime that repeats itself', () => {
  it('refuses steps of an unfinished job that it cannot repeat, and logs in which a job was superseded', async () => {
    const repeating = new MemoryRunStore();
    const { id } = await createRun(repeating, config);
    await play(repeating, id, new ScriptedRuntime());
    const events = await repeating.events(id);
    const at = events.findIndex((event) => event.type === 'training-step');
    const changed = events.slice(0, at + 1).map((event): RunEvent => {
      if (event.type !== 'training-step') return event;
      return { ...event, tracks: event.tracks.map((track) => ({ ...track, loss: track.loss + 1 })) };
    });
    await expect(playStored(changed)).rejects.toThrow(/training-step event of iteration 1 came out differently/);

    const step = events[at];
    if (step?.type !== 'training-step') throw new Error('no step');
    const superseded = { type: 'job-superseded', iteration: 1, job: step.job, steps: 1 } as const;
    const log = [...events.slice(0, at + 1), superseded, ...events.slice(at, at + 1)];
    await expect(playStored(log)).rejects.toBeInstanceOf(LogMismatchError);
  });

  async function playStored(events: RunEvent[]): Promise<RunRecord> {
    const store = new MemoryRunStore();
    const created = await createRun(store, config);
    const record = { ...created, events: events.length, digest: digestOf(events) };
    await store.rewrite({ record, events, adapters: [], checkpoints: [] });
    return play(store, created.id, new ScriptedRuntime());
  }
});
