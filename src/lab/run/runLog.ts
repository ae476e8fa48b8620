/**
 * The log of a run at work, on its way into the store. It keeps the run's whole log and the adapters that resuming needs, so
 * that a store which lost the run while it was at work gets it again.
 */
import type { RunEvent } from '../../events';
import { LogDigest } from '../../log/digest';
import { RunNotFoundError, StorageFullError, StoredRunError } from '../../store/errors';
import { missingAdapters, spareAdapters } from '../../store/keep';
import type { Checkpoint, RunPatch, RunRecord, RunStore, StoredAdapter, StoredProblems } from '../../store/types';
import type { RunControl } from './control';

/** Unstored events at which the log is written, and the longest they wait. */
const BATCH_EVENTS = 64;
const BATCH_MILLISECONDS = 1_000;
/** Times in a row that a lost run is written again before the run gives up. */
const MOST_REWRITES = 3;

export interface RunLogParts {
  store: RunStore;
  control: RunControl;
  /** The file of problems that the run reads. */
  problems?: StoredProblems | undefined;
  onRecord?: ((record: RunRecord) => void) | undefined;
  onStorageFull?: ((error: StorageFullError) => void) | undefined;
  /** The store had lost the run, and it was written again; in words, with what is lost all the same. */
  onRewritten?: ((message: string) => void) | undefined;
}

export class RunLog {
  readonly #parts: RunLogParts;
  readonly #digest = new LogDigest();
  #record: RunRecord;
  /** Of the whole run, stored or not. */
  readonly #events: RunEvent[];
  /** Events whose index is below this are in the store. */
  #stored: number;
  #pendingAdapters: StoredAdapter[] = [];
  /** Stored adapters that resuming may need: of the last iteration that was finetuned. */
  #held: StoredAdapter[] = [];
  readonly #checkpoints: Checkpoint[];
  #lastWrite = Date.now();
  #writing: Promise<unknown> = Promise.resolve();

  /** @param stored the events that the store holds */
  constructor(parts: RunLogParts, record: RunRecord, stored: readonly RunEvent[], checkpoints: readonly Checkpoint[]) {
    this.#parts = parts;
    this.#record = record;
    this.#events = [...stored];
    this.#stored = stored.length;
    this.#checkpoints = [...checkpoints];
  }

  get record(): RunRecord {
    return this.#record;
  }

  /** Events that are not stored yet. */
  get pending(): number {
    return this.#events.length - this.#stored;
  }

  /** Digest after the events that `add` and `again` were given, hex. */
  get digest(): string {
    return this.#digest.hex;
  }

  /** Keeps what resuming needs of the store, in case it loses it. */
  async hold(): Promise<void> {
    const { store } = this.#parts;
    const { id } = this.#record;
    const needed = this.#checkpoints.at(-1)?.iteration ?? 0;
    if (this.#stored === 0 || this.#events.at(-1)?.type === 'run-finished') return;
    for (const adapter of await store.adapters(id))
      if (adapter.iteration >= needed) this.#held.push({ ...adapter, weights: await store.adapter(id, adapter) });
  }

  /** A stored event came again. */
  again(event: RunEvent): void {
    this.#digest.add(event);
  }

  /** A new event, with the adapter that it announces. */
  add(event: RunEvent, adapter?: StoredAdapter): void {
    this.#digest.add(event);
    this.#events.push(event);
    if (adapter) this.#pendingAdapters.push(adapter);
  }

  /** Is it time to store what came last? */
  due(event: RunEvent): boolean {
    if (this.pending === 0) return false;
    return (
      this.pending >= BATCH_EVENTS ||
      Date.now() - this.#lastWrite >= BATCH_MILLISECONDS ||
      event.type === 'adapter' ||
      event.type === 'evaluation'
    );
  }

  /** Stores what is pending; with an iteration, also marks its end as a checkpoint. One write at a time. */
  write(progress: number, checkpointOf?: number): Promise<void> {
    const writing = this.#writing.catch(() => {}).then(() => this.#writeNow(progress, checkpointOf));
    this.#writing = writing;
    return writing;
  }

  async update(patch: RunPatch): Promise<RunRecord> {
    const { store } = this.#parts;
    return this.#recorded(await this.#restoring(() => store.update(this.#record.id, patch)));
  }

  /** Deletes stored adapters that the run's choice does not keep. @param finished the log is whole */
  async thin(finished: boolean): Promise<void> {
    const { store } = this.#parts;
    const { id, keepAdapters = 'all' } = this.#record;
    if (keepAdapters === 'all') return;
    const status = finished ? 'finished' : 'running';
    try {
      const spare = spareAdapters(keepAdapters, { status }, await store.adapters(id), this.#checkpoints);
      if (spare.length > 0) await store.deleteAdapters(id, spare);
    } catch {
      // They take space, and do no other harm: the next thinning finds them.
    }
  }

  async #writeNow(progress: number, checkpointOf?: number): Promise<void> {
    const end = this.#events.length;
    const events = this.#events.slice(this.#stored);
    const adapters = this.#pendingAdapters;
    if (events.length === 0 && checkpointOf === undefined) return;
    const digest = this.#digest.hex;
    this.#pendingAdapters = [];
    try {
      const checkpoint = checkpointOf === undefined ? undefined : this.#checkpoint(checkpointOf, end, digest, adapters);
      const batch = { from: this.#stored, events, digest, progress, adapters, checkpoint };
      const append = () => this.#parts.store.append(this.#record.id, batch);
      const record = await this.#whenThereIsRoom(() => this.#restoring(append));
      this.#stored = end;
      this.#hold(adapters);
      if (checkpoint) this.#checkpoints.push(checkpoint);
      this.#lastWrite = Date.now();
      this.#recorded(record);
    } catch (error) {
      this.#pendingAdapters = [...adapters, ...this.#pendingAdapters];
      throw error;
    }
  }

  #checkpoint(iteration: number, events: number, digest: string, pending: readonly StoredAdapter[]): Checkpoint {
    const names = [...this.#held, ...pending].filter((adapter) => adapter.iteration === iteration);
    return { iteration, events, digest, adapters: [...new Set(names.map(({ name }) => name))].sort() };
  }

  /** An iteration's adapters take the place of the last one's once all of them are stored. */
  #hold(adapters: readonly StoredAdapter[]): void {
    this.#held.push(...adapters);
    const newest = Math.max(0, ...this.#held.map(({ iteration }) => iteration));
    if (this.#events[this.#stored - 1]?.type !== 'adapter')
      this.#held = this.#held.filter(({ iteration }) => iteration === newest);
  }

  /** Waits, paused, while the disk is full. */
  async #whenThereIsRoom<T>(work: () => Promise<T>): Promise<T> {
    const { control, onStorageFull } = this.#parts;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof StorageFullError) || control.stopped) throw error;
        onStorageFull?.(error);
        control.pause();
        await control.gate();
      }
    }
  }

  /** Does work on the stored run; writes the run again where the store has lost it. */
  async #restoring<T>(work: () => Promise<T>): Promise<T> {
    for (let rewrites = 0; ; rewrites++) {
      try {
        return await work();
      } catch (error) {
        const lost = error instanceof RunNotFoundError || error instanceof StoredRunError;
        if (!lost || rewrites === MOST_REWRITES) throw error;
        await this.#rewrite();
      }
    }
  }

  async #rewrite(): Promise<void> {
    const { store, problems, onRewritten } = this.#parts;
    const events = this.#events.slice(0, this.#stored);
    const digest = new LogDigest();
    for (const event of events) digest.add(event);
    const record = { ...this.#record, events: events.length, digest: digest.hex };
    await store.rewrite({ record, events, adapters: this.#held, checkpoints: this.#checkpoints, problems });
    const gone = missingAdapters(events, this.#held).length;
    onRewritten?.(
      `This browser cleared the data of this page while the run ${record.name} was at work. Its log was written again from ` +
        `memory, and it goes on.${gone > 0 ? ` ${gone} adapters of earlier iterations are lost.` : ''} Other runs may be gone.`,
    );
  }

  #recorded(record: RunRecord): RunRecord {
    this.#record = record;
    this.#parts.onRecord?.(record);
    return record;
  }
}
