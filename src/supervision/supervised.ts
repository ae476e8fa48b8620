/**
 * A worker that is looked after: started when it is needed, asked how it is, ended when it does not do what it should, and
 * started again for the next call.
 */
import type { Remote } from 'comlink';
import type { Body } from './body';
import { failure, GaveUpError, WorkerFailedError } from './errors';
import type { Connect } from './heart';
import { lifeline, type Lifeline } from './lifeline';
import { CountedTime, LIMITS, Restarts, TICK, Watch, type Beat, type Limits } from './watch';

/** Time as supervisors see it; tests run it by hand. */
export interface SupervisorClock {
  /** Milliseconds; only differences count. */
  now(): number;
  /** Calls again and again; the function returned ends that. */
  every(milliseconds: number, tick: () => void): () => void;
  /** False while time says nothing about a worker: the page is hidden. */
  counts(): boolean;
}

export const systemClock: SupervisorClock = {
  now: () => performance.now(),
  every(milliseconds, tick) {
    const timer: unknown = setInterval(tick, milliseconds);
    // In Node, watching keeps no process alive.
    (timer as { unref?: () => void }).unref?.();
    return () => clearInterval(timer as ReturnType<typeof setInterval>);
  },
  counts: () => typeof document === 'undefined' || !document.hidden,
};

export interface SupervisedOptions {
  /** For people: "The … did not answer". */
  name: string;
  start(): Body;
  limits?: Partial<Limits>;
  clock?: SupervisorClock;
  /** The worker failed and was ended. Called after all who waited for it were told. */
  onFailure?: (error: WorkerFailedError) => void;
  /** An exception that nobody caught: the worker goes on. */
  onTrouble?: (detail: string) => void;
  /** The worker got something done. */
  onProgress?: () => void;
}

/** How work goes on when its worker fails. */
export interface Persistence {
  /** As of `call`. */
  limit?: number;
  restarts?: Restarts;
  /** How much was done so far: getting further than ever begins the count of failures anew. */
  done?: () => number;
  /** Whether this work was to stop. Without it, an `end` of the worker stops it; with it, only this does. */
  stopped?: () => boolean;
}

interface Living {
  body: Body;
  watch: Watch;
  heart: MessagePort;
  line: Lifeline<object>;
  stop: () => void;
}

export class Supervised<Api extends object> {
  readonly #options: SupervisedOptions;
  readonly #clock: SupervisorClock;
  #living: Living | null = null;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** It was started and has not failed since. */
  get alive(): boolean {
    return this.#living !== null;
  }

  /** It works on something, or somebody waits for it. */
  get busy(): boolean {
    return this.#living?.watch.busy ?? false;
  }

  /** Starts the worker, if it is not there, and returns a port on which somebody else may call it (`lifeline`). */
  port(): MessagePort {
    const { body } = this.#life();
    const { port1, port2 } = new MessageChannel();
    body.post({ connect: { calls: port2 } } satisfies Connect, [port2]);
    return port1;
  }

  /**
   * Calls the worker.
   * @param limit milliseconds of counted time that the call may take; without it, whatever its progress allows
   * @throws WorkerFailedError when the worker fails meanwhile, and what the call throws
   */
  async call<T>(work: (api: Remote<Api>) => Promise<T>, limit?: number): Promise<T> {
    const living = this.#life();
    const end = living.watch.wait(limit);
    try {
      return await work(living.line.api as Remote<Api>);
    } finally {
      end();
    }
  }

  /**
   * As `call`; when the worker fails it is started again and the work repeated. Only for work that may be done twice.
   * @throws GaveUpError after too many failures; WorkerFailedError when the work was to stop; what the call throws
   */
  async persist<T>(work: (api: Remote<Api>) => Promise<T>, how: Persistence = {}): Promise<T> {
    const { limit, restarts = new Restarts(), done = () => 0, stopped } = how;
    for (;;) {
      try {
        return await this.call(work, limit);
      } catch (error) {
        if (!(error instanceof WorkerFailedError)) throw error;
        if (error.fault === 'ended' ? (stopped?.() ?? true) : stopped?.()) throw error;
        if (!restarts.failed(done())) throw new GaveUpError(error, restarts.most);
      }
    }
  }

  /** What the worker waits for makes progress. */
  progress(): void {
    this.#living?.watch.progress();
  }

  /** Asks whether the worker answers: resolves with true at its next answer, with false when it failed before. */
  answers(): Promise<boolean> {
    const living = this.#living;
    if (!living) return Promise.resolve(false);
    return new Promise((resolve) => {
      const heard = () => {
        living.heart.removeEventListener('message', heard);
        resolve(this.#living === living);
      };
      living.heart.addEventListener('message', heard);
      living.heart.postMessage('ask');
    });
  }

  /** Somebody wants to stop: ends the worker when the work has not settled after so many milliseconds. */
  endUnless(settled: Promise<unknown>, milliseconds: number): void {
    const living = this.#living;
    const stop = this.#clock.every(milliseconds, () => {
      stop();
      if (this.#living === living) this.end();
    });
    settled.then(stop, stop);
  }

  /** Ends the worker, and tells all who wait for it; the next call starts a new one. `onFailure` is not called. */
  end(error: WorkerFailedError = failure(this.#options.name, 'ended')): void {
    const living = this.#living;
    if (!living) return;
    this.#living = null;
    living.stop();
    living.body.onTrouble = () => {};
    living.body.end();
    living.heart.close();
    living.line.end(error);
  }

  #life(): Living {
    return (this.#living ??= this.#start());
  }

  #start(): Living {
    const { name, start, limits, onTrouble, onProgress } = this.#options;
    const watch = new Watch({ ...LIMITS, ...limits });
    const calls = new MessageChannel();
    const heart = new MessageChannel();
    const time = new CountedTime(
      () => this.#clock.now(),
      () => this.#clock.counts(),
    );
    const body = startOrFail(name, start);
    const line = lifeline<object>(calls.port1);
    const fail = (error: WorkerFailedError): void => {
      if (this.#living !== living) return;
      this.end(error);
      this.#options.onFailure?.(error);
    };
    const stop = this.#clock.every(TICK, () => {
      const wrong = watch.pass(time.tick());
      if (wrong) fail(failure(name, wrong.fault, '', wrong.seconds));
      else heart.port1.postMessage('ask');
    });
    const living: Living = { body, watch, heart: heart.port1, line, stop };
    heart.port1.onmessage = (event: MessageEvent<Beat>) => {
      if (watch.answer(event.data)) onProgress?.();
    };
    body.onTrouble = (detail, fatal) => {
      if (!watch.started) fail(failure(name, 'not-started', detail));
      else if (fatal) fail(failure(name, 'died', detail));
      else onTrouble?.(detail);
    };
    const connect: Connect = { connect: { calls: calls.port2, heart: heart.port2 } };
    body.post(connect, [calls.port2, heart.port2]);
    heart.port1.postMessage('ask');
    return living;
  }
}

function startOrFail(name: string, start: () => Body): Body {
  try {
    return start();
  } catch (error) {
    throw failure(name, 'not-started', error instanceof Error ? error.message : String(error));
  }
}
