/** The experiment at work: the recipe is played on the engine, and whoever watches is told how far it is. */
import { recipeNamed } from '../../recipes';
import type { EpisodeKey } from '../../events';
import type { Shown } from '../../recipes/human';
import type { Moment, Recipe } from '../../recipes/types';
import type { Question } from '../../runtimes/types';
import type { RunRecord, RunStore, StoredProblems } from '../../store/types';
import type { Pulse } from '../../supervision';
import type { Task } from '../../tasks/types';
import { controlled, RunControl } from './control';
import { Picking } from './picking';
import type { LoadProgress } from '../host/engineHost';
import { runtimeFor, type ModelParts } from '../setup/parts';
import type { Outbox } from './outbox';
import { seatedRuntimes } from '../../recipes/seats';
import { closeVoices, openVoices, seatedOn, type VoiceOpeners, type Voices } from '../setup/voices';
import { pacedRuntime } from './pacing';
import { RemainingTime } from '../progress/meter';
import type { RemoteEngine } from '../host/remoteEngine';
import { Runner } from './runner';
import { described } from '../setup/engineOptions';
import { debateActivity, Showing } from '../progress/showing';
import type { Activity, EngineSummary, LabState, LabStatus, PartialDebate } from '../types';

/** What a run is played with. */
export interface WorkParts {
  store: RunStore;
  task: Task;
  /** The file of problems that the run reads. */
  problems?: StoredProblems | undefined;
  model: ModelParts;
  engine: RemoteEngine;
  /** How runtimes beside the engine are opened. */
  voices: VoiceOpeners;
}

export class Work {
  record: RunRecord;
  readonly control = new RunControl();
  readonly #picking = new Picking(this.control.signal, (asking) => this.#waits(asking));
  /** Resolves when nothing is left to do, however it ended. */
  done: Promise<void> = Promise.resolve();
  readonly #outbox: Outbox;
  readonly #engine: () => EngineSummary | null;
  readonly #pulse: Pulse;
  readonly #recipe: Recipe;
  #showing: Showing;
  #time = new RemainingTime();
  /** Ends the time in which something is expected to get done. */
  #rest: () => void;
  #state: LabState = 'loading';
  #activity: Activity | null = { kind: 'preparing', what: 'Loading the model' };
  #runner: Runner | null = null;

  /** @param engine the one in use, for people; @param pulse hears of all that gets done */
  constructor(record: RunRecord, outbox: Outbox, engine: () => EngineSummary | null, pulse: Pulse) {
    this.record = record;
    this.#outbox = outbox;
    this.#engine = engine;
    this.#pulse = pulse;
    this.#rest = pulse.begin();
    this.#recipe = recipeNamed(record.config.recipe);
    this.#showing = new Showing(this.#recipe.stages(record.config));
  }

  get status(): LabStatus {
    const progress = this.#runner?.progress ?? this.record.progress;
    const running = this.#state === 'running';
    return {
      state: this.#state,
      runId: this.record.id,
      activity: this.#activity,
      progress,
      secondsLeft: running ? this.#time.secondsLeft(Date.now(), progress) : null,
      secondsRange: running ? this.#time.range(Date.now(), progress) : null,
      engine: this.#engine(),
      phase: this.#state === 'replaying' ? null : this.#showing.phase,
      asking: this.#picking.pair,
    };
  }

  tell(): void {
    this.#pulse.worked();
    this.#outbox.status(this.status);
  }

  /** The record has changed in the store. */
  recorded(record: RunRecord): void {
    this.record = record;
    this.#outbox.now({ type: 'run', run: record });
  }

  /** The model's files are being read. */
  loading(bytes: LoadProgress): void {
    this.#activity = { kind: 'preparing', what: 'Loading the model', bytes };
    this.tell();
  }

  pause(): void {
    if (this.control.paused) return;
    this.control.pause();
    if (this.#state === 'running' || this.#state === 'replaying') this.#setState('pausing');
  }

  /** A person's pick of the pair on show. */
  pick(at: EpisodeKey, shown: Shown): void {
    this.#picking.answer(at, shown);
  }

  stop(): void {
    this.#setState('stopping');
    this.control.stop();
  }

  /** The engine was replaced: everything begins again, except what is in the log. */
  restart(): void {
    this.#runner = null;
    this.#showing = new Showing(this.#recipe.stages(this.record.config));
    this.#time = new RemainingTime();
    this.#activity = { kind: 'preparing', what: 'Loading the model' };
    this.#setState('loading');
  }

  /** Nothing is left to do. */
  end(): void {
    this.#rest();
  }

  /** Stores what is not stored yet. */
  async flush(): Promise<void> {
    await this.#runner?.flush();
  }

  /** Plays the recipe from where the stored log ends. @throws what the runner throws */
  async play({ voices: openers, ...parts }: WorkParts): Promise<void> {
    const { control, record } = this;
    if (seatedRuntimes(record.config).length > 0) {
      this.#activity = { kind: 'preparing', what: 'Opening the other runtimes' };
      this.tell();
    }
    const voices = await openVoices(openers, record.config, {
      signal: control.signal,
      onText: (question, text) => this.#sampled(question, text),
      onProgress: () => this.#pulse.worked(),
      onDownload: (name, { phase, doneBytes, totalBytes, secondsLeft }) => {
        const what = phase === 'verify' ? `Checking the files of ${name}` : `Downloading the files of ${name}`;
        this.#activity = { kind: 'preparing', what, bytes: { doneBytes, totalBytes, secondsLeft } };
        this.tell();
      },
    });
    try {
      await this.#play(parts, voices);
    } finally {
      await closeVoices(voices);
    }
  }

  async #play(
    { store, task, problems, model, engine: remote }: Omit<WorkParts, 'voices'>,
    voices: Voices,
  ): Promise<void> {
    const { control, record } = this;
    const { config } = record;
    const engine = controlled(remote, control);
    const { tokenizer, options } = model;
    const own = runtimeFor(
      config,
      { engine, tokenizer, hash: remote.modelHash, secondHash: remote.secondHash, options },
      { onText: (question, text) => this.#sampled(question, text) },
    );
    const runtime = seatedOn(own, config, voices);
    const runner = new Runner({
      recipe: this.#recipe,
      runtime: pacedRuntime(
        runtime,
        control,
        (moment, questions) => this.#enter(moment, questions),
        (questions, answers) =>
          this.#showing.answered(
            questions,
            answers.map(({ text }) => text),
          ),
      ),
      task,
      adapters: engine,
      human: this.#picking,
      store,
      problems,
      control,
      onRewritten: (message) =>
        this.#outbox.now({ type: 'notice', runId: record.id, notice: { kind: 'rewritten', message } }),
      onEvent: (event, index, stored) => {
        const beats = this.#showing.passed(event);
        if (!stored) {
          this.#outbox.event(record.id, index, event);
          control.beat(beats);
          if (event.type === 'iteration-started') control.ended('iteration');
        }
        this.#advance(runner, stored);
      },
      onRecord: (changed) => this.recorded(changed),
      onStorageFull: (error) => this.#outbox.now({ type: 'error', runId: record.id, ...described(error) }),
      onHold: (held) => {
        this.#time.hold(Date.now(), held);
        this.#rest();
        this.#rest = held ? () => {} : this.#pulse.begin();
        this.#setState(held ? 'paused' : 'running');
      },
    });
    this.#runner = runner;
    this.#setState(record.events > 0 ? 'replaying' : 'running');
    await runner.run(record.id);
  }

  /** A person is waited for, or no longer: meanwhile nothing is expected to get done. */
  #waits(asking: boolean): void {
    this.#time.hold(Date.now(), asking);
    this.#rest();
    this.#rest = asking ? () => {} : this.#pulse.begin();
    if (asking && this.#state === 'replaying') this.#state = 'running';
    this.tell();
  }

  /** An event came: the work goes on. */
  #advance(runner: Runner, stored: boolean): void {
    if (!stored && this.#state === 'replaying') this.#state = 'running';
    if (!stored) this.#time.startOnce(Date.now(), runner.progress);
    this.#activity = runner.activity;
    this.tell();
  }

  /** A stage begins. Returns how many beats it deserves. */
  #enter(moment: Moment, questions: readonly Question[]): number {
    const before = this.#showing.partial;
    const beats = this.#showing.enter(moment, questions);
    const { partial } = this.#showing;
    if (partial && partial !== before) this.#showRound(partial);
    else this.tell();
    return beats;
  }

  /** A response on show has grown. */
  #sampled(question: Question, text: string): void {
    const begun = this.#showing.sampled(question, text);
    const { partial } = this.#showing;
    if (!partial) return;
    if (begun) this.#showRound(partial);
    else this.#outbox.partial(this.record.id, partial);
  }

  #showRound(partial: PartialDebate): void {
    if (this.#state === 'replaying') this.#state = 'running';
    this.#activity = debateActivity(partial, this.#activity, this.record.config);
    this.tell();
    this.#outbox.partial(this.record.id, partial);
  }

  #setState(state: LabState): void {
    // Once stopping, nothing else is to be said until the end.
    if (this.#state !== 'stopping') this.#state = state;
    this.tell();
  }
}
