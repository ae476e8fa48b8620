/** Trying again: exponential backoff with jitter, and what a server asks for by 429 and Retry-After. */
import { PolylogueError } from '../engine/errors';
import { RateLimitError } from './errors';

/** Time as the downloads see it; tests run it faster. */
export interface Clock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, ms);
      signal?.addEventListener('abort', stop, { once: true });
    });
  },
};

/** An attempt failed in a way that may pass. `final` is what is thrown once it has happened too often. */
export class Transient extends Error {
  constructor(
    readonly final: PolylogueError,
    /** How long the server asked to wait; null when it did not. */
    readonly retryAfterMs: number | null = null,
    /** Whether the server counts requests and has had too many, so that trying again soon only adds to them. */
    readonly limited = false,
  ) {
    super(final.message);
  }
}

export interface RetryOptions {
  clock?: Clock;
  /** Uniform in [0, 1), for the jitter. */
  random?: () => number;
  /** Failures in a row, without a byte in between, after which to give up. */
  attempts?: number;
  /** Called when a wait begins, with its length. */
  onWait?: (ms: number) => void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** The hub counts requests in windows of five minutes; a page that waits longer unasked looks broken. */
const LONGEST_RETRY_AFTER_MS = 300_000;
/**
 * Waits after a 429 that does not say how long, as every 429 of the hub looks to a page: CORS keeps RateLimit and
 * Retry-After from it. Doubled each time, so that six attempts outlast the hub's window.
 */
const FIRST_LIMIT_WAIT_MS = 15_000;
const LONGEST_LIMIT_WAIT_MS = 120_000;

/** Decides for several requests at once when the next attempt may begin: a 429 for one holds them all back. */
export class Pacer {
  readonly clock: Clock;
  private readonly random: () => number;
  private readonly attempts: number;
  private readonly onWait: (ms: number) => void;
  private heldUntil = -Infinity;

  constructor(options: RetryOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.attempts = options.attempts ?? 6;
    this.onWait = options.onWait ?? (() => {});
  }

  /** Resolves when no server has asked to wait any longer. */
  async ready(signal?: AbortSignal): Promise<void> {
    for (let wait = this.heldUntil - this.clock.now(); wait > 0; wait = this.heldUntil - this.clock.now()) {
      await this.clock.sleep(wait, signal);
    }
    signal?.throwIfAborted();
  }

  /**
   * Waits after the `failures`-th failure in a row.
   *
   * @throws the failure's `final` error when there were too many or the wait would be too long
   */
  async wait(failure: Transient, failures: number, signal?: AbortSignal): Promise<void> {
    if (failures >= this.attempts) throw failure.final;
    const wait = this.waitAfter(failure, failures);
    if (failure.limited || failure.retryAfterMs !== null) {
      this.heldUntil = Math.max(this.heldUntil, this.clock.now() + wait);
    }
    this.onWait(wait);
    await this.clock.sleep(wait, signal);
    await this.ready(signal);
  }

  /** Milliseconds. */
  private waitAfter(failure: Transient, failures: number): number {
    const doubled = 2 ** (failures - 1);
    const asked =
      failure.retryAfterMs ?? (failure.limited ? Math.min(LONGEST_LIMIT_WAIT_MS, FIRST_LIMIT_WAIT_MS * doubled) : null);
    if (asked !== null) {
      if (asked > LONGEST_RETRY_AFTER_MS) throw failure.final;
      return asked + FIRST_WAIT_MS * this.random();
    }
    // Half fixed, half random, so that requests that failed together do not come back together.
    return Math.min(LONGEST_BACKOFF_MS, FIRST_WAIT_MS * doubled) * (0.5 + 0.5 * this.random());
  }

  /** Repeats an attempt until it succeeds, fails for good, or has failed too often. */
  async run<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let failures = 1; ; failures++) {
      await this.ready(signal);
      try {
        return await attempt();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Transient)) throw error;
        await this.wait(error, failures, signal);
      }
    }
  }
}

/**
 * Work that is given up when it takes too long: its signal aborts then, or with `signal`.
 *
 * @param late what is thrown then, as `Transient`, provided that the work ends with its signal's reason
 */
export async function withinTime<T>(
  ms: number,
  clock: Clock,
  signal: AbortSignal | undefined,
  late: () => PolylogueError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const done = new AbortController();
  clock.sleep(ms, done.signal).then(
    () => limit.abort(new Transient(late())),
    () => {},
  );
  try {
    return await work(signal ? AbortSignal.any([signal, limit.signal]) : limit.signal);
  } finally {
    done.abort();
  }
}

/**
 * What a 429 (or 503) asks for: `Retry-After` in seconds or as a date, or the hub's own `RateLimit: "api";r=0;t=55`.
 *
 * @returns milliseconds from now; null when the answer says nothing
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | null {
  const value = headers.get('retry-after')?.trim();
  if (value !== undefined) {
    if (/^\d+$/.test(value)) return Number(value) * 1000;
    const date = Date.parse(value);
    if (!Number.isNaN(date)) return Math.max(0, date - now);
  }
  const reset = /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '');
  return reset ? Number(reset[1]) * 1000 : null;
}

export function rateLimited(host: string, headers: Headers): Transient {
  const wait = retryAfterMs(headers);
  return new Transient(new RateLimitError(host, wait === null ? null : wait / 1000), wait, true);
}
