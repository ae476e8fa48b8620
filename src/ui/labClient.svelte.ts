/** The page's end of the lab: starts the workers, sends commands, and keeps what they report as state. */
import { transfer, wrap, type Remote } from 'comlink';
import type {
  DeviceSpeed,
  EngineChoice,
  EngineSummary,
  LabApi,
  LabMessage,
  LabStatus,
  ModelCheck,
  ModelCheckRequest,
  ProblemsSummary,
  StepUnit,
  StoredRuns,
} from '../lab/types';
import type { MemoryPlan } from '../engine/types';
import type { LoadProgress } from '../lab/engineHost';
import type { ModelFolder } from '../models/folder';
import type { ExperimentConfig } from '../recipes/config';
import type { ProblemsEntry, RunRecord } from '../store/types';
import { prepareTask, RunReader } from './runReader';
import { RunView } from './runView.svelte';
import { pageFolder, startWorkers } from './workers';

const IDLE: LabStatus = {
  state: 'idle',
  runId: null,
  activity: null,
  progress: 0,
  secondsLeft: null,
  engine: null,
};

export class LabClient {
  /** Of this tab's lab; it points at no run while another tab is at work. */
  status = $state.raw<LabStatus>(IDLE);
  /** What another tab of this browser is at work on; this one watches. */
  elsewhere = $state.raw<LabStatus | null>(null);
  engine = $state.raw<EngineSummary | null>(null);
  runs = $state.raw<RunRecord[]>([]);
  scores = $state.raw<StoredRuns['scores']>({});
  /** Ids of runs that were at work when their tab was closed. */
  interrupted = $state.raw<string[]>([]);
  /** The run on show: the one at work, or a stored one. */
  shown = $state.raw<RunView | null>(null);
  /** Share of the log that is read of the run being opened, 0..1; null when none is. */
  opening = $state.raw<number | null>(null);
  /** A run whose curves lie faintly under those of the run on show. */
  pinned = $state.raw<RunView | null>(null);
  /** Runs on show beside each other. */
  compared = $state.raw<RunView[]>([]);
  error = $state.raw<string | null>(null);
  /** What happened to the device last that did no harm, in words. */
  notice = $state.raw<string | null>(null);
  /** Whether the browser promised to keep the stored runs; null before it was asked. */
  persisted = $state.raw<boolean | null>(null);

  /** The run at work; it goes on when another one is on show. */
  #working: RunView | null = null;
  /** Counts what was put on show, so that a slow opening does not replace a later one. */
  #turn = 0;
  /** Runs of other tabs that were seen to end. */
  #endings = 0;
  /** An evaluation has come since the scores were read. */
  #scoresAreOld = false;
  /** Messages of a run whose start has not been answered yet. */
  #early: LabMessage[] = [];
  /** Fields, not locals: Comlink 4.4 drops calls in flight when their proxy is garbage-collected (its issue 692). */
  readonly #lab: Remote<LabApi>;
  readonly #reader: RunReader;
  readonly #workers: Worker[];
  readonly #ready: Promise<void>;

  constructor() {
    const { engine, lab } = startWorkers();
    this.#workers = [engine, lab];
    for (const worker of this.#workers)
      worker.onerror = (event) =>
        this.#fail(event.message || 'A part of the lab could not be loaded. Reload the page.');
    this.#lab = wrap<LabApi>(lab);
    this.#reader = new RunReader({
      run: (id) => this.#lab.run(id),
      lines: (id, from, to) => this.#lab.lines(id, from, to),
    });
    this.#ready = this.#connect(engine);
  }

  /** Something is at work or paused, in this tab or in another one. */
  get busy(): boolean {
    return this.status.state !== 'idle' || this.elsewhere !== null;
  }

  /** Is this run at work (or paused) in this tab? */
  atWork(runId: string): boolean {
    return this.status.state !== 'idle' && this.status.runId === runId;
  }

  /** Is this run at work in another tab? */
  watching(runId: string): boolean {
    return this.elsewhere?.runId === runId;
  }

  start(config: ExperimentConfig, engine: EngineChoice): Promise<void> {
    return this.#attempt(async () => {
      await this.#keepStorage();
      await prepareTask(config);
      const record = await this.#lab.start(config, engine);
      this.#follow(new RunView(record));
    });
  }

  /** Goes on with a paused run, or one that was interrupted, stopped or failed. */
  resume(runId: string, engine: EngineChoice): Promise<void> {
    return this.#attempt(async () => {
      if (this.#working?.record.id === runId) {
        await this.#lab.resume(runId, engine);
        return;
      }
      await this.#keepStorage();
      const view = await this.#view(runId);
      await this.#lab.resume(runId, engine);
      this.#follow(view);
    });
  }

  pause(): Promise<void> {
    return this.#attempt(() => this.#lab.pause());
  }

  /** This device's speed with the configuration's model. Rejects with a reason for people. */
  async measure(config: ExperimentConfig, engine: EngineChoice): Promise<DeviceSpeed> {
    await this.#ready;
    return this.#lab.measure(config, engine);
  }

  /** Reads a file of problems with a task and keeps it in this browser. Rejects with what is wrong, and in which line. */
  async keepProblems(
    task: string,
    name: string,
    bytes: Uint8Array,
    expected?: { name: string; sha256: string },
  ): Promise<ProblemsSummary> {
    await this.#ready;
    return this.#lab.keepProblems(task, name, transfer(bytes, [bytes.buffer]), expected);
  }

  /** Reads a kept file again. Rejects as `keepProblems`. */
  async readProblems(task: string, sha256: string): Promise<ProblemsSummary> {
    await this.#ready;
    return this.#lab.readProblems(task, sha256);
  }

  /** Files of problems in this browser, newest first. */
  async problemFiles(): Promise<ProblemsEntry[]> {
    await this.#ready;
    return this.#lab.problemFiles();
  }

  deleteProblems(sha256: string): Promise<void> {
    return this.#attempt(() => this.#lab.deleteProblems(sha256));
  }

  /** Goes on until the next unit is done, and holds there. */
  step(unit: StepUnit): Promise<void> {
    return this.#attempt(() => this.#lab.step(unit));
  }

  /** Milliseconds that each part of the loop stays on show; 0 = full speed. */
  setPace(milliseconds: number): Promise<void> {
    return this.#attempt(() => this.#lab.setPace(milliseconds));
  }

  stop(): Promise<void> {
    return this.#attempt(() => this.#lab.stop());
  }

  /** Puts a run on show; a stored log is read in slices and drawn as far as it is read. */
  open(runId: string): Promise<void> {
    return this.#attempt(async () => {
      const turn = ++this.#turn;
      await this.#view(runId, (view) => {
        // Another run was opened meanwhile: this one is read for whoever asked for it.
        if (turn !== this.#turn) return;
        this.shown = view;
        this.opening = view.length < view.record.events ? view.length / view.record.events : null;
      }).finally(() => {
        if (turn === this.#turn) this.opening = null;
      });
    });
  }

  /** Lays a run under the one on show; null takes it away. */
  pin(runId: string | null): Promise<void> {
    return this.#attempt(async () => {
      this.pinned = runId === null ? null : await this.#view(runId);
    });
  }

  /** Puts runs beside each other, in this order. */
  compare(runIds: readonly string[]): Promise<void> {
    return this.#attempt(async () => {
      const views: RunView[] = [];
      for (const id of runIds) views.push(await this.#view(id));
      this.compared = views;
    });
  }

  /** Bytes that a run takes on a device. Rejects with a reason for people. */
  async plan(config: ExperimentConfig): Promise<MemoryPlan> {
    await this.#ready;
    return this.#lab.plan(config);
  }

  /** Loads a model and says how it does on this device. Rejects with a reason for people. */
  async checkModel(request: ModelCheckRequest, onProgress: (progress: LoadProgress) => void): Promise<ModelCheck> {
    await this.#ready;
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = (event: MessageEvent<LoadProgress>) => onProgress(event.data);
    try {
      return await this.#lab.checkModel(request, transfer(port2, [port2]));
    } finally {
      port.close();
    }
  }

  /** Makes a folder that the visitor chose usable in this visit; resolves with its address. Rejects with a reason for people. */
  async addFolder(folder: ModelFolder): Promise<string> {
    await this.#ready;
    return this.#lab.addFolder(folder);
  }

  rename(runId: string, name: string): Promise<void> {
    return this.#attempt(async () => this.#putRecord(await this.#lab.rename(runId, name)));
  }

  /** The page may be closed or frozen: what is not stored yet is. */
  async flush(): Promise<void> {
    // A failure is reported by the run's own next write.
    if (this.status.state !== 'idle') await this.#lab.flush().catch(() => {});
  }

  delete(runId: string): Promise<void> {
    return this.#attempt(() => this.#lab.delete(runId));
  }

  /** Offers the run's zip as a download. */
  download(run: RunRecord): Promise<void> {
    return this.#attempt(async () => {
      const bytes = await this.#lab.bundle(run.id);
      const address = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/zip' }));
      const link = document.createElement('a');
      link.href = address;
      link.download = `polylogue-${run.name.replaceAll(' ', '-')}.zip`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    });
  }

  dismissError(): void {
    this.error = null;
  }

  dismissNotice(): void {
    this.notice = null;
  }

  dismissInterrupted(): void {
    this.interrupted = [];
  }

  async #connect(engine: Worker): Promise<void> {
    const calls = new MessageChannel();
    const messages = new MessageChannel();
    engine.postMessage({ connect: calls.port1 }, [calls.port1]);
    messages.port1.onmessage = (event: MessageEvent<LabMessage[]>) =>
      event.data.forEach((message) => this.#hear(message));
    try {
      await this.#lab.connect(
        transfer(calls.port2, [calls.port2]),
        transfer(messages.port2, [messages.port2]),
        pageFolder(),
      );
      await this.#refresh();
      this.engine = await this.#lab.probe();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #refresh(): Promise<void> {
    const endings = this.#endings;
    const { runs, interrupted, elsewhere, scores } = await this.#lab.runs();
    this.runs = runs;
    this.interrupted = interrupted;
    this.scores = scores;
    // Until the other tab answers; a frozen one does not.
    if (elsewhere && !this.elsewhere && endings === this.#endings)
      this.#yield({ ...IDLE, state: 'running', runId: elsewhere });
  }

  /** Another tab is at work: this one watches. */
  #yield(status: LabStatus): void {
    this.elsewhere = status;
    this.interrupted = this.interrupted.filter((id) => id !== status.runId);
    this.#working = null;
    if (this.status.runId !== null) this.status = { ...IDLE, engine: this.status.engine };
  }

  /** A view of a run: one that is on show somewhere, or a new one. */
  async #view(runId: string, onRead: (view: RunView) => void = () => {}): Promise<RunView> {
    const known = [this.#working, this.shown, this.pinned, ...this.compared].find((view) => view?.record.id === runId);
    if (!known) return this.#reader.open(runId, onRead);
    if (known !== this.#working) await this.#reader.readOn(known, known.record, onRead);
    onRead(known);
    return known;
  }

  /** Asks the browser not to clear the stored runs when space gets scarce. */
  async #keepStorage(): Promise<void> {
    this.persisted = (await navigator.storage?.persist?.().catch(() => false)) ?? false;
  }

  #follow(view: RunView): void {
    this.#turn++;
    this.opening = null;
    this.#working = view;
    this.shown = view;
    this.interrupted = this.interrupted.filter((id) => id !== view.record.id);
    const early = this.#early;
    this.#early = [];
    early.forEach((message) => this.#hear(message));
  }

  #hear(message: LabMessage): void {
    switch (message.type) {
      case 'status':
        this.status = message.status;
        if (message.status.engine) this.engine = message.status.engine;
        break;
      case 'elsewhere':
        if (message.status) this.#yield(message.status);
        else {
          this.elsewhere = null;
          this.#endings++;
          this.#refresh().catch((error) => this.#fail(error));
        }
        break;
      case 'run':
        this.#putRecord(message.run);
        if (this.#scoresAreOld) {
          this.#scoresAreOld = false;
          this.#refresh().catch((error) => this.#fail(error));
        }
        break;
      case 'deleted':
        this.#remove(message.runId);
        break;
      case 'notice':
        this.notice = message.notice.message;
        break;
      case 'error':
        this.#fail(new Error(message.message));
        break;
      case 'events':
      case 'partial':
        if (message.type === 'events' && message.events.some(({ type }) => type === 'evaluation'))
          this.#scoresAreOld = true;
        if (this.#working?.record.id !== message.runId) this.#early.push(message);
        else if (message.type === 'partial') this.#working.partial = message.partial;
        else this.#working.append(message.from, message.events);
    }
  }

  #putRecord(record: RunRecord): void {
    const known = this.runs.some((run) => run.id === record.id);
    this.runs = known ? this.runs.map((run) => (run.id === record.id ? record : run)) : [record, ...this.runs];
    const views = [this.#working, this.shown, this.pinned, ...this.compared];
    for (const [i, view] of views.entries()) {
      if (view?.record.id !== record.id || views.indexOf(view) < i) continue;
      view.record = record;
      // The work of another tab arrives through the store.
      if (view !== this.#working && view.length < record.events) void this.#watch(view, record);
    }
  }

  async #watch(view: RunView, record: RunRecord): Promise<void> {
    const before = view.evaluations;
    try {
      await this.#reader.readOn(view, record);
    } catch (error) {
      this.#fail(error);
    }
    if (view.evaluations !== before) this.#scoresAreOld = true;
  }

  #remove(runId: string): void {
    this.runs = this.runs.filter((run) => run.id !== runId);
    this.interrupted = this.interrupted.filter((id) => id !== runId);
    this.compared = this.compared.filter((view) => view.record.id !== runId);
    if (this.shown?.record.id === runId) this.shown = null;
    if (this.pinned?.record.id === runId) this.pinned = null;
    if (this.#working?.record.id === runId) this.#working = null;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    this.error = null;
    try {
      await this.#ready;
      await work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.error = error instanceof Error ? error.message : String(error);
  }
}
