/**
 * Pause, resume and stop. A run is held at its gates: between two events and before each operation on the device. Stop
 * also aborts the operation in progress through the signal.
 */
import { PolylogueError } from '../engine/errors';
import type { Engine } from '../engine/types';

/** The run was stopped on purpose; its log is stored up to the last event and can be resumed. */
export class StoppedError extends PolylogueError {
  constructor() {
    super('The run was stopped.');
  }
}

export class RunControl {
  readonly #abort = new AbortController();
  #paused: { promise: Promise<void>; release: () => void } | null = null;
  #waiting = 0;

  /** Called when a pause takes hold (true) and when the run goes on (false). */
  onHold: (held: boolean) => void = () => {};

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get paused(): boolean {
    return this.#paused !== null;
  }

  get stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  pause(): void {
    if (this.#paused || this.stopped) return;
    let release = () => {};
    const promise = new Promise<void>((resolve) => (release = resolve));
    this.#paused = { promise, release };
  }

  resume(): void {
    this.#paused?.release();
    this.#paused = null;
  }

  stop(): void {
    this.#abort.abort(new StoppedError());
    this.resume();
  }

  /** Resolves at once while the run may go on, otherwise when it may again. Rejects with `StoppedError` once stopped. */
  async gate(): Promise<void> {
    if (this.#paused) {
      if (this.#waiting++ === 0) this.onHold(true);
      while (this.#paused) await this.#paused.promise;
      if (--this.#waiting === 0) this.onHold(false);
    }
    if (this.stopped) throw new StoppedError();
  }
}

/** An engine whose long operations wait at the control's gate and are aborted by its signal. */
export function controlled(engine: Engine, control: RunControl): Engine {
  return {
    info: engine.info,
    async generate(requests, options) {
      await control.gate();
      return engine.generate(requests, { ...options, signal: control.signal });
    },
    async score(requests) {
      await control.gate();
      return engine.score(requests);
    },
    logits: (request) => engine.logits(request),
    async *train(job) {
      await control.gate();
      for await (const step of engine.train({ ...job, signal: control.signal })) {
        yield step;
        await control.gate();
      }
    },
    gradients: (track) => engine.gradients(track),
    optimiserState: (adapter) => engine.optimiserState(adapter),
    createAdapter: (id, config, seed) => engine.createAdapter(id, config, seed),
    importAdapter: (id, weights) => engine.importAdapter(id, weights),
    exportAdapter: (id) => engine.exportAdapter(id),
    copyAdapter: (from, to) => engine.copyAdapter(from, to),
    deleteAdapter: (id) => engine.deleteAdapter(id),
    adapters: () => engine.adapters(),
    plan: () => engine.plan(),
    dispose: () => engine.dispose(),
  };
}
