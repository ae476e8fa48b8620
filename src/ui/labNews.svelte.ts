/** What the page knows of its lab: the messages that came, as state. */
import type { EngineSummary, LabApi, LabMessage, LabStatus, StoredRuns } from '../lab/types';
import type { RunRecord } from '../store/types';
import { sinceKnown } from './format';
import { RunReader } from './runReader';
import type { RunView } from './runView.svelte';
import { RunViews } from './runViews.svelte';

const IDLE: LabStatus = {
  state: 'idle',
  runId: null,
  activity: null,
  progress: 0,
  secondsLeft: null,
  engine: null,
};

/** What is asked of the lab beside its messages; over Comlink. */
type Source = {
  [name in 'run' | 'lines' | 'runs']: (...args: Parameters<LabApi[name]>) => ReturnType<LabApi[name]>;
};

export class LabNews {
  /** Of this tab's lab; it points at no run while another tab is at work. */
  status = $state.raw<LabStatus>(IDLE);
  /** What another tab of this browser is at work on; this one watches. */
  elsewhere = $state.raw<LabStatus | null>(null);
  engine = $state.raw<EngineSummary | null>(null);
  runs = $state.raw<RunRecord[]>([]);
  /** The stored runs have been read. */
  listed = $state(false);
  scores = $state.raw<StoredRuns['scores']>({});
  /** Ids of runs that were at work when their tab was closed. */
  interrupted = $state.raw<string[]>([]);
  /** What is wrong with the logs of runs that cannot go on, by id. */
  damaged = $state.raw<StoredRuns['damaged']>({});
  error = $state.raw<string | null>(null);
  /** What happened to the device last that did no harm, in words. */
  notice = $state.raw<string | null>(null);
  readonly views: RunViews;

  readonly #source: Source;
  /** Runs of other tabs that were seen to end. */
  #endings = 0;
  /** An evaluation has come since the scores were read. */
  #scoresAreOld = false;
  /** Counts what was asked of the list and what changed in it. */
  #count = 0;
  /** When messages changed or deleted a run last, by id. */
  readonly #changed: Record<string, number> = {};
  /** The question whose answer is the list on show. */
  #answered = 0;
  /** Messages of a run whose start has not been answered yet. */
  #early: LabMessage[] = [];

  constructor(source: Source) {
    this.#source = source;
    this.views = new RunViews(new RunReader(source));
  }

  /** Run that was just started or resumed on this page, until somebody has looked. */
  #fresh: string | null = null;

  /** Was this run just started here? True once. */
  fresh(runId: string): boolean {
    const is = this.#fresh === runId;
    if (is) this.#fresh = null;
    return is;
  }

  /** Something is at work or paused, in this tab or in another one. */
  get busy(): boolean {
    return this.status.state !== 'idle' || this.elsewhere !== null;
  }

  /** The run on show: the one at work, or a stored one. */
  get shown(): RunView | null {
    return this.views.shown;
  }

  /** Share of the log that is read of the run being opened, 0..1; null when none is. */
  get opening(): number | null {
    return this.views.opening;
  }

  /** Id of a run that was asked for and is not on show yet. */
  get awaited(): string | null {
    return this.views.awaited;
  }

  /** A run whose curves lie faintly under those of the run on show. */
  get pinned(): RunView | null {
    return this.views.pinned;
  }

  /** Runs on show beside each other. */
  get compared(): RunView[] {
    return this.views.compared;
  }

  /** Is this run at work (or paused) in this tab? */
  atWork(runId: string): boolean {
    return this.status.state !== 'idle' && this.status.runId === runId;
  }

  /** Is this run at work in another tab? */
  watching(runId: string): boolean {
    return this.elsewhere?.runId === runId;
  }

  /** What is wrong with a run's stored log, as the list or its opening found it; null: nothing that is known. */
  damageOf(runId: string): string | null {
    return this.damaged[runId] ?? this.views.damageOf(runId);
  }

  /** Takes the run off show; at work it goes on. */
  leave(): void {
    this.views.leave();
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

  /** Reads the list of runs. What messages said of a run in the meantime is newer than the list: a run may have ended. */
  async refresh(): Promise<void> {
    const endings = this.#endings;
    const asked = ++this.#count;
    const { runs, interrupted, damaged, elsewhere, scores } = await this.#source.runs();
    if (asked < this.#answered) return;
    this.#answered = asked;
    const newer = ({ id }: { id: string }): boolean => (this.#changed[id] ?? 0) > asked;
    this.runs = [
      ...this.runs.filter((run) => newer(run) && !runs.some(({ id }) => id === run.id)),
      ...runs.flatMap((run) => (newer(run) ? this.runs.filter(({ id }) => id === run.id) : [run])),
    ];
    this.listed = true;
    this.interrupted = interrupted.filter((id) => !newer({ id }));
    this.damaged = damaged;
    this.scores = scores;
    // Until the other tab answers; a frozen one does not.
    if (elsewhere && !this.elsewhere && endings === this.#endings)
      this.#yield({ ...IDLE, state: 'running', runId: elsewhere });
  }

  /** A run was started or goes on here: it is put on show. */
  follow(view: RunView): void {
    this.#fresh = view.record.id;
    this.views.follow(view);
    this.interrupted = this.interrupted.filter((id) => id !== view.record.id);
    const early = this.#early;
    this.#early = [];
    early.forEach((message) => this.hear(message));
  }

  hear(message: LabMessage): void {
    switch (message.type) {
      case 'status':
        this.status = message.status;
        if (message.status.engine) this.engine = sinceKnown(this.engine, message.status.engine);
        break;
      case 'elsewhere':
        if (message.status) this.#yield(message.status);
        else {
          this.elsewhere = null;
          this.#endings++;
          this.refresh().catch((error) => this.fail(error));
        }
        break;
      case 'run':
        this.putRecord(message.run);
        if (this.#scoresAreOld) {
          this.#scoresAreOld = false;
          this.refresh().catch((error) => this.fail(error));
        }
        break;
      case 'deleted':
        this.#remove(message.runId);
        break;
      case 'notice':
        this.notice = message.notice.message;
        break;
      case 'error':
        this.fail(new Error(message.message));
        break;
      case 'events':
        if (message.events.some(({ type }) => type === 'evaluation')) this.#scoresAreOld = true;
        this.#append(message);
        break;
      case 'partial':
        this.#append(message);
    }
  }

  putRecord(record: RunRecord): void {
    this.#changed[record.id] = ++this.#count;
    const known = this.runs.some((run) => run.id === record.id);
    this.runs = known ? this.runs.map((run) => (run.id === record.id ? record : run)) : [record, ...this.runs];
    for (const view of this.views.update(record)) void this.#watch(view, record);
  }

  fail(error: unknown): void {
    this.error = error instanceof Error ? error.message : String(error);
  }

  /** Another tab is at work: this one watches. */
  #yield(status: LabStatus): void {
    this.elsewhere = status;
    this.interrupted = this.interrupted.filter((id) => id !== status.runId);
    this.views.letGo();
    if (this.status.runId !== null) this.status = { ...IDLE, engine: this.status.engine };
  }

  /** Of the run at work. */
  #append(message: Extract<LabMessage, { type: 'events' | 'partial' }>): void {
    const { working } = this.views;
    if (working?.record.id !== message.runId) this.#early.push(message);
    else if (message.type === 'partial') working.partial = message.partial;
    else working.append(message.from, message.events);
  }

  async #watch(view: RunView, record: RunRecord): Promise<void> {
    const before = view.evaluations;
    try {
      await this.views.readOn(view, record);
    } catch (error) {
      this.fail(error);
    }
    if (view.evaluations !== before) this.#scoresAreOld = true;
  }

  #remove(runId: string): void {
    this.#changed[runId] = ++this.#count;
    this.runs = this.runs.filter((run) => run.id !== runId);
    this.interrupted = this.interrupted.filter((id) => id !== runId);
    this.views.remove(runId);
  }
}
