/** LoRA adapters. */
import type { HostTensor, Projection } from './model';

/** LoRA hyper-parameters (PEFT's names); the update is scaling · B(Ax) with scaling = alpha / rank. */
export interface AdapterConfig {
  rank: number;
  alpha: number;
  targets: Projection[];
  /** scaling = alpha / sqrt(rank) instead (rank-stabilised LoRA). */
  rslora?: boolean;
  /** It carries a vector [1, D] as well, the head that `reward` multiplies a text's last hidden state with. */
  head?: boolean;
}

/** An adapter in host memory, tensors under PEFT's names (`base_model.model.model.layers.0.….lora_A.weight`). */
export interface AdapterWeights {
  config: AdapterConfig;
  tensors: Map<string, HostTensor>;
}

/** An adapter's name inside an engine, chosen by the caller, for example `generator-0`. */
export type AdapterId = string;
