/** The page's end of the lab: starts the workers, sends commands, and keeps what they report as state. */
import { transfer, wrap, type Remote } from 'comlink';
import type { EngineChoice, EngineSummary, LabApi, LabMessage, LabStatus } from '../lab/types';
import type { ExperimentConfig } from '../recipes/config';
import type { RunRecord } from '../store/types';
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
  status = $state.raw<LabStatus>(IDLE);
  engine = $state.raw<EngineSummary | null>(null);
  runs = $state.raw<RunRecord[]>([]);
  /** Ids of runs that were at work when their tab was closed. */
  interrupted = $state.raw<string[]>([]);
  /** The run on show: the one at work, or a stored one. */
  shown = $state.raw<RunView | null>(null);
  error = $state.raw<string | null>(null);
  /** Whether the browser promised to keep the stored runs; null before it was asked. */
  persisted = $state.raw<boolean | null>(null);

  /** The run at work; it goes on when another one is on show. */
  #working: RunView | null = null;
  /** Messages of a run whose start has not been answered yet. */
  #early: LabMessage[] = [];
  /** Fields, not locals: Comlink 4.4 drops calls in flight when their proxy is garbage-collected (its issue 692). */
  readonly #lab: Remote<LabApi>;
  readonly #workers: Worker[];
  readonly #ready: Promise<void>;

  constructor() {
    const { engine, lab } = startWorkers();
    this.#workers = [engine, lab];
    for (const worker of this.#workers)
      worker.onerror = (event) =>
        this.#fail(event.message || 'A part of the lab could not be loaded. Reload the page.');
    this.#lab = wrap<LabApi>(lab);
    this.#ready = this.#connect(engine);
  }

  /** Something is at work or paused. */
  get busy(): boolean {
    return this.status.state !== 'idle';
  }

  start(config: ExperimentConfig, engine: EngineChoice): Promise<void> {
    return this.#attempt(async () => {
      await this.#keepStorage();
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
      const { run, events } = await this.#lab.open(runId);
      const view = new RunView(run, events);
      await this.#lab.resume(runId, engine);
      this.#follow(view);
    });
  }

  pause(): Promise<void> {
    return this.#attempt(() => this.#lab.pause());
  }

  stop(): Promise<void> {
    return this.#attempt(() => this.#lab.stop());
  }

  open(runId: string): Promise<void> {
    return this.#attempt(async () => {
      if (this.#working?.record.id === runId) this.shown = this.#working;
      else {
        const { run, events } = await this.#lab.open(runId);
        this.shown = new RunView(run, events);
      }
    });
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
    const { runs, interrupted } = await this.#lab.runs();
    this.runs = runs;
    this.interrupted = interrupted;
  }

  /** Asks the browser not to clear the stored runs when space gets scarce. */
  async #keepStorage(): Promise<void> {
    this.persisted = (await navigator.storage?.persist?.().catch(() => false)) ?? false;
  }

  #follow(view: RunView): void {
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
      case 'run':
        this.#putRecord(message.run);
        break;
      case 'deleted':
        this.runs = this.runs.filter((run) => run.id !== message.runId);
        this.interrupted = this.interrupted.filter((id) => id !== message.runId);
        if (this.shown?.record.id === message.runId) this.shown = null;
        break;
      case 'error':
        this.#fail(new Error(message.message));
        break;
      case 'events':
      case 'partial':
        if (this.#working?.record.id !== message.runId) this.#early.push(message);
        else if (message.type === 'partial') this.#working.sampling(message.partial);
        else this.#working.append(message.from, message.events);
    }
  }

  #putRecord(record: RunRecord): void {
    const known = this.runs.some((run) => run.id === record.id);
    this.runs = known ? this.runs.map((run) => (run.id === record.id ? record : run)) : [record, ...this.runs];
    if (this.#working?.record.id === record.id) this.#working.record = record;
    if (this.shown?.record.id === record.id) this.shown.record = record;
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
