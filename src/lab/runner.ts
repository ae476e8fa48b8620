/**
 * Runs a recipe and keeps its log. The log is the run: every event goes into the store in order, each adapter beside the
 * event that announces it, and resuming is running the recipe again over the stored events (`ReplayingSociety` answers
 * from them) and going on where they end. Knows nothing of GPU, page or IndexedDB; the command line uses it as it is.
 */
import type { Engine } from '../engine/types';
import type { RunEvent } from '../events';
import { canonicalJson } from '../log/canonical';
import { LogDigest } from '../log/digest';
import type { ExperimentConfig } from '../recipes/config';
import { ReplayingSociety } from '../recipes/replay';
import type { Recipe, Society } from '../recipes/types';
import { StorageFullError, StoredRunError } from '../store/errors';
import type { Checkpoint, RunRecord, RunStore, StoredAdapter } from '../store/types';
import type { Task } from '../tasks/types';
import { RunControl, StoppedError } from './control';
import { LogMismatchError } from './errors';
import { newRunIdentity } from './names';
import { ProgressMeter } from './progress';
import type { Activity } from './types';

/** Unstored events at which the log is written, and the longest they wait. */
const BATCH_EVENTS = 64;
const BATCH_MILLISECONDS = 1_000;

export interface RunnerParts {
  recipe: Recipe;
  society: Society;
  task: Task;
  /** Where the society's adapters are, under the names the events use. */
  adapters: Pick<Engine, 'exportAdapter' | 'importAdapter'>;
  store: RunStore;
  control?: RunControl;
  /** Each event as it comes, first those that are replayed. `stored` = it was in the log already. */
  onEvent?: (event: RunEvent, index: number, stored: boolean) => void;
  /** The run's record after it changed in the store. */
  onRecord?: (record: RunRecord) => void;
  /** A pause took hold (true) or ended. */
  onHold?: (held: boolean) => void;
  /** The run waits (it is paused as well) because the disk is full; resuming tries again. */
  onStorageFull?: (error: StorageFullError) => void;
}

/** Creates the record of a new run in the store; `run` then works on it. */
export async function createRun(
  store: RunStore,
  config: ExperimentConfig,
  identity = newRunIdentity(),
): Promise<RunRecord> {
  const now = Date.now();
  const record: RunRecord = {
    schema: 1,
    ...identity,
    created: now,
    updated: now,
    config,
    status: 'running',
    error: null,
    progress: 0,
    events: 0,
    digest: new LogDigest().hex,
    engine: '',
  };
  await store.create(record);
  return record;
}

/** One run at work. A runner is used once. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly control: RunControl;
  readonly #digest = new LogDigest();
  #runId = '';
  #meter: ProgressMeter | null = null;
  /** Events whose index is below this are in the store. */
  #storedEvents = 0;
  #pending: RunEvent[] = [];
  #pendingAdapters: StoredAdapter[] = [];
  #lastWrite = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.control = parts.control ?? new RunControl();
  }

  /** Share of the work done, 0..1. */
  get progress(): number {
    return this.#meter?.progress ?? 0;
  }

  get activity(): Activity | null {
    return this.#meter?.activity ?? null;
  }

  /**
   * Works on a stored run until it is finished or stopped, from its first event or from wherever its log ends. Resolves
   * with the record: `finished`, or `stopped` after `control.stop()`. Rejects with the error that ended it otherwise
   * (`LogMismatchError` when the stored log cannot be reproduced); the record says `failed` and why, and what was stored
   * stays.
   */
  async run(runId: string): Promise<RunRecord> {
    const { store } = this.#parts;
    this.#runId = runId;
    const record = await store.run(runId);
    const stored = await store.events(runId);
    if (stored.length !== record.events)
      throw new StoredRunError(
        `Run ${record.name} should have ${record.events} events but ${stored.length} are stored.`,
      );
    this.#meter = new ProgressMeter(record.config);
    this.#storedEvents = stored.length;
    await this.#update({ status: 'running', error: null });
    this.control.onHold = (held) => void this.#hold(held);
    try {
      await this.#follow(record.config, stored, await store.checkpoints(runId));
      await this.#write();
      return await this.#update({ status: 'finished', progress: 1 });
    } catch (error) {
      return await this.#end(error);
    }
  }

  /** Stores what is pending, for when the page may be closed. A full disk is left to the run's own next write. */
  async flush(): Promise<void> {
    if (this.#pending.length > 0 && !this.control.paused) await this.#write();
  }

  async #follow(config: ExperimentConfig, stored: RunEvent[], checkpoints: Checkpoint[]): Promise<void> {
    const { recipe, task, adapters, store, control } = { ...this.#parts, control: this.control };
    const society =
      stored.length === 0
        ? this.#parts.society
        : new ReplayingSociety(this.#parts.society, stored, async (name, iteration) =>
            adapters.importAdapter(name, await store.adapter(this.#runId, name, iteration)),
          );
    const digestAt = new Map(checkpoints.map((checkpoint) => [checkpoint.events, checkpoint.digest]));
    let iteration = 0;
    let index = 0;
    this.#lastWrite = Date.now();
    for await (const event of recipe(society, task, config)) {
      const ends = event.type === 'iteration-started' || event.type === 'run-finished';
      const old = stored[index];
      if (old) {
        compare(old, event, index);
        this.#digest.add(event);
        const expected = digestAt.get(index + 1);
        if (expected !== undefined && expected !== this.#digest.hex)
          throw new StoredRunError(`The stored log is damaged before event ${index + 1}: its digest differs.`);
      } else {
        if (ends && iteration > 0) await this.#write(iteration);
        if (event.type === 'adapter-updated') {
          const weights = await adapters.exportAdapter(event.adapter);
          this.#pendingAdapters.push({ name: event.adapter, iteration: event.iteration, weights });
        }
        this.#digest.add(event);
        this.#pending.push(event);
      }
      if (event.type === 'iteration-started') iteration = event.iteration;
      if (event.type === 'run-started' && !old) await this.#update({ engine: event.engine });
      this.#meter?.add(event);
      this.#parts.onEvent?.(event, index, old !== undefined);
      index++;
      if (this.#shouldWrite(event)) await this.#write();
      if (event.type !== 'run-finished') await control.gate();
    }
    if (index < stored.length)
      throw new LogMismatchError(index, 'end', `the run now ends after ${index} of ${stored.length} stored events`);
  }

  #shouldWrite(event: RunEvent): boolean {
    if (this.#pending.length === 0) return false;
    return (
      this.#pending.length >= BATCH_EVENTS ||
      Date.now() - this.#lastWrite >= BATCH_MILLISECONDS ||
      event.type === 'adapter-updated' ||
      event.type === 'evaluation'
    );
  }

  /** Stores what is pending; with an iteration, also marks its end as a checkpoint. One write at a time. */
  #write(checkpointOf?: number): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#writeNow(checkpointOf));
    return this.#writing;
  }

  async #writeNow(checkpointOf?: number): Promise<void> {
    const names = checkpointOf === undefined ? [] : await this.#adapterNames(checkpointOf);
    const events = this.#pending;
    const adapters = this.#pendingAdapters;
    if (events.length === 0 && checkpointOf === undefined) return;
    const from = this.#storedEvents;
    const digest = this.#digest.hex;
    const end = from + events.length;
    const checkpoint =
      checkpointOf === undefined ? undefined : { iteration: checkpointOf, events: end, digest, adapters: names };
    this.#pending = [];
    this.#pendingAdapters = [];
    for (;;) {
      try {
        const batch = { from, events, digest, progress: this.progress, adapters, checkpoint };
        const record = await this.#parts.store.append(this.#runId, batch);
        this.#storedEvents = record.events;
        this.#lastWrite = Date.now();
        this.#parts.onRecord?.(record);
        return;
      } catch (error) {
        if (!(error instanceof StorageFullError) || this.control.stopped) {
          this.#pending = [...events, ...this.#pending];
          this.#pendingAdapters = [...adapters, ...this.#pendingAdapters];
          throw error;
        }
        this.#parts.onStorageFull?.(error);
        this.control.pause();
        await this.control.gate();
      }
    }
  }

  async #adapterNames(iteration: number): Promise<string[]> {
    const stored = await this.#parts.store.adapters(this.#runId);
    const names = [...stored, ...this.#pendingAdapters].filter((adapter) => adapter.iteration === iteration);
    return [...new Set(names.map((adapter) => adapter.name))].sort();
  }

  /** A pause took hold or ended: what is pending goes into the store, so that closing the tab loses nothing. */
  async #hold(held: boolean): Promise<void> {
    this.#parts.onHold?.(held);
    try {
      if (held) await this.#write();
      // The write may have had to wait until after the pause.
      if (this.control.paused === held && !this.control.stopped)
        await this.#update({ status: held ? 'paused' : 'running' });
    } catch {
      // The events are still pending; the run's own next write meets the same error and reports it.
    }
  }

  async #end(error: unknown): Promise<RunRecord> {
    const stopped = this.control.stopped || error instanceof StoppedError;
    try {
      await this.#write();
    } catch (writeError) {
      if (stopped) error = writeError;
    }
    if (stopped && !(error instanceof StorageFullError)) return this.#update({ status: 'stopped' });
    const message = error instanceof Error ? error.message : String(error);
    await this.#update({ status: 'failed', error: message }).catch(() => {});
    throw error;
  }

  async #update(patch: Parameters<RunStore['update']>[1]): Promise<RunRecord> {
    const record = await this.#parts.store.update(this.#runId, patch);
    this.#parts.onRecord?.(record);
    return record;
  }
}

/** Throws `LogMismatchError`, naming the first field that differs, unless the two events are the same. */
function compare(stored: RunEvent, again: RunEvent, index: number): void {
  if (canonicalJson(stored) === canonicalJson(again)) return;
  if (stored.type !== again.type)
    throw new LogMismatchError(index, 'type', `it was ${stored.type} and is now ${again.type}`);
  const field = Object.keys({ ...stored, ...again }).find((key) => differs(stored, again, key)) ?? 'type';
  if (stored.type === 'run-started' && again.type === 'run-started') {
    if (field === 'engine')
      throw new LogMismatchError(
        index,
        field,
        `it was begun on "${stored.engine}" and this is "${again.engine}", which need not compute the same bit for bit; ` +
          'resume it where it was begun, or start a new run with its settings',
      );
    if (field === 'model')
      throw new LogMismatchError(index, field, `the weights of the model ${again.model.name} have changed`);
  }
  const where = 'iteration' in stored ? ` of iteration ${stored.iteration}` : '';
  throw new LogMismatchError(index, field, `the ${stored.type} event${where} came out differently this time`);
}

function differs(a: RunEvent, b: RunEvent, key: string): boolean {
  const value = (event: RunEvent) => canonicalJson((event as unknown as Record<string, unknown>)[key] ?? null);
  return value(a) !== value(b);
}
