/**
 * The lab worker's side of `LabApi`: one experiment at a time, on the engine worker's device, with its log in the store.
 */
import { folderAddress } from '../models/address';
import type { ModelFolder } from '../models/folder';
import type { ChunkStore } from '../models/store';
import type { EpisodeKey } from '../events';
import type { RunConfig } from '../recipes/config';
import type { Shown } from '../recipes/human';
import { checkConfig } from '../recipes/resolve';
import type { KeepAdapters } from '../store/keep';
import { requireNewestFormat } from '../store/readBack';
import type { Repeated, RunRecord, RunStore } from '../store/types';
import { NO_PULSE, type Pulse } from '../supervision';
import { EngineLink, type EngineEnd } from './host/engineLink';
import { EndpointNotAllowedError, EngineGoneError, EngineReplacedError, LabBusyError, LabStateError } from './errors';
import { LabModels } from './setup/loadedModels';
import type { ModelSources } from './setup/parts';
import { otherMemory } from './setup/otherMemory';
import { Neighbours } from './run/neighbours';
import { Outbox } from './run/outbox';
import { readyTask, requireProblems } from './setup/problems';
import { createRun } from './run/runner';
import { described, resumedOn } from './setup/engineOptions';
import { checkStored, requireModel } from './stored/checkRun';
import type { VoiceOpeners } from './setup/voices';
import { importRun } from './stored/import';
import { repeatedRun } from './stored/repeated';
import { StoredLab } from './stored/storedLab';
import type {
  CheckReport,
  CheckRequest,
  DeviceSpeed,
  EngineChoice,
  EngineSummary,
  ImportedRun,
  LabApi,
  LabMessage,
  ModelCheck,
  ModelCheckRequest,
  RunMemory,
  StepUnit,
} from './types';
import { Work, type WorkParts } from './run/work';

/** What the lab needs of its surroundings. */
export interface LabParts extends ModelSources {
  openStore(): Promise<RunStore>;
  /** null where the platform has none: then only this worker's own runs are guarded. */
  locks: LockManager | null;
  /** To the labs of other tabs (`LAB_CHANNEL`); null where there are none. */
  channel: BroadcastChannel | null;
  /** Is told of all that gets done. */
  pulse?: Pulse;
  /** How runtimes beside the engine are opened; absent = there are none. @param base the page's address */
  voices?: (base: string) => Omit<VoiceOpeners, 'keyOf'>;
  /** Where models of other runtimes are kept. */
  openChunks?(): Promise<ChunkStore>;
}

export class Lab extends StoredLab implements LabApi {
  readonly #parts: LabParts;
  readonly #neighbours: Neighbours;
  #link: EngineLink | null = null;
  #models: LabModels | null = null;
  #outbox: Outbox | null = null;
  #work: Work | null = null;
  #pace = 0;
  /** Name of the run that is being checked. */
  #checking: string | null = null;
  #base = '';
  /** Keys of the servers that may be asked, by origin. They leave this memory in requests to the server alone. */
  readonly #keys = new Map<string, string | null>();

  constructor(parts: LabParts) {
    super(parts.openStore);
    this.#parts = parts;
    this.#neighbours = new Neighbours({
      locks: parts.locks,
      channel: parts.channel,
      present: () =>
        this.#work
          ? [
              { type: 'run', run: this.#work.record },
              { type: 'status', status: this.#work.status },
            ]
          : [],
      hear: (message) => this.#outbox?.pass(message),
    });
  }

  protected get atWork(): RunRecord | null {
    return this.#work?.record ?? null;
  }

  protected tell(message: LabMessage): void {
    if (message.type === 'run' && this.#work?.record.id === message.run.id) this.#work.record = message.run;
    this.#outbox?.now(message);
  }

  protected busyElsewhere(): Promise<boolean> {
    return this.#neighbours.busyElsewhere();
  }

  async connect(engine: MessagePort, messages: MessagePort, base: string): Promise<void> {
    this.#link = new EngineLink(engine, (notice) => {
      this.#outbox?.now({ type: 'notice', runId: this.#work?.record.id ?? null, notice });
    });
    this.#models = new LabModels(this.#parts, this.#link, base);
    this.#base = base;
    this.#outbox = new Outbox((batch, own) => {
      messages.postMessage(batch);
      if (own) this.#neighbours.tell(batch);
    });
  }

  async replaceEngine(engine: MessagePort | null, end: EngineEnd): Promise<void> {
    this.#link?.replace(engine, end);
  }

  async abandon(runId: string, status: 'stopped' | 'failed', reason: string | null): Promise<void> {
    if (this.#work?.record.id === runId) throw new LabBusyError('This run is at work.');
    const run = await (await this.openStore()).update(runId, { status, error: reason });
    this.#outbox?.now({ type: 'run', run });
  }

  async probe(): Promise<EngineSummary> {
    return this.#connected().models.probe();
  }

  async measure(config: RunConfig, choice: EngineChoice): Promise<DeviceSpeed> {
    const { models } = this.#connected();
    if (this.#work) throw new LabBusyError('The speed of this device cannot be measured while a run is at work.');
    const store = await this.openStore();
    return models.measure(config, choice, () => readyTask(store, config));
  }

  async start(config: RunConfig, engine: EngineChoice, keep?: KeepAdapters, repeats?: Repeated): Promise<RunRecord> {
    const checked = checkConfig(config);
    return this.#begin(engine, async (store) => {
      await requireProblems(store, checked);
      return createRun(store, checked, undefined, keep, repeats);
    });
  }

  async runAgain(runId: string, engine: EngineChoice): Promise<RunRecord> {
    this.#requireIdle();
    const store = await this.openStore();
    const record = await store.run(runId);
    requireNewestFormat(record, (await store.lines(runId, 0, 1))[0]);
    const repeats = await repeatedRun(store, record);
    return this.start(record.config, resumedOn(record.engine, engine), record.keepAdapters, repeats);
  }

  async resume(runId: string, engine: EngineChoice): Promise<RunRecord> {
    if (this.#work?.record.id === runId && this.#work.control.paused) {
      this.#work.control.resume();
      return this.#work.record;
    }
    return this.#begin(engine, async (store) => {
      const record = await store.run(runId);
      if (record.status === 'finished') throw new LabStateError(`The run ${record.name} is finished.`);
      requireNewestFormat(record, (await store.lines(runId, 0, 1))[0]);
      checkConfig(record.config);
      await requireProblems(store, record.config);
      return record;
    });
  }

  async pause(): Promise<void> {
    this.#work?.pause();
  }

  async step(unit: StepUnit): Promise<void> {
    this.#work?.control.step(unit);
  }

  async setPace(milliseconds: number): Promise<void> {
    this.#pace = milliseconds;
    this.#work?.control.setPace(milliseconds);
  }

  async pick(at: EpisodeKey, shown: Shown): Promise<void> {
    this.#work?.pick(at, shown);
  }

  async stop(): Promise<void> {
    const work = this.#work;
    work?.stop();
    await work?.done;
  }

  async flush(): Promise<void> {
    await this.#work?.flush();
  }

  async importRun(file: string, bytes: Uint8Array): Promise<ImportedRun> {
    const { models } = this.#connected();
    const imported = await importRun(await this.openStore(), file, bytes, (config) => models.configOf(config));
    this.tell({ type: 'run', run: imported.run });
    return imported;
  }

  async plan(config: RunConfig): Promise<RunMemory> {
    const checked = checkConfig(config);
    const ready = await readyTask(await this.openStore(), checked);
    const plan = await this.#connected().models.plan(checked, ready);
    const others = await otherMemory(checked, this.#parts, this.#base);
    return others.length > 0 ? { ...plan, others } : plan;
  }

  async checkModel(request: ModelCheckRequest, port: MessagePort): Promise<ModelCheck> {
    const { models } = this.#connected();
    this.#requireIdle();
    try {
      return await models.check(request, (progress) => port.postMessage(progress));
    } finally {
      port.close();
    }
  }

  async checkRun(request: CheckRequest, port: MessagePort): Promise<CheckReport> {
    const { models } = this.#connected();
    this.#requireIdle();
    const store = await this.openStore();
    const record = await store.run(request.runId);
    this.#checking = record.name;
    try {
      const pulse = this.#parts.pulse ?? NO_PULSE;
      const report = await checkStored(store, record, request, models, (progress) => port.postMessage(progress), pulse);
      const checked = { mode: report.mode, holds: report.holds, at: Date.now() };
      this.tell({ type: 'run', run: await store.update(record.id, { checked }) });
      return report;
    } finally {
      this.#checking = null;
      port.close();
    }
  }

  async addFolder(folder: ModelFolder): Promise<string> {
    const { models } = this.#connected();
    const address = folderAddress(folder.name);
    const record = this.#work?.record;
    if (record?.config.model === address) {
      throw new LabBusyError(`The run ${record.name} is at work with a folder of this name. Stop it first.`);
    }
    return models.addFolder(folder);
  }

  async allowEndpoint(origin: string, key: string | null): Promise<void> {
    this.#keys.set(new URL(origin).origin, key);
  }

  /** Takes the lock, finds or makes the run, and sets to work without waiting for the end. */
  async #begin(engine: EngineChoice, find: (store: RunStore) => Promise<RunRecord>): Promise<RunRecord> {
    const { models, outbox } = this.#connected();
    this.#requireIdle();
    const release = await this.#neighbours.take();
    let record: RunRecord;
    try {
      if (this.#work) throw new LabBusyError('Another run was just started.');
      record = await find(await this.openStore());
    } catch (error) {
      release();
      throw error;
    }
    const work = new Work(record, outbox, () => models.engine, this.#parts.pulse ?? NO_PULSE);
    work.control.setPace(this.#pace);
    this.#work = work;
    outbox.now({ type: 'run', run: record });
    work.tell();
    work.done = this.#carryOut(work, resumedOn(record.engine, engine)).finally(release);
    return record;
  }

  async #carryOut(work: Work, choice: EngineChoice): Promise<void> {
    const { models, outbox } = this.#connected();
    try {
      await this.#persist(work, choice);
    } catch (error) {
      const gone = error instanceof EngineGoneError || error instanceof EngineReplacedError;
      if (gone && work.control.stopped) work.recorded(await this.settle(work.record, { status: 'stopped' }));
      else {
        work.recorded(await this.settle(work.record, { status: 'failed', error: described(error).message }));
        outbox.now({ type: 'error', runId: work.record.id, ...described(error) });
      }
      // The engine may be what failed (a lost device): the next run gets a new one.
      await models.close().catch(() => {});
    } finally {
      this.#work = null;
      work.end();
      outbox.status({
        state: 'idle',
        runId: work.record.id,
        activity: null,
        progress: work.record.progress,
        secondsLeft: null,
        engine: models.engine,
      });
      outbox.flush();
    }
  }

  /** Goes on, from where the log ends, whenever the engine was replaced. */
  async #persist(work: Work, choice: EngineChoice): Promise<void> {
    for (;;) {
      try {
        return await this.#runRecipe(work, choice);
      } catch (error) {
        if (!(error instanceof EngineReplacedError) || work.control.stopped) throw error;
        work.restart();
      }
    }
  }

  async #runRecipe(work: Work, choice: EngineChoice): Promise<void> {
    const store = await this.openStore();
    await work.play(await this.#prepare(work, choice, store));
  }

  async #prepare(work: Work, choice: EngineChoice, store: RunStore): Promise<WorkParts> {
    const { config } = work.record;
    const ready = await readyTask(store, config);
    const opened = await this.#connected().models.open(config, choice, ready, (bytes) => work.loading(bytes));
    const wanted = work.record.repeats?.modelHash ?? null;
    if (wanted !== null) requireModel({ model: { name: config.model, hash: wanted } }, opened.engine.modelHash);
    const voices = { ...this.#parts.voices?.(this.#base), keyOf: (origin: string) => this.#keyOf(origin) };
    return { store, task: ready.task, problems: ready.problems, ...opened, voices };
  }

  /** @throws EndpointNotAllowedError */
  #keyOf(origin: string): string | null {
    const key = this.#keys.get(origin);
    if (key === undefined) throw new EndpointNotAllowedError(origin);
    return key;
  }

  /** @throws LabBusyError */
  #requireIdle(): void {
    if (this.#work) throw new LabBusyError(`The run ${this.#work.record.name} is at work. Stop it first.`);
    if (this.#checking !== null)
      throw new LabBusyError(`The run ${this.#checking} is being checked. Wait until that is done.`);
  }

  #connected(): { models: LabModels; outbox: Outbox } {
    if (!this.#models || !this.#outbox) throw new LabStateError('The lab has not been connected to an engine.');
    return { models: this.#models, outbox: this.#outbox };
  }
}
