/**
 * The contract of an engine: what the lab asks of whatever executes the transformer.
 *
 * Two implementations live beside this file: `WebGpuEngine` (WGSL kernels) and `ReferenceEngine` (plain
 * TypeScript, every operation rounded to 32 bits in a fixed order). The engine knows tokens and adapters; it knows
 * nothing of debates, prompts or votes.
 *
 * What it speaks of stands by subject in types/, and is imported from here.
 *
 * Letters in shapes: B rows, T positions, D hidden, H heads, K key/value heads, Dh head size, F intermediate,
 * V vocabulary, R rank.
 */
import type { AdapterConfig, AdapterId, AdapterWeights } from './types/adapters';
import type { EngineInfo, EngineReport, MemoryPlan } from './types/device';
import type { GenerateOptions, GenerateRequest, GenerateResult } from './types/generation';
import type { HostTensor, Projection } from './types/model';
import type { Grams, ScoreRequest } from './types/scoring';
import type { Objective, OptimiserState, TrainJob, TrainStepEvent, TrainTrack } from './types/training';

export * from './types/model';
export * from './types/adapters';
export * from './types/generation';
export * from './types/scoring';
export * from './types/training';
export * from './types/device';

/**
 * Everything is awaited in order: an engine runs one operation at a time and queues the rest. Every operation that computes rejects
 * with NonFiniteError when a number that it looks at is infinite or NaN (src/engine/finite.ts).
 */
export interface Engine {
  readonly info: EngineInfo;
  generate(requests: GenerateRequest[], options?: GenerateOptions): Promise<GenerateResult[]>;
  /** For each request the log-probability of ids[1], ids[2], … (length T − 1). */
  score(requests: ScoreRequest[]): Promise<Float32Array[]>;
  /** For each request the mean over its positions of the hidden state after the final norm [D]: a text's embedding. */
  embed(requests: ScoreRequest[]): Promise<Float32Array[]>;
  /**
   * For each request the reward [B]: the adapter's head times the hidden state of the last position after the final norm. Every
   * request names an adapter that carries a head.
   */
  reward(requests: ScoreRequest[]): Promise<Float32Array>;
  /**
   * Σ x xᵀ over all positions of all requests, for the inputs x of these projections in every layer. A request's sum is rounded to 32
   * bits, the requests are added up in 64. For merging by RegMean.
   * @throws RequestError on engines that give no inputs of layers (`givesGrams`), and for models too wide
   */
  grams(requests: ScoreRequest[], projections: readonly Projection[]): Promise<Grams>;
  /** Logits after every position, [T, V] row-major. For checks, not for societies. */
  logits(request: ScoreRequest): Promise<Float32Array>;
  /**
   * Trains in place; a step's event arrives after the adapters were updated. Leaving the loop early stops cleanly.
   * @throws NonFiniteError, DeadTrackError; the adapters are then where the failing step left them, and no event tells of it
   */
  train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void>;
  /** Gradient of the track's loss on its first batch, under the adapter's tensor names, nothing updated. For checks. */
  gradients(track: TrainTrack, objective?: Objective): Promise<{ loss: number; tensors: Map<string, HostTensor> }>;
  /** Optimiser state after the last step of `train` for this adapter, or null when it was not trained. */
  optimiserState(adapter: AdapterId): Promise<OptimiserState | null>;

  /** PEFT's initialisation: A kaiming-uniform(√5) from the seed (named draws per tensor), B zero. */
  createAdapter(id: AdapterId, config: AdapterConfig, seed: number): Promise<void>;
  importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void>;
  /** @throws NonFiniteError: what is not finite leaves no engine */
  exportAdapter(id: AdapterId): Promise<AdapterWeights>;
  copyAdapter(from: AdapterId, to: AdapterId): Promise<void>;
  deleteAdapter(id: AdapterId): Promise<void>;
  adapters(): AdapterId[];

  plan(): MemoryPlan;
  /** Engines without formats of weights have none. */
  report?(): Promise<EngineReport>;
  dispose(): Promise<void>;
}
