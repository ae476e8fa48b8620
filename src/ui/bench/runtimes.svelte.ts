/** Runtimes of the page as they were compared in this visit, and the comparison under way. One for the whole visit. */
import { transfer } from 'comlink';
import type { RuntimeAgreement, RuntimeFailure, RuntimeSpeed } from '../../lab/bench/runtimes';
import type { RuntimesBenchRequest, RuntimesMessage, RuntimesWorkApi } from '../../lab/bench/runtimesWork';
import { Supervised, WorkerFailedError } from '../../supervision';
import { startBenchWorker } from '../workers';

/** ONNX Runtime on a software driver computes for a minute without a word. */
const LIMITS = { silent: 120_000, stalled: 600_000 };

export class RuntimesBench {
  /** What goes on; null = nothing. */
  doing = $state<string | null>(null);
  trouble = $state<string | null>(null);
  speeds = $state.raw<readonly RuntimeSpeed[]>([]);
  agreements = $state.raw<readonly RuntimeAgreement[]>([]);
  /** Runtimes that could not be opened, or that failed while they were measured. */
  missing = $state.raw<readonly RuntimeFailure[]>([]);

  #stopping = false;
  readonly #worker = new Supervised<RuntimesWorkApi>({ name: 'bench', start: startBenchWorker, limits: LIMITS });

  async compare(request: RuntimesBenchRequest): Promise<void> {
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = (event: MessageEvent<RuntimesMessage>) => this.#hear(event.data);
    this.#stopping = false;
    this.trouble = null;
    [this.speeds, this.agreements, this.missing] = [[], [], []];
    this.doing = 'Starting';
    try {
      await this.#worker.call((work) => work.compare(request, transfer(port2, [port2])));
    } catch (error) {
      const asked = error instanceof WorkerFailedError && error.fault === 'ended' && this.#stopping;
      if (!asked) this.trouble = error instanceof Error ? error.message : String(error);
    } finally {
      port.close();
      this.doing = null;
      this.#worker.end();
    }
  }

  /** Ends the comparison under way; what it found stays on show. */
  stop(): void {
    this.#stopping = true;
    this.#worker.end();
  }

  #hear(message: RuntimesMessage): void {
    if (message.type === 'doing') this.doing = message.what;
    else if (message.type === 'missing') this.missing = [...this.missing, message];
    else if ('why' in message.found) this.missing = [...this.missing, message.found];
    else if ('rows' in message.found) this.speeds = [...this.speeds, message.found];
    else this.agreements = [...this.agreements, message.found];
  }
}

/** The visit's one. */
export const runtimesBench = new RuntimesBench();
