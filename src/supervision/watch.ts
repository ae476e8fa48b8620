/**
 * Is a worker well? Decided from what it answers and from the time that counts; nothing here knows a clock or a worker.
 *
 * A worker is asked at every tick and answers between the parts of its work. It is silent when no answer comes, and stalled when
 * answers come but a call that it works on makes no progress.
 */
import type { Fault } from './errors';

/** In milliseconds of counted time (`CountedTime`). */
export interface Limits {
  /** From its start to its first answer: scripts come over the network. */
  start: number;
  /** From answer to answer. */
  silent: number;
  /** From progress to progress, while the worker is at work on something. */
  stalled: number;
}

export const LIMITS: Limits = { start: 60_000, silent: 15_000, stalled: 120_000 };

/** How often a worker is asked. */
export const TICK = 500;

/** What a worker answers. */
export interface Beat {
  /** Grows with everything that gets done. */
  work: number;
  /** Calls that it works on. */
  open: number;
}

export interface Wrong {
  fault: Fault;
  /** The limit that was passed. */
  seconds: number;
}

const wrong = (fault: Fault, milliseconds: number): Wrong => ({ fault, seconds: milliseconds / 1000 });

export class Watch {
  readonly #limits: Limits;
  #answered = false;
  #silent = 0;
  #stalled = 0;
  #work = -1;
  #open = 0;
  /** Calls made to the worker that have not settled: milliseconds that each has left. */
  readonly #waiting = new Set<{ left: number; limit: number }>();

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits;
  }

  /** It has answered at least once. */
  get started(): boolean {
    return this.#answered;
  }

  /** It works on something, or somebody waits for it. */
  get busy(): boolean {
    return this.#open > 0 || this.#waiting.size > 0;
  }

  /** An answer has come. Returns whether it tells of progress. */
  answer({ work, open }: Beat): boolean {
    this.#answered = true;
    this.#silent = 0;
    this.#open = open;
    const progress = work !== this.#work;
    this.#work = work;
    if (progress) this.progress();
    return progress;
  }

  /** Something got done, or what the worker waits for did. */
  progress(): void {
    this.#stalled = 0;
  }

  /**
   * Somebody waits for an answer to a call; the function returned ends that.
   * @param limit milliseconds that the call may take in all, whatever its progress
   */
  wait(limit = Infinity): () => void {
    if (!this.busy) this.#stalled = 0;
    const call = { left: limit, limit };
    this.#waiting.add(call);
    return () => {
      this.#waiting.delete(call);
      this.#stalled = 0;
      // Whoever settles a call lives.
      this.#answered = true;
      this.#silent = 0;
    };
  }

  /** Time has passed. Returns what is wrong, and for how many seconds it was waited; null while nothing is. */
  pass(milliseconds: number): Wrong | null {
    this.#silent += milliseconds;
    this.#stalled = this.busy ? this.#stalled + milliseconds : 0;
    const { start, silent, stalled } = this.#limits;
    if (!this.#answered) return this.#silent >= start ? wrong('not-started', start) : null;
    for (const call of this.#waiting) {
      call.left -= milliseconds;
      if (call.left <= 0) return wrong('late', call.limit);
    }
    if (this.#silent >= silent) return wrong('silent', silent);
    return this.#stalled >= stalled ? wrong('stalled', stalled) : null;
  }
}

/** Milliseconds after which a timer was not late but stood still. */
const FROZEN = 10_000;

/**
 * Time that counts: while the watcher's own timer comes. A frozen or suspended tab's timers stand still, a hidden tab's are slowed; such
 * gaps say nothing about a worker. On a busy machine timers come late again and again: of each such gap a part counts, or a worker that is
 * gone would never be noticed there.
 */
export class CountedTime {
  readonly #now: () => number;
  readonly #counts: () => boolean;
  #last: number;

  /** @param now milliseconds; @param counts false while the page is hidden */
  constructor(now: () => number, counts: () => boolean = () => true) {
    this.#now = now;
    this.#counts = counts;
    this.#last = now();
  }

  /** To be called every `TICK`; returns the milliseconds since the last call that count. */
  tick(): number {
    const now = this.#now();
    const gap = now - this.#last;
    this.#last = now;
    return this.#counts() && gap < FROZEN ? Math.min(Math.max(0, gap), 2 * TICK) : 0;
  }
}

/** How often in a row a worker is started again. */
export const MOST_RESTARTS = 3;

/**
 * Counts the failures of one piece of work (a run, a call). The count begins anew when more was done than ever before: a run
 * whose log got longer since the last failure. Repeating what was done already is no progress.
 */
export class Restarts {
  #failures = 0;
  #furthest = -Infinity;

  /** @param most restarts without progress */
  constructor(readonly most = MOST_RESTARTS) {}

  /** A worker failed after so much was done (events of a log). Returns whether to start it again. */
  failed(done: number): boolean {
    if (done > this.#furthest) this.#failures = 0;
    this.#furthest = Math.max(this.#furthest, done);
    return ++this.#failures <= this.most;
  }
}
