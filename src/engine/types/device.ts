/** Engines as such: what they are, what they keep where, and with which options they are made. */
import type { ModelConfig, WeightDtype } from './model';

/** How keys and values of generation and scoring are kept; f16 takes half, and rounds them to 11 bits. */
export const CACHE_DTYPES = ['f32', 'f16'] as const;
export type CacheDtype = (typeof CACHE_DTYPES)[number];

/** How adapters lie where generation and scoring read them; what is trained is f32. */
export type AdapterDtype = 'f32' | 'f16';

export interface EngineInfo {
  kind: 'webgpu' | 'exact' | 'reference' | 'torch';
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
   * f16, the rest in f32. Generation and scoring then read a copy of the adapters whose weights are f16, multiplied in f32. Default:
   * f16 where a GPU has it. Gradients, and products with f32 weights, are f32 always, and so are adapters that learn.
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
