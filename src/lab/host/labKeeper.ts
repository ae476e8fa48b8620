/**
 * The page's side of its two workers: looks after both, and brings a run that was at work to where it was when one of them failed.
 *
 * - The engine fails: the lab gets a new one, and goes on with the run from its last event.
 * - The lab fails: both are started anew, since the engine works for a lab that is gone, and the run is resumed.
 *
 * A run is brought back three times in a row at most; the count begins anew when its log gets longer than it ever was.
 */
import { transfer, type Remote } from 'comlink';
import type { ModelFolder } from '../../models/folder';
import type { RunConfig } from '../../recipes/config';
import type { KeepAdapters } from '../../store/keep';
import type { Repeated, RunRecord } from '../../store/types';
import {
  failure,
  GaveUpError,
  Restarts,
  Supervised,
  systemClock,
  WorkerFailedError,
  type Body,
  type Limits,
  type SupervisorClock,
} from '../../supervision';
import type { EngineHostApi } from './engineHost';
import { IDLE, RunMemory } from './runMemory';
import type { EngineChoice, LabApi, LabMessage } from '../types';

export interface LabKeeperParts {
  startEngine(): Body;
  startLab(): Body;
  /** The page's address, which models' addresses are relative to. */
  base: string;
  hear(message: LabMessage): void;
  clock?: SupervisorClock;
  limits?: { engine?: Partial<Limits>; lab?: Partial<Limits> };
}

/** The lab waits for its engine, and packs large logs in one go; so it is given more time. */
const LAB_LIMITS = { silent: 30_000, stalled: 180_000 };
/** After a stop was asked for: when the engine is ended, and when the lab is. Together two seconds at most. */
const ENGINE_STOPS = 1_000;
const LAB_STOPS = 1_500;
/** The lock of a lab that is gone is free a moment later: how often it is tried, and milliseconds between. */
const LOCK_TRIES = 20;
const LOCK_PAUSE = 500;

export class LabKeeper {
  readonly #parts: LabKeeperParts;
  readonly #engine: Supervised<EngineHostApi>;
  readonly #lab: Supervised<LabApi>;
  readonly #folders = new Map<string, ModelFolder>();
  readonly #endpoints = new Map<string, string | null>();
  readonly #memory = new RunMemory();
  /** Of the run at work, and before there is one. */
  #restarts = new Restarts();
  #connected: Promise<void> | null = null;
  #messages: MessagePort | null = null;
  #pace: number | null = null;
  /** A lab was ended, and none has had the lock since. */
  #lockLingers = false;

  constructor(parts: LabKeeperParts) {
    this.#parts = parts;
    const { clock = systemClock, limits } = parts;
    const report = (message: string) => this.#parts.hear({ type: 'error', runId: null, name: 'Error', message });
    this.#engine = new Supervised({
      name: 'engine',
      start: parts.startEngine,
      clock,
      ...(limits?.engine && { limits: limits.engine }),
      onFailure: (error) => void this.#engineFailed(error),
      onTrouble: report,
      // The lab waits for its engine.
      onProgress: () => this.#lab.progress(),
    });
    this.#lab = new Supervised({
      name: 'lab',
      start: parts.startLab,
      clock,
      limits: { ...LAB_LIMITS, ...limits?.lab },
      onFailure: (error) => void this.#labFailed(error),
      onTrouble: report,
    });
  }

  /** Calls the lab. @throws WorkerFailedError when it fails meanwhile, and what the call throws */
  async call<T>(work: (lab: Remote<LabApi>) => Promise<T>): Promise<T> {
    await this.#connect();
    return this.#lab.call(work);
  }

  /** As `call`, for what only reads: it is asked again when the lab fails meanwhile. */
  async read<T>(work: (lab: Remote<LabApi>) => Promise<T>): Promise<T> {
    const restarts = new Restarts();
    for (;;) {
      try {
        return await this.call(work);
      } catch (error) {
        if (!(error instanceof WorkerFailedError) || !restarts.failed(0)) throw error;
      }
    }
  }

  start(config: RunConfig, choice: EngineChoice, keep?: KeepAdapters, repeats?: Repeated): Promise<RunRecord> {
    return this.#begin(choice, (lab) => lab.start(config, choice, keep, repeats));
  }

  runAgain(runId: string, choice: EngineChoice): Promise<RunRecord> {
    return this.#begin(choice, (lab) => lab.runAgain(runId, choice));
  }

  resume(runId: string, choice: EngineChoice): Promise<RunRecord> {
    if (this.#memory.atWork && this.#memory.runId === runId) return this.call((lab) => lab.resume(runId, choice));
    return this.#begin(choice, (lab) => lab.resume(runId, choice));
  }

  /** Resolves within two seconds: what does not stop is ended, and the run is stopped at its last stored event. */
  async stop(): Promise<void> {
    this.#memory.stopping = true;
    try {
      const stopped = this.call((lab) => lab.stop());
      let alive = false;
      void this.#lab.answers().then((yes) => (alive = yes));
      this.#unless(stopped, ENGINE_STOPS, () => {
        // A lab that does not answer cannot tell its engine to stop.
        if (alive) void this.#replaceEngine(failure('engine', 'ended').message, false);
      });
      this.#lab.endUnless(stopped, LAB_STOPS);
      await stopped;
    } catch (error) {
      if (!(error instanceof WorkerFailedError)) throw error;
      if (error.fault === 'ended') await this.#labFailed(error);
    } finally {
      this.#memory.stopping = false;
    }
  }

  async setPace(milliseconds: number): Promise<void> {
    this.#pace = milliseconds;
    await this.call((lab) => lab.setPace(milliseconds));
  }

  async addFolder(folder: ModelFolder): Promise<string> {
    const address = await this.call((lab) => lab.addFolder(folder));
    this.#folders.set(address, folder);
    return address;
  }

  async allowEndpoint(origin: string, key: string | null): Promise<void> {
    this.#endpoints.set(origin, key);
    await this.call((lab) => lab.allowEndpoint(origin, key));
  }

  /** Sites that were allowed in this visit, with their keys: for another worker of this page. */
  get endpoints(): [origin: string, key: string | null][] {
    return [...this.#endpoints];
  }

  /** Ends both workers, whatever they do. */
  end(): void {
    this.#disconnect();
    this.#engine.end();
    this.#lab.end();
  }

  async #begin(choice: EngineChoice, begin: (lab: Remote<LabApi>) => Promise<RunRecord>): Promise<RunRecord> {
    this.#restarts = new Restarts();
    if (this.#connected && !this.#engine.alive) await this.#replaceEngine('The engine was not there.', false);
    this.#memory.choice = choice;
    const record = await this.#locked(begin);
    this.#memory.begin(record);
    return record;
  }

  #connect(): Promise<void> {
    this.#connected ??= this.#connectAnew().catch((error: unknown) => {
      this.#connected = null;
      throw error;
    });
    return this.#connected;
  }

  async #connectAnew(): Promise<void> {
    const messages = new MessageChannel();
    this.#messages = messages.port1;
    messages.port1.onmessage = (event: MessageEvent<LabMessage[]>) =>
      event.data.forEach((message) => this.#hear(message));
    const engine = this.#engine.port();
    await this.#lab.call((lab) =>
      lab.connect(transfer(engine, [engine]), transfer(messages.port2, [messages.port2]), this.#parts.base),
    );
    for (const folder of this.#folders.values()) await this.#lab.call((lab) => lab.addFolder(folder));
    for (const [origin, key] of this.#endpoints) await this.#lab.call((lab) => lab.allowEndpoint(origin, key));
    const pace = this.#pace;
    if (pace !== null) await this.#lab.call((lab) => lab.setPace(pace));
  }

  #disconnect(): void {
    this.#connected = null;
    this.#messages?.close();
    this.#messages = null;
  }

  #hear(message: LabMessage): void {
    this.#memory.hear(message);
    this.#parts.hear(message);
  }

  /** The engine was ended. */
  async #engineFailed(error: WorkerFailedError): Promise<void> {
    const again = this.#restarts.failed(this.#memory.events);
    const { atWork, stopping } = this.#memory;
    if (!again) return this.#replaceEngine(new GaveUpError(error, this.#restarts.most).message, false, false);
    this.#say(`${error.message} It was started again${atWork ? ', and the run goes on from its last event' : ''}.`);
    await this.#replaceEngine(error.message, atWork && !stopping);
  }

  /** @param start false = the lab gets no other engine until a run is started */
  async #replaceEngine(message: string, goOn: boolean, start = true): Promise<void> {
    this.#engine.end();
    // A lab that is being connected gets its engine then.
    if (!this.#connected) return;
    const port = start ? this.#engine.port() : null;
    // A lab that fails meanwhile gets a new engine anyway.
    await this.#lab
      .call((lab) => lab.replaceEngine(port && transfer(port, [port]), { message, goOn }))
      .catch((error: unknown) => this.#fail(error));
  }

  /** The lab was ended. */
  async #labFailed(error: WorkerFailedError): Promise<void> {
    this.#disconnect();
    this.#engine.end();
    this.#lockLingers = true;
    const { runId, choice, atWork, paused, stopping, events } = this.#memory;
    const again = this.#restarts.failed(events);
    try {
      if (atWork && stopping) await this.#abandon(runId, 'stopped', null);
      else if (!again) {
        const { message } = new GaveUpError(error, this.#restarts.most);
        this.#parts.hear({ type: 'error', runId, name: 'GaveUpError', message });
        if (atWork) await this.#abandon(runId, 'failed', message);
        else this.#hear(IDLE);
      } else if (atWork) {
        this.#say(`${error.message} It was started again, and the run goes on from its last event.`);
        this.#hear(this.#memory.startingAgain());
        await this.#resume(runId, choice, paused);
      } else {
        this.#say(`${error.message} It was started again.`);
        await this.#connect();
      }
    } catch (next) {
      // Another failure of the lab comes here too.
      if (next instanceof WorkerFailedError) return;
      this.#fail(next);
      this.#hear(IDLE);
    }
  }

  async #resume(runId: string, choice: EngineChoice, paused: boolean): Promise<void> {
    await this.#locked((lab) => lab.resume(runId, choice));
    if (paused) await this.call((lab) => lab.pause());
  }

  /** Calls what takes the lab's lock: that of a lab which was ended is free a moment later. */
  async #locked<T>(work: (lab: Remote<LabApi>) => Promise<T>): Promise<T> {
    for (let look = 1; ; look++) {
      try {
        const result = await this.call(work);
        this.#lockLingers = false;
        return result;
      } catch (error) {
        // Comlink passes errors on by name.
        const busy = error instanceof Error && error.name === 'LabBusyError';
        if (!busy || !this.#lockLingers || look === LOCK_TRIES) throw error;
        await new Promise<void>((resolve) => this.#after(LOCK_PAUSE, resolve));
      }
    }
  }

  async #abandon(runId: string, status: 'stopped' | 'failed', reason: string | null): Promise<void> {
    // Nobody waits for a new lab to be told that the run has ended.
    [...this.#memory.ended(status, reason), IDLE].forEach((message) => this.#hear(message));
    await this.call((lab) => lab.abandon(runId, status, reason));
  }

  #say(message: string): void {
    this.#parts.hear({ type: 'notice', runId: this.#memory.runId, notice: { kind: 'restarted', message } });
  }

  #fail(error: unknown): void {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    this.#parts.hear({ type: 'error', runId: this.#memory.runId, name, message });
  }

  #unless(settled: Promise<unknown>, milliseconds: number, late: () => void): void {
    const stop = this.#after(milliseconds, late);
    settled.then(stop, stop);
  }

  #after(milliseconds: number, then: () => void): () => void {
    const stop = (this.#parts.clock ?? systemClock).every(milliseconds, () => {
      stop();
      then();
    });
    return stop;
  }
}
