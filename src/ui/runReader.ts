/** Reads stored logs in slices, so that opening a long one never holds the page, and follows those that still grow. */
import type { LabApi } from '../lab/types';
import type { ExperimentConfig } from '../recipes/config';
import { readableEvents } from '../store/readBack';
import type { RunRecord } from '../store/types';
import { RunView } from './runView.svelte';

/** Sampled tokens in a slice: receiving and indexing as many takes a few tens of milliseconds on a slow computer. */
const SLICE_TOKENS = 100_000;
const MOST_EVENTS = 250;
/** Slices that are asked for before the first of them is there: the database, the worker and the page work beside each other. */
const AHEAD = 3;

/** Both over Comlink. */
type Source = {
  run: (...args: Parameters<LabApi['run']>) => ReturnType<LabApi['run']>;
  lines: (...args: Parameters<LabApi['lines']>) => ReturnType<LabApi['lines']>;
};

export class RunReader {
  readonly #source: Source;
  /** The reading under way of each view; the next one waits for it. */
  readonly #reading = new WeakMap<RunView, Promise<void>>();

  constructor(source: Source) {
    this.#source = source;
  }

  /**
   * A view of a stored run with all of its log.
   * @param onRead called with the view before its first and after every slice
   * @throws RunNotFoundError (as the lab tells it)
   */
  async open(runId: string, onRead: (view: RunView) => void = () => {}): Promise<RunView> {
    const record = await this.#source.run(runId);
    const view = new RunView(record);
    onRead(view);
    await this.readOn(view, record, onRead);
    return view;
  }

  /** Reads what the view lacks of the log that `record` tells of; where the log is damaged, what is readable (`view.damage`). */
  readOn(view: RunView, record: RunRecord, onRead: (view: RunView) => void = () => {}): Promise<void> {
    const before = this.#reading.get(view) ?? Promise.resolve();
    const reading = before.catch(() => {}).then(() => this.#read(view, record.events, onRead));
    this.#reading.set(view, reading);
    return reading;
  }

  async #read(view: RunView, end: number, onRead: (view: RunView) => void): Promise<void> {
    const { id } = view.record;
    const size = sliceSize(view.record.config);
    const asked: Promise<string[]>[] = [];
    let from = view.length;
    const ask = () => {
      if (from >= end) return;
      const slice = this.#source.lines(id, from, Math.min(end, from + size));
      // Told when its turn comes; until then it must not count as unhandled.
      slice.catch(() => {});
      asked.push(slice);
      from += size;
    };
    for (let i = 0; i < AHEAD; i++) ask();
    for (let next = asked.shift(); next; next = asked.shift()) {
      const lines = await next;
      const wanted = Math.min(end - view.length, size);
      const { events, damage } = readableEvents(lines, view.length);
      view.append(view.length, events);
      if (damage === null && lines.length < wanted && (await this.#deleted(id))) return;
      if (damage !== null || lines.length < wanted) {
        view.damage = damage ?? `${end} events were stored and ${view.length} can be found in a row`;
        onRead(view);
        return;
      }
      // A log that was damaged may have been written again.
      view.damage = null;
      ask();
      onRead(view);
    }
  }

  /** Another tab may have deleted the run meanwhile. */
  async #deleted(runId: string): Promise<boolean> {
    return this.#source.run(runId).then(
      () => false,
      () => true,
    );
  }
}

/** Events a slice: long responses make large events. */
function sliceSize({ agents, rounds, sampling }: ExperimentConfig): number {
  return Math.max(4, Math.min(MOST_EVENTS, Math.floor(SLICE_TOKENS / (agents * rounds * sampling.maxTokens))));
}
