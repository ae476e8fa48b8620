/** The runs that the page shows: the one at work, one on show, one beneath it, and some beside each other. */
import type { RunRecord } from '../store/types';
import type { RunReader } from './runReader';
import type { RunView } from './runView.svelte';

export class RunViews {
  /** On show: the run at work, or a stored one. */
  shown = $state.raw<RunView | null>(null);
  /** Share of the log that is read of the run being opened, 0..1; null when none is. */
  opening = $state.raw<number | null>(null);
  /** Id of the run that was asked for, until the first of it is on show or it turns out that there is none; null = none is. */
  awaited = $state.raw<string | null>(null);
  /** Its curves lie faintly under those of the run on show. */
  pinned = $state.raw<RunView | null>(null);
  /** On show beside each other. */
  compared = $state.raw<RunView[]>([]);

  readonly #reader: RunReader;
  /** The run at work; it goes on when another one is on show. */
  #working: RunView | null = null;
  /** Counts what was put on show, so that a slow opening does not replace a later one. */
  #turn = 0;

  constructor(reader: RunReader) {
    this.#reader = reader;
  }

  get working(): RunView | null {
    return this.#working;
  }

  /** Puts the run at work on show. */
  follow(view: RunView): void {
    this.#turn++;
    this.opening = null;
    this.awaited = null;
    this.#working = view;
    this.shown = view;
  }

  /** Nothing is on show any more; a run at work goes on. */
  leave(): void {
    this.#turn++;
    this.opening = null;
    this.awaited = null;
    this.shown = null;
  }

  /** Nothing is at work in this tab; what is on show stays. */
  letGo(): void {
    this.#working = null;
  }

  /** A view of a run: one that is on show somewhere, or a new one. */
  async read(runId: string, onRead: (view: RunView) => void = () => {}): Promise<RunView> {
    const known = this.#all().find((view) => view.record.id === runId);
    if (!known) return this.#reader.open(runId, onRead);
    if (known !== this.#working) await this.#reader.readOn(known, known.record, onRead);
    onRead(known);
    return known;
  }

  /** Puts a run on show; a stored log is read in slices and drawn as far as it is read. */
  async open(runId: string): Promise<void> {
    const turn = ++this.#turn;
    this.awaited = runId;
    await this.read(runId, (view) => {
      // Another run was opened meanwhile: this one is read for whoever asked for it.
      if (turn !== this.#turn) return;
      this.shown = view;
      this.awaited = null;
      this.opening = view.damage === null && view.length < view.record.events ? view.length / view.record.events : null;
    }).finally(() => {
      if (turn !== this.#turn) return;
      this.opening = null;
      this.awaited = null;
    });
  }

  /** Lays a run under the one on show; null takes it away. */
  async pin(runId: string | null): Promise<void> {
    this.pinned = runId === null ? null : await this.read(runId);
  }

  /** Puts runs beside each other, in this order. */
  async compare(runIds: readonly string[]): Promise<void> {
    const views: RunView[] = [];
    for (const id of runIds) views.push(await this.read(id));
    this.compared = views;
  }

  /** A run's record has changed. Returns the views whose logs have grown in the store: the work of another tab. */
  update(record: RunRecord): RunView[] {
    const views = this.#all().filter((view) => view.record.id === record.id);
    for (const view of views) view.record = record;
    return views.filter((view) => view !== this.#working && view.length < record.events);
  }

  /** Reads what has come to a log. */
  readOn(view: RunView, record: RunRecord): Promise<void> {
    return this.#reader.readOn(view, record);
  }

  /** The run was deleted. */
  remove(runId: string): void {
    this.compared = this.compared.filter((view) => view.record.id !== runId);
    if (this.shown?.record.id === runId) this.shown = null;
    if (this.pinned?.record.id === runId) this.pinned = null;
    if (this.#working?.record.id === runId) this.#working = null;
  }

  /** What was found to be wrong with the log of a run on show, or null. */
  damageOf(runId: string): string | null {
    return this.#all().find((view) => view.record.id === runId)?.damage ?? null;
  }

  /** Each once. */
  #all(): RunView[] {
    const views = [this.#working, this.shown, this.pinned, ...this.compared].filter((view) => view !== null);
    return views.filter((view, i) => views.indexOf(view) === i);
  }
}
