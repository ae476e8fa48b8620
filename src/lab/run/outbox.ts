/** Gathers what the page is to be told and sends it a few times a second, so that a fast run does not flood the page. */
import type { RunEvent } from '../../events';
import type { LabMessage, LabStatus, PartialDebate } from '../types';

/** Milliseconds between two deliveries. */
const INTERVAL = 150;

export class Outbox {
  readonly #post: (messages: LabMessage[], own: boolean) => void;
  #status: LabStatus | null = null;
  #partial: { runId: string; partial: PartialDebate } | null = null;
  #events: { runId: string; from: number; events: RunEvent[] } | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #last = 0;

  /** @param post own = the messages are about this lab, not passed on from another tab's */
  constructor(post: (messages: LabMessage[], own: boolean) => void) {
    this.#post = post;
  }

  /** The newest replaces the one before. */
  status(status: LabStatus): void {
    this.#status = status;
    this.#schedule();
  }

  partial(runId: string, partial: PartialDebate): void {
    this.#partial = { runId, partial };
    this.#schedule();
  }

  event(runId: string, index: number, event: RunEvent): void {
    if (this.#events?.runId === runId) this.#events.events.push(event);
    else {
      this.flush();
      this.#events = { runId, from: index, events: [event] };
    }
    this.#schedule();
  }

  /** Delivers a message at once, after all that came before it. */
  now(message: LabMessage): void {
    this.flush();
    this.#post([message], true);
  }

  /** Passes on what another tab's lab said. */
  pass(message: LabMessage): void {
    this.#post([message], false);
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#last = performance.now();
    const messages: LabMessage[] = [];
    // Partial text first: the events may finish the debate it belongs to.
    if (this.#partial) messages.push({ type: 'partial', ...this.#partial });
    if (this.#events) messages.push({ type: 'events', ...this.#events });
    if (this.#status) messages.push({ type: 'status', status: this.#status });
    this.#partial = this.#events = this.#status = null;
    if (messages.length > 0) this.#post(messages, true);
  }

  #schedule(): void {
    if (this.#timer !== null) return;
    const wait = Math.max(0, INTERVAL - (performance.now() - this.#last));
    this.#timer = setTimeout(() => this.flush(), wait);
  }
}
