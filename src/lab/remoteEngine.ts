/** An `Engine` whose work is done by an engine worker (`engineHost.ts`). */
import { transfer, type Remote } from 'comlink';
import type {
  AdapterConfig,
  AdapterId,
  AdapterWeights,
  Engine,
  EngineInfo,
  EngineReport,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  MemoryPlan,
  Objective,
  ScoreRequest,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../engine/types';
import type { EngineHostApi, EngineSetup, LoadProgress, ReadyEngine, StepMessage, TokenMessage } from './engineHost';

export class RemoteEngine implements Engine {
  readonly #host: Remote<EngineHostApi>;
  readonly #ready: ReadyEngine;
  readonly #adapters = new Set<AdapterId>();
  /** Tokens of this many rows, from the first, are reported while they are sampled: all of them cost traffic. */
  watchRows = Infinity;

  private constructor(host: Remote<EngineHostApi>, ready: ReadyEngine) {
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

  get fallbackReason(): string | null {
    return this.#ready.fallbackReason;
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

  score(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.#host.score(requests);
  }

  embed(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.#host.embed(requests);
  }

  logits(request: ScoreRequest): Promise<Float32Array> {
    return this.#host.logits(request);
  }

  gradients(track: TrainTrack, objective?: Objective): ReturnType<Engine['gradients']> {
    return this.#host.gradients(track, objective);
  }

  optimiserState(adapter: AdapterId): ReturnType<Engine['optimiserState']> {
    return this.#host.optimiserState(adapter);
  }

  async createAdapter(id: AdapterId, config: AdapterConfig, seed: number): Promise<void> {
    await this.#host.createAdapter(id, config, seed);
    this.#adapters.add(id);
  }

  async importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    await this.#host.importAdapter(id, weights);
    this.#adapters.add(id);
  }

  exportAdapter(id: AdapterId): Promise<AdapterWeights> {
    return this.#host.exportAdapter(id);
  }

  async copyAdapter(from: AdapterId, to: AdapterId): Promise<void> {
    await this.#host.copyAdapter(from, to);
    this.#adapters.add(to);
  }

  async deleteAdapter(id: AdapterId): Promise<void> {
    await this.#host.deleteAdapter(id);
    this.#adapters.delete(id);
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
