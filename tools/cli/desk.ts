/**
 * What the main thread keeps for the thread that computes: the run's log, so that it outlives a thread that has to be ended, and
 * the file that it goes to.
 */
import { writeFile } from 'node:fs/promises';
import { bundleRun } from '../../src/store/bundle';
import { MemoryRunStore } from '../../src/store/memory';
import { problem } from './files';

/** Calls of the thread, over Comlink. */
export interface DeskApi {
  store: MemoryRunStore;
  /** A run was begun; its bundle goes to `out` when there is one. */
  begun(runId: string, out: string | null): void;
  /** Writes the run's bundle. Resolves with what went wrong, in words; null when nothing did. */
  keep(): Promise<string | null>;
}

export class Desk implements DeskApi {
  readonly store = new MemoryRunStore();
  #runId: string | null = null;
  #out: string | null = null;
  #keeping: Promise<string | null> | null = null;

  begun(runId: string, out: string | null): void {
    this.#runId = runId;
    this.#out = out;
  }

  /** Where the log goes; null when there is none, or no file for it. */
  get out(): string | null {
    return this.#out;
  }

  /** A run was begun. */
  get running(): boolean {
    return this.#runId !== null;
  }

  keep(): Promise<string | null> {
    this.#keeping ??= this.#write();
    return this.#keeping;
  }

  /** The thread was ended: the run stopped at its last stored event. As `keep`. */
  async keepStopped(): Promise<string | null> {
    if (this.#runId !== null && this.#keeping === null) await this.store.update(this.#runId, { status: 'stopped' });
    return this.keep();
  }

  async #write(): Promise<string | null> {
    if (this.#runId === null || this.#out === null) return null;
    try {
      await writeFile(this.#out, await bundleRun(this.store, this.#runId));
      return null;
    } catch (error) {
      return problem(error);
    }
  }
}
