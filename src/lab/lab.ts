/**
 * The lab worker's side of `LabApi`: one experiment at a time, on the engine worker's device, with its log in the store.
 */
import type { Remote } from 'comlink';
import { planModel } from '../engine/plan';
import type { MemoryPlan } from '../engine/types';
import { folderAddress } from '../models/address';
import type { ModelFolder } from '../models/folder';
import { addFolder } from '../models/source';
import type { ExperimentConfig } from '../recipes/config';
import { RECIPES } from '../recipes';
import { checkConfig } from '../recipes/resolve';
import { ModelSociety } from '../recipes/modelSociety';
import type { Question } from '../recipes/types';
import { bundleRun } from '../store/bundle';
import type { ProblemsEntry, RunRecord, RunStore } from '../store/types';
import type { Task } from '../tasks/types';
import { controlled, RunControl } from './control';
import { SpeedMeter } from './cost';
import type { EngineHostApi } from './engineHost';
import { LabBusyError, LabStateError } from './errors';
import { checkModel, openParts, type ModelParts, type ModelSources } from './model';
import { Neighbours } from './neighbours';
import { Outbox } from './outbox';
import { pacedSociety } from './pacing';
import { keepProblems, readKeptProblems, readyTask, requireProblems } from './problems';
import { RemainingTime } from './progress';
import { connectEngineHost, RemoteEngine, watchEngine } from './remoteEngine';
import { createRun, Runner } from './runner';
import { runScore } from './score';
import { described, societyLimits, trainingSize } from './setup';
import { debateActivity, Showing } from './showing';
import type {
  Activity,
  DeviceSpeed,
  EngineChoice,
  EngineSummary,
  LabApi,
  LabState,
  LabStatus,
  LoopPhase,
  ModelCheck,
  ModelCheckRequest,
  PartialDebate,
  ProblemsSummary,
  StepUnit,
  StoredRuns,
} from './types';

/** What the lab needs of its surroundings. */
export interface LabParts extends ModelSources {
  openStore(): Promise<RunStore>;
  /** null where the platform has none: then only this worker's own runs are guarded. */
  locks: LockManager | null;
  /** To the labs of other tabs (`LAB_CHANNEL`); null where there are none. */
  channel: BroadcastChannel | null;
}

/** The experiment at work. */
interface Work {
  record: RunRecord;
  control: RunControl;
  state: LabState;
  runner: Runner | null;
  activity: Activity | null;
  showing: Showing;
  time: RemainingTime;
  done: Promise<void>;
}

export class Lab implements LabApi {
  readonly #parts: LabParts;
  readonly #neighbours: Neighbours;
  #store: Promise<RunStore> | null = null;
  #host: Remote<EngineHostApi> | null = null;
  #outbox: Outbox | null = null;
  #base = '';
  #engine: EngineSummary | null = null;
  #work: Work | null = null;
  #pace = 0;
  readonly #speeds = new SpeedMeter();

  constructor(parts: LabParts) {
    this.#parts = parts;
    this.#neighbours = new Neighbours({
      locks: parts.locks,
      channel: parts.channel,
      present: () =>
        this.#work
          ? [
              { type: 'run', run: this.#work.record },
              { type: 'status', status: this.#status(this.#work) },
            ]
          : [],
      hear: (message) => this.#outbox?.pass(message),
    });
  }

  async connect(engine: MessagePort, messages: MessagePort, base: string): Promise<void> {
    this.#host = connectEngineHost(engine);
    this.#outbox = new Outbox((batch, own) => {
      messages.postMessage(batch);
      if (own) this.#neighbours.tell(batch);
    });
    this.#base = base;
    watchEngine(this.#host, (notice) =>
      this.#outbox?.now({ type: 'notice', runId: this.#work?.record.id ?? null, notice }),
    );
  }

  async probe(): Promise<EngineSummary> {
    const { host } = this.#connected();
    return (this.#engine ??= await host.probe());
  }

  async measure(config: ExperimentConfig, choice: EngineChoice): Promise<DeviceSpeed> {
    const { host } = this.#connected();
    if (this.#work) throw new LabBusyError('The speed of this device cannot be measured while a run is at work.');
    const store = await this.#openStore();
    return this.#speeds.measure(config, choice, async () => {
      const parts = await openParts(this.#parts, this.#base, config, await readyTask(store, config));
      return this.#loadModel(host, config, choice, parts);
    });
  }

  async start(config: ExperimentConfig, engine: EngineChoice): Promise<RunRecord> {
    const checked = checkConfig(config);
    return this.#begin(engine, async (store) => {
      await requireProblems(store, checked);
      return createRun(store, checked);
    });
  }

  async resume(runId: string, engine: EngineChoice): Promise<RunRecord> {
    if (this.#work?.record.id === runId && this.#work.control.paused) {
      this.#work.control.resume();
      return this.#work.record;
    }
    return this.#begin(engine, async (store) => {
      const record = await store.run(runId);
      if (record.status === 'finished') throw new LabStateError(`The run ${record.name} is finished.`);
      checkConfig(record.config);
      await requireProblems(store, record.config);
      return record;
    });
  }

  async pause(): Promise<void> {
    const work = this.#work;
    if (!work || work.control.paused) return;
    work.control.pause();
    if (work.state === 'running' || work.state === 'replaying') this.#setState(work, 'pausing');
  }

  async step(unit: StepUnit): Promise<void> {
    this.#work?.control.step(unit);
  }

  async setPace(milliseconds: number): Promise<void> {
    this.#pace = milliseconds;
    this.#work?.control.setPace(milliseconds);
  }

  async stop(): Promise<void> {
    const work = this.#work;
    if (!work) return;
    this.#setState(work, 'stopping');
    work.control.stop();
    await work.done;
  }

  async runs(): Promise<StoredRuns> {
    const store = await this.#openStore();
    const runs = await store.runs();
    const unfinished = runs.filter((run) => run.status === 'running' || run.status === 'paused');
    const own = this.#work?.record.id;
    const busy = unfinished.length > 0 && !this.#work && (await this.#neighbours.busyElsewhere());
    const elsewhere = busy ? unfinished.reduce((a, b) => (b.updated > a.updated ? b : a)).id : null;
    const abandoned = busy ? [] : unfinished.filter((run) => run.id !== own);
    const scores: StoredRuns['scores'] = {};
    for (const { id } of runs) {
      const score = runScore(await store.evaluations(id));
      if (score) scores[id] = score;
    }
    return { runs, interrupted: abandoned.map((run) => run.id), elsewhere, scores };
  }

  async run(runId: string): Promise<RunRecord> {
    return (await this.#openStore()).run(runId);
  }

  async lines(runId: string, from: number, to: number): Promise<string[]> {
    return (await this.#openStore()).lines(runId, from, to);
  }

  async rename(runId: string, name: string): Promise<RunRecord> {
    const wanted = name.trim().slice(0, 80);
    if (wanted === '') throw new LabStateError('A run needs a name.');
    const run = await (await this.#openStore()).update(runId, { name: wanted });
    if (this.#work?.record.id === runId) this.#work.record = run;
    this.#outbox?.now({ type: 'run', run });
    return run;
  }

  async flush(): Promise<void> {
    await this.#work?.runner?.flush();
  }

  async delete(runId: string): Promise<void> {
    if (this.#work?.record.id === runId) throw new LabBusyError('This run is at work. Stop it before deleting it.');
    await (await this.#openStore()).delete(runId);
    this.#outbox?.now({ type: 'deleted', runId });
  }

  async keepProblems(
    task: string,
    name: string,
    bytes: Uint8Array,
    expected?: { name: string; sha256: string },
  ): Promise<ProblemsSummary> {
    return keepProblems(await this.#openStore(), task, name, bytes, expected);
  }

  async readProblems(task: string, sha256: string): Promise<ProblemsSummary> {
    return readKeptProblems(await this.#openStore(), task, sha256);
  }

  async problemFiles(): Promise<ProblemsEntry[]> {
    return (await this.#openStore()).problemFiles();
  }

  async deleteProblems(sha256: string): Promise<void> {
    const reading = this.#work?.record;
    if (reading?.config.data?.sha256 === sha256)
      throw new LabBusyError(`The run ${reading.name} is at work with this file. Stop it before deleting the file.`);
    await (await this.#openStore()).deleteProblems(sha256);
  }

  async plan(config: ExperimentConfig): Promise<MemoryPlan> {
    const checked = checkConfig(config);
    const ready = await readyTask(await this.#openStore(), checked);
    const { model, options } = await openParts(this.#parts, this.#base, checked, ready);
    return planModel(model, options, checked.iterations > 0 ? trainingSize(checked) : undefined);
  }

  async checkModel(request: ModelCheckRequest, port: MessagePort): Promise<ModelCheck> {
    const { host } = this.#connected();
    if (this.#work) throw new LabBusyError(`The run ${this.#work.record.name} is at work. Stop it first.`);
    await this.#speeds.abandon();
    try {
      return await checkModel(this.#parts, this.#base, host, request, (progress) => port.postMessage(progress));
    } finally {
      port.close();
    }
  }

  async addFolder(folder: ModelFolder): Promise<string> {
    const { host } = this.#connected();
    const address = folderAddress(folder.name);
    const record = this.#work?.record;
    if (record?.config.model === address) {
      throw new LabBusyError(`The run ${record.name} is at work with a folder of this name. Stop it first.`);
    }
    await host.addFolder(folder);
    return addFolder(folder);
  }

  async bundle(runId: string): Promise<Uint8Array> {
    return bundleRun(await this.#openStore(), runId);
  }

  /** Takes the lock, finds or makes the run, and sets to work without waiting for the end. */
  async #begin(engine: EngineChoice, find: (store: RunStore) => Promise<RunRecord>): Promise<RunRecord> {
    this.#connected();
    if (this.#work) throw new LabBusyError(`The run ${this.#work.record.name} is at work. Stop it first.`);
    const release = await this.#neighbours.take();
    let record: RunRecord;
    try {
      if (this.#work) throw new LabBusyError('Another run was just started.');
      record = await find(await this.#openStore());
    } catch (error) {
      release();
      throw error;
    }
    const work: Work = {
      record,
      control: new RunControl(),
      state: 'loading',
      runner: null,
      activity: { kind: 'preparing', what: 'Loading the model' },
      showing: new Showing(record.config.agents),
      time: new RemainingTime(),
      done: Promise.resolve(),
    };
    work.control.setPace(this.#pace);
    this.#work = work;
    this.#outbox?.now({ type: 'run', run: record });
    this.#tell(work);
    work.done = this.#carryOut(work, engine).finally(release);
    return record;
  }

  async #carryOut(work: Work, choice: EngineChoice): Promise<void> {
    const { outbox } = this.#connected();
    try {
      await this.#runRecipe(work, choice);
    } catch (error) {
      outbox.now({ type: 'error', runId: work.record.id, ...described(error) });
      // The engine may be what failed (a lost device): the next run gets a new one.
      await this.#host?.close().catch(() => {});
    } finally {
      this.#work = null;
      outbox.status({
        state: 'idle',
        runId: work.record.id,
        activity: null,
        progress: work.record.progress,
        secondsLeft: null,
        engine: this.#engine,
      });
      outbox.flush();
    }
  }

  async #runRecipe(work: Work, choice: EngineChoice): Promise<void> {
    const { record, control } = work;
    const { config } = record;
    const { host, outbox } = this.#connected();
    const store = await this.#openStore();
    let remote: RemoteEngine;
    let parts: ModelParts;
    let task: Task;
    try {
      const ready = await readyTask(store, config);
      task = ready.task;
      await this.#speeds.abandon();
      parts = await openParts(this.#parts, this.#base, config, ready);
      remote = await this.#loadModel(host, config, choice, parts, (bytes) => {
        work.activity = { kind: 'preparing', what: 'Loading the model', bytes };
        this.#tell(work);
      });
    } catch (error) {
      await this.#recordFailure(work, store, error);
      throw error;
    }
    const { tokenizer, options } = parts;
    const engine = controlled(remote, control);
    const model = new ModelSociety({
      engine,
      tokenizer,
      model: { name: config.model, hash: remote.modelHash },
      config,
      ...societyLimits(config, options),
      onText: (question, text) => this.#sampled(work, question, text),
    });
    const society = pacedSociety(model, control, (phase, first) => this.#enter(work, phase, first));
    const runner = new Runner({
      recipe: RECIPES[config.recipe].run,
      society,
      task,
      adapters: engine,
      store,
      control,
      onEvent: (event, index, stored) => {
        const beats = work.showing.passed(event);
        if (!stored) {
          outbox.event(record.id, index, event);
          control.beat(beats);
          if (event.type === 'iteration-started') control.ended('iteration');
        }
        this.#advance(work, stored);
      },
      onRecord: (changed) => {
        work.record = changed;
        outbox.now({ type: 'run', run: changed });
      },
      onStorageFull: (error) => outbox.now({ type: 'error', runId: record.id, ...described(error) }),
      onHold: (held) => {
        work.time.hold(Date.now(), held);
        this.#setState(work, held ? 'paused' : 'running');
      },
    });
    work.runner = runner;
    this.#setState(work, record.events > 0 ? 'replaying' : 'running');
    await runner.run(record.id);
  }

  async #loadModel(
    host: Remote<EngineHostApi>,
    config: ExperimentConfig,
    choice: EngineChoice,
    { address, options }: ModelParts,
    onBytes: (bytes: { done: number; total: number }) => void = () => {},
  ): Promise<RemoteEngine> {
    const setup = { model: address, choice, options };
    const remote = await RemoteEngine.open(host, setup, (bytes) =>
      onBytes({ done: bytes.doneBytes, total: bytes.totalBytes }),
    );
    // The page shows one problem's debate; the first of each batch of questions.
    remote.watchRows = config.agents;
    this.#engine = { kind: remote.info.kind, device: remote.info.device, fallbackReason: remote.fallbackReason };
    return remote;
  }

  async #recordFailure(work: Work, store: RunStore, error: unknown): Promise<void> {
    const patch = { status: 'failed' as const, error: described(error).message };
    work.record = await store.update(work.record.id, patch);
    this.#outbox?.now({ type: 'run', run: work.record });
  }

  /** An event came: the work goes on. */
  #advance(work: Work, stored: boolean): void {
    const { runner } = work;
    if (!runner) return;
    if (!stored && work.state === 'replaying') work.state = 'running';
    if (!stored) work.time.startOnce(Date.now(), runner.progress);
    work.activity = runner.activity;
    this.#tell(work);
  }

  /** A part of the loop begins. Returns how many beats it deserves. */
  #enter(work: Work, phase: LoopPhase, first: Question | null): number {
    const { showing } = work;
    const before = showing.partial;
    const beats = showing.enter(phase, first);
    if (showing.partial && showing.partial !== before) this.#showRound(work, showing.partial);
    else this.#tell(work);
    return beats;
  }

  /** A response on show has grown. */
  #sampled(work: Work, question: Question, text: string): void {
    const begun = work.showing.sampled(question, text);
    const { partial } = work.showing;
    if (!partial) return;
    if (begun) this.#showRound(work, partial);
    else this.#outbox?.partial(work.record.id, partial);
  }

  #showRound(work: Work, partial: PartialDebate): void {
    if (work.state === 'replaying') work.state = 'running';
    work.activity = debateActivity(partial, work.activity, work.record.config);
    this.#tell(work);
    this.#outbox?.partial(work.record.id, partial);
  }

  #setState(work: Work, state: LabState): void {
    // Once stopping, nothing else is to be said until the end.
    if (work.state !== 'stopping') work.state = state;
    this.#tell(work);
  }

  #tell(work: Work): void {
    this.#outbox?.status(this.#status(work));
  }

  #status(work: Work): LabStatus {
    const progress = work.runner?.progress ?? work.record.progress;
    return {
      state: work.state,
      runId: work.record.id,
      activity: work.activity,
      progress,
      secondsLeft: work.state === 'running' ? work.time.secondsLeft(Date.now(), progress) : null,
      engine: this.#engine,
      phase: work.state === 'replaying' ? null : work.showing.phase,
    };
  }

  #connected(): { host: Remote<EngineHostApi>; outbox: Outbox } {
    if (!this.#host || !this.#outbox) throw new LabStateError('The lab has not been connected to an engine.');
    return { host: this.#host, outbox: this.#outbox };
  }

  #openStore(): Promise<RunStore> {
    this.#store ??= this.#parts.openStore().catch((error) => {
      this.#store = null;
      throw error;
    });
    return this.#store;
  }
}
