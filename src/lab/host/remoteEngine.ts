/** An `Engine` whose work is done by an engine worker (`engineHost.ts`). */
import { transfer, type Remote } from 'comlink';
import {
  callOn,
  CALLS,
  noteAdapters,
  passingBase,
  type Answer,
  type Arguments,
  type CallName,
} from '../../engine/operations';
import type {
  AdapterId,
  Engine,
  EngineInfo,
  EngineReport,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  MemoryPlan,
  TrainJob,
  TrainStepEvent,
} from '../../engine/types';
import type { EngineHostApi, EngineSetup, LoadProgress, ReadyEngine, StepMessage, TokenMessage } from './engineHost';

export class RemoteEngine extends passingBase(CALLS) implements Engine {
  readonly #host: Remote<EngineHostApi>;
  readonly #ready: ReadyEngine;
  readonly #adapters = new Set<AdapterId>();
  /** Tokens of this many rows, from the first, are reported while they are sampled: all of them cost traffic. */
  watchRows = Infinity;

  private constructor(host: Remote<EngineHostApi>, ready: ReadyEngine) {
    super();
    this.#host = host;
    this.#ready = ready;
  }

  /** Makes the worker's engine ready for a model; it holds no adapters afterwards. */
  static async open(
    host: Remote<EngineHostApi>,
    setup: EngineSetup,
    onProgress: (progress: LoadProgress) => void = () => {},
  ): Promise<RemoteEngine> {
    const { port1: port, port2 } = new MessageChannel();
    port.onmessage = (event: MessageEvent<LoadProgress>) => onProgress(event.data);
    try {
      return new RemoteEngine(host, await host.open(setup, transfer(port2, [port2])));
    } finally {
      port.close();
    }
  }

  get info(): EngineInfo {
    return this.#ready.info;
  }

  /** What the worker's engine found out while it loaded the model; null when it has nothing to say. */
  get loadingReport(): EngineReport | null {
    return this.#ready.report;
  }

  get modelHash(): string {
    return this.#ready.hash;
  }

  /** Of the second base model's weights; undefined where there is none. */
  get secondHash(): string | undefined {
    return this.#ready.secondHash;
  }

  get fallbackReason(): string | null {
    return this.#ready.fallbackReason;
  }

  get measured(): boolean {
    return this.#ready.measured === true;
  }

  async generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    options.signal?.throwIfAborted();
    const { port1: port, port2 } = new MessageChannel();
    const passedOn = new Map<number, number>();
    const pass = (row: number, ids: number[]) => {
      if (ids.length === 0) return;
      passedOn.set(row, (passedOn.get(row) ?? 0) + ids.length);
      options.onTokens?.(row, ids);
    };
    port.onmessage = (event: MessageEvent<TokenMessage>) => {
      for (const [row, ids] of event.data.tokens) pass(row, ids);
    };
    const release = abortOver(port, options.signal);
    try {
      const watchRows = options.onTokens ? this.watchRows : 0;
      const results = await this.#host.generate(requests, transfer(port2, [port2]), watchRows);
      results.forEach((result, row) => {
        // The last tokens come with the result: messages of two ports keep no order.
        if (row < watchRows) pass(row, result.ids.slice(passedOn.get(row) ?? 0));
        options.onRow?.(row, result);
      });
      return results;
    } finally {
      release();
    }
  }

  async *train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    const { signal, ...rest } = job;
    signal?.throwIfAborted();
    const { port1: port, port2 } = new MessageChannel();
    let arrived: (step: TrainStepEvent) => void = () => {};
    port.onmessage = (event: MessageEvent<StepMessage>) => arrived(event.data.step);
    const release = abortOver(port, signal);
    let next = new Promise<TrainStepEvent>((resolve) => (arrived = resolve));
    const ended = this.#host.train(rest, transfer(port2, [port2])).then(() => null);
    try {
      for (;;) {
        // The host waits for an answer to each step, so the end never overtakes one.
        const step = await Promise.race([next, ended]);
        if (step === null) return;
        next = new Promise((resolve) => (arrived = resolve));
        yield step;
        port.postMessage('next');
      }
    } finally {
      port.postMessage('leave');
      await ended.catch(() => {});
      release();
    }
  }

  /** A plain call: the worker does it. */
  async pass<N extends CallName>(name: N, args: Arguments<N>): Answer<N> {
    const result = await callOn(this.#host, name, args);
    noteAdapters(this.#adapters, name, args);
    return result;
  }

  adapters(): AdapterId[] {
    return [...this.#adapters];
  }

  plan(): MemoryPlan {
    return this.#ready.plan;
  }

  dispose(): Promise<void> {
    return this.#host.close();
  }
}

/** Sends `abort` over the port when the signal fires; the returned function ends that and closes the port. */
function abortOver(port: MessagePort, signal: AbortSignal | undefined): () => void {
  const send = () => port.postMessage('abort');
  signal?.addEventListener('abort', send);
  return () => {
    signal?.removeEventListener('abort', send);
    port.close();
  };
}
