/**
 * Runs a recipe and keeps its log. The log is the run: every event goes into the store in order, each adapter beside the
 * event that announces it, and resuming is running the recipe again over the stored events (`RecordedRuntime` answers
 * from them) and going on where they end. Knows nothing of GPU, page or IndexedDB; the command line uses it as it is.
 */
import type { Engine } from '../../engine/types';
import type { JobSuperseded, RunEvent } from '../../events';
import { LogDigest } from '../../log/digest';
import type { RunConfig } from '../../recipes/config';
import { RecordedJudge, type HumanJudge } from '../../recipes/human';
import { runRecipe } from '../../recipes/run';
import type { Recipe } from '../../recipes/types';
import { RecordedRuntime } from '../../runtimes/recorded';
import type { Runtime } from '../../runtimes/types';
import { OldFormatError, StoredRunError, type StorageFullError } from '../../store/errors';
import { jobOf, type KeepAdapters } from '../../store/keep';
import { readLog, requireNewestFormat } from '../../store/readBack';
import type { Checkpoint, Repeated, RunRecord, RunStore, StoredAdapter, StoredProblems } from '../../store/types';
import type { Task } from '../../tasks/types';
import { RunControl, StoppedError } from './control';
import { EngineReplacedError } from '../errors';
import { newRunIdentity, type RunIdentity } from './names';
import { ProgressMeter } from '../progress/meter';
import { Retrace } from './retrace';
import { RunLog } from './runLog';
import type { Activity } from '../types';

/** A stored log is compared for so long before messages are heard again. */
const TURN_MILLISECONDS = 50;

export interface RunnerParts {
  recipe: Recipe;
  runtime: Runtime;
  task: Task;
  /** Where the runtime's adapters are, under the names the events use. */
  adapters: Pick<Engine, 'exportAdapter' | 'importAdapter'>;
  store: RunStore;
  /** Whom a recipe asks that asks a person. */
  human?: HumanJudge | undefined;
  control?: RunControl;
  /** Each event as it comes, first those that are replayed. `stored` = it was in the log already. */
  onEvent?: (event: RunEvent, index: number, stored: boolean) => void;
  /** The run's record after it changed in the store. */
  onRecord?: (record: RunRecord) => void;
  /** A pause took hold (true) or ended. */
  onHold?: (held: boolean) => void;
  /** The run waits (it is paused as well) because the disk is full; resuming tries again. */
  onStorageFull?: (error: StorageFullError) => void;
  /** The store had lost the run, and it was written again: what happened, in words. */
  onRewritten?: (message: string) => void;
  /** The file of problems that the run reads, for when the store has lost it. */
  problems?: StoredProblems | undefined;
}

/** Creates the record of a new run in the store; `run` then works on it. @param identity default: a new one, whose name no stored run has */
export async function createRun(
  store: RunStore,
  config: RunConfig,
  identity?: RunIdentity,
  keepAdapters?: KeepAdapters,
  repeats?: Repeated,
): Promise<RunRecord> {
  const named = identity ?? newRunIdentity(await takenNames(store));
  const record = { ...newRecord(config, named), ...(keepAdapters && { keepAdapters }), ...(repeats && { repeats }) };
  await store.create(record);
  return record;
}

/** Names of stored runs; none where they cannot be read, which is no reason not to begin another. */
async function takenNames(store: RunStore): Promise<string[]> {
  try {
    return (await store.runs()).map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The record of a run without events. */
export function newRecord(config: RunConfig, identity: RunIdentity): RunRecord {
  const now = Date.now();
  return {
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
}

/** One run at work. A runner is used once. */
export class Runner {
  readonly #parts: RunnerParts;
  readonly control: RunControl;
  #log: RunLog | null = null;
  #meter: ProgressMeter | null = null;
  #lastTurn = 0;

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
   * stays. After `EngineReplacedError` the record still says `running`: another runner goes on with it. A log of an older format is
   * refused with `OldFormatError`, and its record stays as it was.
   */
  async run(runId: string): Promise<RunRecord> {
    const { store, problems, onRecord, onStorageFull, onRewritten } = this.#parts;
    const parts = { store, control: this.control, problems, onRecord, onStorageFull, onRewritten };
    let stored: RunEvent[];
    let checkpoints: Checkpoint[];
    let log: RunLog;
    try {
      const record = await store.run(runId);
      const lines = await store.lines(runId);
      requireNewestFormat(record, lines[0]);
      stored = readLog(record, lines);
      checkpoints = await store.checkpoints(runId);
      log = new RunLog(parts, record, stored, checkpoints);
      this.#log = log;
      this.#meter = new ProgressMeter(record.config);
      await log.hold();
      await log.update({ status: 'running', error: null });
    } catch (error) {
      if (!(error instanceof OldFormatError)) await this.#failed(runId, error);
      throw error;
    }
    this.control.onHold = (held) => void this.#hold(log, held);
    try {
      await this.#follow(log, stored, checkpoints);
      await log.write(this.progress);
      await log.thin(true);
      return await log.update({ status: 'finished', progress: 1 });
    } catch (error) {
      return await this.#end(log, error);
    }
  }

  /** Stores what is pending, for when the page may be closed. A full disk is left to the run's own next write. */
  async flush(): Promise<void> {
    if (this.#log && this.#log.pending > 0 && !this.control.paused) await this.#log.write(this.progress);
  }

  async #follow(log: RunLog, stored: RunEvent[], checkpoints: readonly Checkpoint[]): Promise<void> {
    const { recipe, runtime, task, adapters, store, control } = { ...this.#parts, control: this.control };
    const { id, config, digest: last } = log.record;
    const restore = async (name: string, iteration: number, job: string) =>
      adapters.importAdapter(name, await store.adapter(id, { name, iteration, job }));
    const human = recipe.asksHuman?.(config) ? new RecordedJudge(stored, this.#parts.human) : undefined;
    const again: JobSuperseded[] = [];
    const superseded = (job: string, iteration: number, steps: number): void =>
      void again.push({ type: 'job-superseded', iteration, job, steps });
    const player = stored.length === 0 ? runtime : new RecordedRuntime(runtime, stored, restore, superseded);
    const tell = (event: RunEvent, at: number, old: boolean): void => this.#parts.onEvent?.(event, at, old);
    const passed = (event: RunEvent, at: number): void => {
      log.again(event);
      const expected = at + 1 === stored.length ? last : digestAt.get(at + 1);
      if (expected !== undefined && expected !== log.digest)
        throw new StoredRunError(`The stored log is damaged before event ${at + 1}: its digest differs.`);
    };
    const digestAt = new Map(checkpoints.map(({ events, digest }) => [events, digest]));
    const trace = new Retrace(stored, runtime.can.repeats, (event, at) => {
      passed(event, at);
      tell(event, at, true);
    });
    let iteration = 0;
    for await (const event of runRecipe(recipe, { runtime: player, task, config, human })) {
      for (const begun of again.splice(0)) {
        trace.supersede(begun);
        log.add(begun);
        tell(begun, trace.index++, false);
      }
      const ends = event.type === 'iteration-started' || event.type === 'run-finished';
      const old = trace.meets(event);
      if (old) {
        passed(event, trace.index);
      } else {
        if (ends && iteration > 0) {
          await log.write(this.progress, iteration);
          await log.thin(false);
        }
        log.add(event, await this.#announced(event));
      }
      if (event.type === 'iteration-started') iteration = event.iteration;
      if (event.type === 'run-started' && !old) await log.update({ engine: event.engine });
      this.#meter?.add(event);
      tell(event, trace.index++, old);
      if (log.due(event)) await log.write(this.progress);
      if (old) await this.#turn();
      if (event.type !== 'run-finished') await control.gate();
    }
    trace.end();
  }

  /** Replaying waits for nothing: without this a long log would keep out Stop and the heartbeat. */
  async #turn(): Promise<void> {
    const now = performance.now();
    if (now - this.#lastTurn < TURN_MILLISECONDS) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#lastTurn = performance.now();
  }

  async #announced(event: RunEvent): Promise<StoredAdapter | undefined> {
    if (event.type !== 'adapter') return undefined;
    const { adapter: name, iteration, from } = event;
    return { name, iteration, job: jobOf(from), weights: await this.#parts.adapters.exportAdapter(name) };
  }

  /** A pause took hold or ended: what is pending goes into the store, so that closing the tab loses nothing. */
  async #hold(log: RunLog, held: boolean): Promise<void> {
    this.#parts.onHold?.(held);
    try {
      if (held) await log.write(this.progress);
      // The write may have had to wait until after the pause.
      if (this.control.paused === held && !this.control.stopped)
        await log.update({ status: held ? 'paused' : 'running' });
    } catch {
      // The events are still pending; the run's own next write meets the same error and reports it.
    }
  }

  async #end(log: RunLog, error: unknown): Promise<RunRecord> {
    const stopped = this.control.stopped || error instanceof StoppedError;
    let reason = error;
    try {
      await log.write(this.progress);
      if (stopped) return await log.update({ status: 'stopped' });
    } catch (writeError) {
      if (stopped) reason = writeError;
    }
    // The run goes on from what is stored.
    if (reason instanceof EngineReplacedError) throw reason;
    await this.#failed(log.record.id, reason);
    throw reason;
  }

  /** Records why the run failed, and tells it where the store cannot keep it. */
  async #failed(runId: string, error: unknown): Promise<void> {
    const patch = { status: 'failed', error: error instanceof Error ? error.message : String(error) } as const;
    const log = this.#log;
    try {
      const record = await this.#parts.store.update(runId, patch);
      this.#parts.onRecord?.(record);
    } catch {
      if (log) this.#parts.onRecord?.({ ...log.record, ...patch });
    }
  }
}
