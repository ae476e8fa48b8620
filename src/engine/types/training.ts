/** Training: objectives, examples, jobs and what is heard of their steps. */
import type { AdapterId } from './adapters';
import type { HostTensor } from './model';

/**
 * What a track minimises in a step. `sft`: Σ w·nll / Σ |w| over the batch; a negative weight makes a token less probable.
 * `dpo`, `kto` and `rank` are defined in src/engine/objectives.ts; beta is the strength of the pull towards the reference, `desirable`
 * and `undesirable` are KTO's λ_D and λ_U. `rank` trains an adapter with a head, as a reward model; `margin` is by how much the chosen
 * text's reward is to exceed the other's, and the weights of its examples are of no account.
 */
export type Objective =
  | 'sft'
  | { kind: 'dpo'; beta: number }
  | { kind: 'kto'; beta: number; desirable: number; undesirable: number }
  | { kind: 'rank'; margin: number };

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
 * What one adapter learns from: its examples and, for each of its optimiser steps, which of them (indices). Batches of
 * DPO and rank hold indices of `pairs` instead.
 */
export interface TrainTrack {
  adapter: AdapterId;
  examples: TrainExample[];
  batches: number[][];
  /** DPO and rank only: indices of examples. */
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
