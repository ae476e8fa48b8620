/** Models: their shape and their weights in host memory. Letters of shapes are those of ../types.ts. */

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
