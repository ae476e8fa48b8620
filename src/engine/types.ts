/**
 * The contract of an engine: what the lab asks of whatever executes the transformer.
 *
 * Two implementations live beside this file: `WebGpuEngine` (WGSL kernels) and `ReferenceEngine` (plain
 * TypeScript, every operation rounded to 32 bits in a fixed order). The engine knows tokens and adapters; it knows
 * nothing of debates, prompts or votes.
 *
 * Letters in shapes: B rows, T positions, D hidden, H heads, K key/value heads, Dh head size, F intermediate,
 * V vocabulary, R rank.
 */

/** The seven linear projections of a decoder layer that can carry a LoRA adapter, in their fixed order. */
export const PROJECTIONS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
export type Projection = (typeof PROJECTIONS)[number];

/** Llama-3 frequency scaling of RoPE (transformers: `rope_scaling.rope_type == "llama3"`). */
export interface Llama3RopeScaling {
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  originalMaxPositions: number;
}

/** A Llama-shaped decoder as read from config.json. */
export interface ModelConfig {
  modelType: 'llama' | 'qwen2' | 'qwen3';
  /** D */
  hiddenSize: number;
  /** F */
  intermediateSize: number;
  numLayers: number;
  /** H */
  numHeads: number;
  /** K */
  numKvHeads: number;
  /** Dh; H·Dh need not be D (Qwen3). */
  headDim: number;
  /** V */
  vocabSize: number;
  rmsNormEps: number;
  ropeTheta: number;
  ropeScaling: Llama3RopeScaling | null;
  /** Bias on q, k and v (Qwen2). */
  qkvBias: boolean;
  /** RMSNorm per head on q and k before RoPE (Qwen3). */
  qkNorm: boolean;
  tieWordEmbeddings: boolean;
  maxPositions: number;
  bosTokenId: number | null;
  eosTokenIds: number[];
  /** Keys of config.json that were left out on the user's word; absent when there are none. */
  ignored?: readonly string[];
}

/** A model in host memory: every tensor under its Hugging Face name, widened to f32. */
export interface ModelWeights {
  config: ModelConfig;
  tensors: Map<string, HostTensor>;
}

export interface HostTensor {
  shape: number[];
  data: Float32Array;
}

/**
 * How the frozen weights of a model are kept on the device. int8 and int4 are symmetric in groups of 32 along the input
 * dimension with an f16 scale (8.5 and 4.5 bits a weight); norms and biases stay f32.
 */
export const WEIGHT_DTYPES = ['f32', 'f16', 'int8', 'int4'] as const;
export type WeightDtype = (typeof WEIGHT_DTYPES)[number];

/** How keys and values of generation and scoring are kept; f16 takes half, and rounds them to 11 bits. */
export const CACHE_DTYPES = ['f32', 'f16'] as const;
export type CacheDtype = (typeof CACHE_DTYPES)[number];

/** LoRA hyper-parameters (PEFT's names); the update is scaling · B(Ax) with scaling = alpha / rank. */
export interface AdapterConfig {
  rank: number;
  alpha: number;
  targets: Projection[];
  /** scaling = alpha / sqrt(rank) instead (rank-stabilised LoRA). */
  rslora?: boolean;
}

/** An adapter in host memory, tensors under PEFT's names (`base_model.model.model.layers.0.….lora_A.weight`). */
export interface AdapterWeights {
  config: AdapterConfig;
  tensors: Map<string, HostTensor>;
}

/** An adapter's name inside an engine, chosen by the caller, for example `generator-0`. */
export type AdapterId = string;

/**
 * Where a random stream starts: the draw for completion token t is Philox4x32-10 with
 * key = (seed low, seed high) and counter = (t, problem, agent | round << 16, iteration | stream << 16).
 */
export interface StreamKey {
  /** Non-negative integer below 2^53. */
  seed: number;
  /** Which kind of draw (see `STREAMS` in src/random.ts), below 2^16. */
  stream: number;
  iteration: number;
  agent: number;
  problem: number;
  round: number;
}

export interface SamplingSettings {
  /** 0 = greedy. */
  temperature: number;
  /** Keep the k most probable tokens; 0 = all. Ties with the k-th are kept. */
  topK: number;
  /** Keep the smallest set of most probable tokens with at least this mass; 1 = all. */
  topP: number;
  maxTokens: number;
  /** Sampling one of these ends the row; it is part of the returned ids. */
  stopIds: number[];
}

export interface GenerateRequest {
  /** Prompt, at least one id. */
  ids: ArrayLike<number>;
  adapter: AdapterId | null;
  sampling: SamplingSettings;
  key: StreamKey;
}

export interface GenerateResult {
  /** Sampled ids, the stop id included. */
  ids: number[];
  /** Natural log-probability of each sampled id under the full softmax at temperature 1. */
  logprobs: number[];
  /** Difference between the largest and second largest raw logit at each step. */
  margins: number[];
  finish: 'stop' | 'length';
}

export interface GenerateOptions {
  /** Called as ids become known on the host (several steps at once); `row` indexes the requests. */
  onTokens?: (row: number, ids: number[]) => void;
  /** Called once per row when it has ended. */
  onRow?: (row: number, result: GenerateResult) => void;
  signal?: AbortSignal;
}

export interface ScoreRequest {
  /** At least two ids. */
  ids: ArrayLike<number>;
  adapter: AdapterId | null;
}

/**
 * What a track minimises in a step. `sft`: Σ w·nll / Σ |w| over the batch; a negative weight makes a token less probable.
 * `dpo` and `kto` are defined in src/engine/objectives.ts; beta is the strength of the pull towards the reference, `desirable`
 * and `undesirable` are KTO's λ_D and λ_U.
 */
export type Objective =
  'sft' | { kind: 'dpo'; beta: number } | { kind: 'kto'; beta: number; desirable: number; undesirable: number };

/** One training sequence; `weights[t]` is the weight of predicting ids[t] from ids[0..t-1]; weights[0] is ignored. */
export interface TrainExample {
  ids: ArrayLike<number>;
  weights: ArrayLike<number>;
  /** DPO and KTO: Σ w·log p under the reference; absent = the engine scores it when the job begins. */
  reference?: number;
  /** KTO only, and there on every example of a batch. */
  desirable?: boolean;
}

/**
 * What one adapter learns from: its examples and, for each of its optimiser steps, which of them (indices). DPO's batches hold
 * indices of `pairs` instead.
 */
export interface TrainTrack {
  adapter: AdapterId;
  examples: TrainExample[];
  batches: number[][];
  /** DPO only: indices of examples. */
  pairs?: { chosen: number; rejected: number }[];
  /** KTO only: for each step, examples whose prompt and completion belong to different problems; they estimate its z. */
  mismatched?: number[][];
  /** DPO and KTO: which adapter is the reference; absent or null = the base. */
  reference?: AdapterId | null;
}

export interface OptimiserSettings {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  /** Decoupled (AdamW). */
  weightDecay: number;
  /**
   * lr(s) over a track's own S steps, s = 0.., W = warmupSteps: s/W·lr while s < W (as transformers does), then constant,
   * linear lr·(1 − (s−W)/(S−W)) or cosine lr·½(1 + cos π(s−W)/(S−W)).
   */
  schedule: 'constant' | 'linear' | 'cosine';
  warmupSteps: number;
  /** Largest global gradient norm of one adapter (torch.nn.utils.clip_grad_norm_); null = no clipping. */
  clip: number | null;
  /** Split every batch into this many micro-batches (same result, less memory). */
  accumulation: number;
}

export const DEFAULT_OPTIMISER: OptimiserSettings = {
  lr: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  schedule: 'constant',
  warmupSteps: 0,
  clip: null,
  accumulation: 1,
};

/**
 * A training job: one optimiser over several adapters at once. Step s trains every track that has more than s batches, all
 * their rows in one device batch. The loss of a track in a step is that of the job's objective on its batch.
 */
export interface TrainJob {
  objective: Objective;
  tracks: TrainTrack[];
  optimiser: OptimiserSettings;
  /** Continue from this step with the given optimiser states (from `TrainStep` checkpoints); default 0 and zeros. */
  resume?: { step: number; states: Map<AdapterId, OptimiserState> };
  signal?: AbortSignal;
}

/** AdamW's moments under the adapter's tensor names. */
export interface OptimiserState {
  step: number;
  m: Map<string, HostTensor>;
  v: Map<string, HostTensor>;
}

export interface TrainStepEvent {
  step: number;
  /** Largest number of steps of any track. */
  totalSteps: number;
  tracks: {
    adapter: AdapterId;
    loss: number;
    /** Before clipping. */
    gradNorm: number;
    lr: number;
    /** Completion tokens (weight not 0) in the sequences of the batch. */
    tokens: number;
  }[];
}

export interface EngineInfo {
  kind: 'webgpu' | 'reference' | 'torch';
  /** For people: adapter vendor and description, or "TypeScript, 32-bit". */
  device: string;
  config: ModelConfig;
  /** Of forward products (`EngineOptions.arithmetic` as it was resolved); absent = f32. */
  arithmetic?: 'f32' | 'f16';
  /** Of the keys and values of generation and scoring; absent = f32. */
  cache?: CacheDtype;
}

/** How far a packed tensor is from the file's. */
export interface TensorError {
  name: string;
  values: number;
  /** √(Σ (packed − original)² / Σ original²) */
  relative: number;
  /** Largest difference of any value. */
  largest: number;
  /** Numbers that were too large for f16 and became its largest: weights as f16, scales of groups as int8 and int4. */
  saturated: number;
}

/** What an engine found out while it loaded a model. */
export interface EngineReport {
  dtype: WeightDtype;
  /** Of the frozen weights on the device. */
  weightBytes: number;
  /** Of the keys and values of generation and scoring. */
  cache: CacheDtype;
  /** Of every tensor that was packed; empty for f32. */
  errors: TensorError[];
  /**
   * Numbers among keys and values that were finite, too large for f16 and stored as ±65504, since the engine was made. Tokens that were
   * computed past a row's end count, what was copied from another row does not. 0 where `cache` is f32.
   */
  cacheSaturated: number;
  /** Null when it was left out. */
  selfCheck: SelfCheck | null;
}

/** Logits of the first layers under the head, by the device and by the reference engine. */
export interface SelfCheck {
  layers: number;
  /** Positions compared. */
  tokens: number;
  /** ‖device − reference‖ / ‖reference‖ */
  error: number;
  /** From here on the model would have been refused. */
  bound: number;
}

/** Bytes a job needs on the device. */
export interface MemoryPlan {
  weights: number;
  kvCache: number;
  activations: number;
  adapters: number;
  optimiser: number;
  total: number;
}

export interface EngineOptions {
  /** Rows decoded together; more wait. */
  maxRows?: number;
  /** Adapter slots to make room for. */
  maxAdapters?: number;
  /** Largest rank of any adapter. */
  maxRank?: number;
  /** Longest sequence (prompt and completion); default the model's maxPositions, at most 1024. */
  maxLength?: number;
  /** Format of the frozen weights on the device; default f32. */
  dtype?: WeightDtype;
  /** Which kernels: those for software drivers, those for GPUs, or by the device's own account (default). */
  tiles?: 'auto' | 'cpu' | 'gpu';
  /**
   * How products with packed weights (f16, int8, int4) are computed forward: f16 rounds them to 11 bits and adds eight at a time in
   * f16, the rest in f32. Default: f16 where a GPU has it. Gradients, and products with f32 weights, are f32 always.
   */
  arithmetic?: 'auto' | 'f32' | 'f16';
  /**
   * Keys and values of generation and scoring: f16 rounds them to the nearest of 11 bits (beyond ±65504 to that, below 2^-14 to 0) as they
   * are stored, and a token attends to what is stored, its own key and value included. Sums in attention are f32, and so are the keys and
   * values of training. Default: f16 exactly where products are computed in f16 (packed weights, `arithmetic`), f32 elsewhere.
   * Any device can do either; PyTorch's engine keeps f32.
   */
  cache?: 'auto' | CacheDtype;
  /** Keep keys and values of what was computed for prompts that begin alike; the results are the same; default true. */
  prefixCache?: boolean;
  /** Compare a few tokens of the first layer with the reference engine when the model is loaded; default true. */
  selfCheck?: boolean;
}

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
