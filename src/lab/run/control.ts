/**
 * Pause, resume, step, slow motion and stop. A run is held at its gates: between two events and before each operation on the
 * device. Stop also aborts the operation in progress through the signal. Holding and waiting never change what is computed,
 * so a stepped or slowed run has the log of an undisturbed one.
 */
import { PolylogueError } from '../../engine/errors';
import {
  callOn,
  CALLS,
  operation,
  passedOn,
  type Answer,
  type Arguments,
  type CallName,
} from '../../engine/operations';
import type { Engine } from '../../engine/types';
import type { StepUnit } from '../types';

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
  #stepping: StepUnit | null = null;
  #pace = 0;
  /** Beats to wait at the next gate. */
  #beats = 0;
  /** Ends the wait that is going on. */
  #wake: () => void = () => {};

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

  /** Somebody follows the run step by step, in slow motion or at a halt. */
  get followed(): boolean {
    return this.#pace > 0 || this.#stepping !== null || this.paused;
  }

  /** Milliseconds that a beat lasts; 0 = full speed. */
  get pace(): number {
    return this.#pace;
  }

  setPace(milliseconds: number): void {
    this.#pace = milliseconds;
    this.#wake();
  }

  /** Something has happened that deserves to be looked at: in slow motion the next gate waits for so many beats. */
  beat(beats = 1): void {
    if (this.#pace > 0) this.#beats += beats;
  }

  /** Goes on until `ended` hears of this unit. */
  step(unit: StepUnit): void {
    if (this.stopped) return;
    this.#release();
    this.#stepping = unit;
  }

  /** A unit of work has ended: when it was stepped to, the run holds at its next gate. */
  ended(unit: StepUnit): void {
    if (this.#stepping === unit) this.pause();
  }

  pause(): void {
    this.#stepping = null;
    if (this.#paused || this.stopped) return;
    this.#wake();
    let release = () => {};
    const promise = new Promise<void>((resolve) => (release = resolve));
    this.#paused = { promise, release };
  }

  resume(): void {
    this.#stepping = null;
    this.#release();
  }

  stop(): void {
    this.#abort.abort(new StoppedError());
    this.resume();
    this.#wake();
  }

  /** Resolves at once while the run may go on, otherwise when it may again. Rejects with `StoppedError` once stopped. */
  async gate(): Promise<void> {
    if (this.#beats > 0 && !this.#paused) await this.#linger();
    if (this.#paused) {
      if (this.#waiting++ === 0) this.onHold(true);
      while (this.#paused) await this.#paused.promise;
      if (--this.#waiting === 0) this.onHold(false);
    }
    // While it was held there was time to look.
    this.#beats = 0;
    if (this.stopped) throw new StoppedError();
  }

  /** Waits for the beats at hand; pausing, stopping and another pace end that. */
  #linger(): Promise<void> {
    const wait = this.#beats * this.#pace;
    this.#beats = 0;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #release(): void {
    this.#paused?.release();
    this.#paused = null;
  }
}

/** An engine whose long operations wait at the control's gate and are aborted by its signal. */
export function controlled(engine: Engine, control: RunControl): Engine {
  const call = async <N extends CallName>(name: N, args: Arguments<N>): Answer<N> => {
    if (operation(name).held) await control.gate();
    return callOn(engine, name, args);
  };
  return {
    ...passedOn(CALLS, call),
    info: engine.info,
    async generate(requests, options) {
      await control.gate();
      return engine.generate(requests, { ...options, signal: control.signal });
    },
    async *train(job) {
      await control.gate();
      for await (const step of engine.train({ ...job, signal: control.signal })) {
        yield step;
        await control.gate();
      }
    },
    adapters: () => engine.adapters(),
    plan: () => engine.plan(),
    dispose: () => engine.dispose(),
  };
}
