/**
 * What the main thread keeps for the thread that computes: the run's log, so that it outlives a thread that has to be ended, and
 * the file that it goes to.
 */
import { createInterface } from 'node:readline';
import { bundleRun } from '../../src/share/writeBundle';
import { MemoryRunStore } from '../../src/store/memory';
import { problem, writeWhole } from './files';

/** Calls of the thread, over Comlink. */
export interface DeskApi {
  store: MemoryRunStore;
  /** A run was begun; its bundle goes to `out` when there is one. What is known of the run before is forgotten. */
  begun(runId: string, out: string | null): Promise<void>;
  /** Writes the run's bundle. Resolves with what went wrong, in words; null when nothing did. */
  keep(): Promise<string | null>;
  /** Is somebody at a terminal who can be asked? */
  terminal(): boolean;
  /** Shows a text and reads a line of the terminal; null where nobody is there, or the input has ended. */
  ask(text: string): Promise<string | null>;
}

export class Desk implements DeskApi {
  readonly store = new MemoryRunStore();
  #runId: string | null = null;
  #out: string | null = null;
  #keeping: Promise<string | null> | null = null;
  /** Of the terminal, once somebody was asked. */
  #lines: AsyncIterator<string> | null = null;

  async begun(runId: string, out: string | null): Promise<void> {
    const before = this.#runId;
    this.#runId = runId;
    this.#out = out;
    this.#keeping = null;
    if (before !== null && before !== runId) await this.store.delete(before);
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

  terminal(): boolean {
    return process.stdin.isTTY === true;
  }

  async ask(text: string): Promise<string | null> {
    if (!this.terminal()) return null;
    process.stderr.write(text);
    // Without the line editor Ctrl-C stays a signal, which ends the run in its own way.
    this.#lines ??= createInterface({ input: process.stdin, terminal: false })[Symbol.asyncIterator]();
    const next = await this.#lines.next();
    return next.done === true ? null : next.value;
  }

  /** The thread was ended: the run stopped at its last stored event. As `keep`. */
  async keepStopped(): Promise<string | null> {
    if (this.#runId !== null && this.#keeping === null) await this.store.update(this.#runId, { status: 'stopped' });
    return this.keep();
  }

  async #write(): Promise<string | null> {
    if (this.#runId === null || this.#out === null) return null;
    try {
      await writeWhole(this.#out, await bundleRun(this.store, this.#runId));
      return null;
    } catch (error) {
      return problem(error);
    }
  }
}
