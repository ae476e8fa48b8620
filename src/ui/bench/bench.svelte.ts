/** What was measured of this device in this visit, and the measurement under way. One for the whole visit. */
import { transfer } from 'comlink';
import { writeDeviceFile, type DeviceFile, type Measurement } from '../../bench/deviceFile';
import type { Speed } from '../../bench/measure';
import type { About } from '../../bench/result';
import { BUILD } from '../../build';
import type { BenchMessage, BenchRequest, BenchWorkApi } from '../../lab/host/benchWork';
import { Supervised, WorkerFailedError } from '../../supervision';
import { startBenchWorker } from '../workers';

/** Software drivers compute for a minute without a word. */
const BENCH_LIMITS = { silent: 120_000, stalled: 600_000 };

/** A table of speeds: a finished measurement, or what is there of one. */
export type Shown = About & { speeds: readonly Speed[] };

export class Bench {
  /** What goes on; null = nothing. */
  doing = $state<string | null>(null);
  trouble = $state<string | null>(null);
  /** The measurement under way, as far as it is. */
  partial = $state.raw<Shown | null>(null);
  /** Finished ones, in order. */
  measurements = $state.raw<readonly Measurement[]>([]);

  #stopping = false;
  readonly #worker = new Supervised<BenchWorkApi>({ name: 'bench', start: startBenchWorker, limits: BENCH_LIMITS });

  /** Measures; a measurement of the same model, format and engine is replaced. */
  async measure(request: BenchRequest): Promise<void> {
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = (event: MessageEvent<BenchMessage>) => this.#hear(event.data);
    this.#stopping = false;
    this.trouble = null;
    this.partial = null;
    this.doing = 'Starting';
    try {
      const done = await this.#worker.call((work) => work.measure(request, transfer(port2, [port2])));
      this.measurements = [...this.measurements.filter((one) => keyOf(one) !== keyOf(done)), done];
    } catch (error) {
      const asked = error instanceof WorkerFailedError && error.fault === 'ended' && this.#stopping;
      if (!asked) this.trouble = error instanceof Error ? error.message : String(error);
    } finally {
      port.close();
      this.doing = null;
      this.partial = null;
      // The device is for the lab again.
      this.#worker.end();
    }
  }

  /** Ends the measurement under way; what it found is dropped. */
  stop(): void {
    this.#stopping = true;
    this.#worker.end();
  }

  /** The file of all finished measurements; null before the first. */
  get file(): string | null {
    if (this.measurements.length === 0) return null;
    const measurements = [...this.measurements] as DeviceFile['measurements'];
    return writeDeviceFile({
      build: BUILD,
      date: today(),
      runtime: navigator.userAgent.slice(0, 400),
      cores: navigator.hardwareConcurrency || 1,
      measurements,
    });
  }

  #hear(message: BenchMessage): void {
    if (message.type === 'doing') this.doing = message.what;
    else if (message.type === 'about') this.partial = { ...message.about, speeds: [] };
    else if (this.partial) this.partial = { ...this.partial, speeds: [...this.partial.speeds, message.speed] };
  }
}

// Of this moment, nothing that is watched.
const today = (): string => new Date().toISOString().slice(0, 10);

function keyOf({ model, hash, engine, dtype }: Measurement): string {
  return JSON.stringify([model, hash, engine, dtype]);
}

/** The visit's one. */
export const bench = new Bench();
