/** One run as the page draws it: a view of its log that grows with it. */
import type { RunEvent } from '../events';
import type { PartialDebate } from '../lab/types';
import type { RunRecord } from '../store/types';

/** Milliseconds between two publications of a growing log to the views that draw all of it. */
const PUBLISH = 200;

export class RunView {
  record = $state.raw() as RunRecord;
  /** The newest text being sampled, as the lab told it; null before the first. */
  partial = $state.raw<PartialDebate | null>(null);
  /** The log so far, replaced by a longer copy a few times a second: what the views draw. */
  events = $state.raw<readonly RunEvent[]>([]);
  /** What is wrong with the stored log behind its last readable event; null: nothing that is known. */
  damage = $state.raw<string | null>(null);
  readonly #log: RunEvent[] = [];
  #publishing: ReturnType<typeof setTimeout> | null = null;
  #evaluations = 0;

  constructor(record: RunRecord) {
    this.record = record;
  }

  /** Events in the log so far. */
  get length(): number {
    return this.#log.length;
  }

  /** Evaluations in the log so far. */
  get evaluations(): number {
    return this.#evaluations;
  }

  /** Takes events from index `from` on; those already here are skipped. Returns false when some before them are missing. */
  append(from: number, events: readonly RunEvent[]): boolean {
    if (from > this.#log.length) return false;
    for (const event of events.slice(this.#log.length - from)) {
      this.#log.push(event);
      if (event.type === 'evaluation') this.#evaluations++;
    }
    this.#publishing ??= setTimeout(() => this.publish(), this.events.length === 0 ? 0 : PUBLISH);
    return true;
  }

  /** Shows all of the log to the views now. */
  publish(): void {
    if (this.#publishing !== null) clearTimeout(this.#publishing);
    this.#publishing = null;
    if (this.events.length < this.#log.length) this.events = this.#log.slice();
  }
}
