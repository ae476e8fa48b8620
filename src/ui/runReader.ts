/** Reads stored logs in slices, so that opening a long one never holds the page, and follows those that still grow. */
import type { LabApi } from '../lab/types';
import { LogReader } from '../log/read';
import type { RunConfig } from '../recipes/config';
import { readableEvents } from '../store/readBack';
import type { RunRecord } from '../store/types';
import { recipeOf } from './readings/runCast';
import { RunView } from './runView.svelte';

/** Sampled tokens in a slice: receiving and indexing as many takes a few tens of milliseconds on a slow computer. */
const SLICE_TOKENS = 100_000;
const MOST_EVENTS = 250;
/** Slices that are asked for before the first of them is there: the database, the worker and the page work beside each other. */
const AHEAD = 3;
/** Responses an episode where the recipe is not known. */
const USUAL_CALLS = 8;

/** Both over Comlink. */
type Source = {
  run: (...args: Parameters<LabApi['run']>) => ReturnType<LabApi['run']>;
  lines: (...args: Parameters<LabApi['lines']>) => ReturnType<LabApi['lines']>;
};

export class RunReader {
  readonly #source: Source;
  /** The reading under way of each view; the next one waits for it. */
  readonly #reading = new WeakMap<RunView, Promise<void>>();
  /** What has read a view's lines so far, as long as nobody else has added to the view: an event may mean what earlier ones say. */
  readonly #readers = new WeakMap<RunView, { reader: LogReader; at: number }>();

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
    if (view.length >= end) return;
    const size = sliceSize(view.record.config);
    const reader = await this.#readerOf(view);
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
      const { events, damage } = readableEvents(lines, reader);
      view.append(view.length, events);
      // What a reader of damaged lines knows may not hold for lines that are written again.
      if (damage === null) this.#readers.set(view, { reader, at: view.length });
      else this.#readers.delete(view);
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

  /** Reads on from the end of a view: the log's first line says what the later ones mean. */
  async #readerOf(view: RunView): Promise<LogReader> {
    const known = this.#readers.get(view);
    if (known?.at === view.length) return known.reader;
    if (view.length === 0) return new LogReader();
    const [first] = await this.#source.lines(view.record.id, 0, 1);
    return first === undefined ? new LogReader(view.length) : new LogReader(view.length, JSON.parse(first));
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
function sliceSize(config: RunConfig): number {
  const tokens = callsOf(config) * config.sampling.maxTokens;
  return Math.max(4, Math.min(MOST_EVENTS, Math.floor(SLICE_TOKENS / tokens)));
}

/** Responses in the longest episode of a run, as far as its recipe is known. */
function callsOf(config: RunConfig): number {
  const work = recipeOf(config)?.cost(config).work ?? [];
  const calls = work.flatMap((one) => (one.kind === 'episodes' && one.problems > 0 ? one.calls / one.problems : []));
  return calls.length === 0 ? USUAL_CALLS : Math.max(1, ...calls);
}
