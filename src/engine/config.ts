/**
 * config.json → ModelConfig. What this engine does not do is refused by name: a model that loads is computed as
 * transformers computes it (modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py).
 */
import { ConfigError } from './errors';
import { PROJECTIONS, type Llama3RopeScaling, type ModelConfig, type Projection } from './types';

/** Architectures this engine runs, as config.json names them. */
export const ARCHITECTURES = {
  LlamaForCausalLM: 'llama',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
} as const;

type Fields = Record<string, unknown>;

/**
 * Checks the parsed config.json of a model.
 *
 * @param json the parsed file; both `rope_theta` / `rope_scaling` (transformers 4) and `rope_parameters`
 *   (transformers 5) are understood
 * @param file the file's name, for messages
 * @throws ConfigError naming the file and the first thing that is missing, malformed or not supported
 */
export function parseModelConfig(json: unknown, file: string): ModelConfig {
  if (!isRecord(json)) throw new ConfigError(file, 'is not a JSON object');
  const modelType = readArchitecture(json, file);
  refuseUnsupported(json, modelType, file);

  const hiddenSize = integer(json, 'hidden_size', file);
  const numHeads = integer(json, 'num_attention_heads', file);
  const numKvHeads = integer(json, 'num_key_value_heads', file, numHeads);
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(
      file,
      `num_attention_heads ${numHeads} is not a multiple of num_key_value_heads ${numKvHeads}`,
    );
  }
  // Defaults are those of each family's configuration class in transformers.
  const headDim = readHeadDim(json, modelType, hiddenSize, numHeads, file);
  const rope = readRope(json, file);
  return {
    modelType,
    hiddenSize,
    intermediateSize: integer(json, 'intermediate_size', file),
    numLayers: integer(json, 'num_hidden_layers', file),
    numHeads,
    numKvHeads,
    headDim,
    vocabSize: integer(json, 'vocab_size', file),
    rmsNormEps: positive(json, 'rms_norm_eps', file, 1e-6),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    qkvBias: modelType === 'qwen2',
    qkNorm: modelType === 'qwen3',
    tieWordEmbeddings: boolean(json, 'tie_word_embeddings', file, false),
    maxPositions: integer(json, 'max_position_embeddings', file, modelType === 'llama' ? 2048 : 32768),
    bosTokenId: readTokenId(json, 'bos_token_id', file),
    eosTokenIds: readTokenIds(json, 'eos_token_id', file),
  };
}

/**
 * End tokens that generation_config.json names besides those of config.json: chat models that end a turn with one token may end
 * a text with another (Qwen2.5: <|im_end|> and <|endoftext|>). What is no id of the vocabulary counts as nothing.
 */
export function withGenerationConfig(config: ModelConfig, json: unknown): ModelConfig {
  const value = isRecord(json) ? json.eos_token_id : undefined;
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  const known = ids.filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);
  const eosTokenIds = [...config.eosTokenIds, ...known.filter((id) => id < config.vocabSize)];
  return { ...config, eosTokenIds: [...new Set(eosTokenIds)] };
}

/** [out, in] of a projection's weight. */
export function projectionShape(config: ModelConfig, projection: Projection): [outputs: number, inputs: number] {
  const { hiddenSize: D, intermediateSize: F } = config;
  const queries = config.numHeads * config.headDim;
  const keys = config.numKvHeads * config.headDim;
  switch (projection) {
    case 'q_proj':
      return [queries, D];
    case 'k_proj':
    case 'v_proj':
      return [keys, D];
    case 'o_proj':
      return [D, queries];
    case 'gate_proj':
    case 'up_proj':
      return [F, D];
    case 'down_proj':
      return [D, F];
  }
}

/** Path of a projection inside its layer: `self_attn.q_proj`, `mlp.up_proj`. */
export function projectionPath(projection: Projection): string {
  return `${'qkvo'.includes(projection[0] as string) ? 'self_attn' : 'mlp'}.${projection}`;
}

/** Name of a projection's weight (or bias) in a Hugging Face checkpoint. */
export function projectionName(layer: number, projection: Projection, part: 'weight' | 'bias' = 'weight'): string {
  return `model.layers.${layer}.${projectionPath(projection)}.${part}`;
}

/** Names of the embedding and of an untied head in a Hugging Face checkpoint. */
export const EMBEDDING_NAME = 'model.embed_tokens.weight';
export const HEAD_NAME = 'lm_head.weight';

/** Name and shape of every tensor that a model of this configuration needs; with a tied head there is no lm_head. */
export function tensorShapes(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: D, vocabSize: V, headDim: Dh } = config;
  const shapes = new Map<string, number[]>([[EMBEDDING_NAME, [V, D]]]);
  for (let layer = 0; layer < config.numLayers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [D]);
    for (const projection of PROJECTIONS) {
      const shape = projectionShape(config, projection);
      shapes.set(projectionName(layer, projection), shape);
      if (config.qkvBias && 'qkv'.includes(projection[0] as string)) {
        shapes.set(projectionName(layer, projection, 'bias'), [shape[0]]);
      }
    }
    if (config.qkNorm) {
      shapes.set(`${prefix}.self_attn.q_norm.weight`, [Dh]);
      shapes.set(`${prefix}.self_attn.k_norm.weight`, [Dh]);
    }
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [D]);
  }
  shapes.set('model.norm.weight', [D]);
  if (!config.tieWordEmbeddings) shapes.set(HEAD_NAME, [V, D]);
  return shapes;
}

function readArchitecture(json: Fields, file: string): ModelConfig['modelType'] {
  const known = Object.keys(ARCHITECTURES).join(', ');
  const name: unknown = Array.isArray(json.architectures) ? json.architectures[0] : undefined;
  if (typeof name !== 'string') throw new ConfigError(file, `has no "architectures" (known: ${known})`);
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    throw new ConfigError(file, `architecture ${name} is not supported (known: ${known})`);
  }
  return ARCHITECTURES[name as keyof typeof ARCHITECTURES];
}

function refuseUnsupported(json: Fields, modelType: string, file: string): void {
  const refuse = (what: string): never => {
    throw new ConfigError(file, `${what} is not supported`);
  };
  // MLX writes its own key beside or instead of the usual one.
  if (isRecord(json.quantization)) refuse('a quantised checkpoint (quantization, as MLX writes it)');
  if (isSet(json.quantization_config)) {
    const method = isRecord(json.quantization_config) ? String(json.quantization_config.quant_method ?? '') : '';
    refuse(`a quantised checkpoint (quantization_config${method ? ` ${method}` : ''})`);
  }
  const act = json.hidden_act ?? 'silu';
  if (act !== 'silu') refuse(`hidden_act ${JSON.stringify(act)} (only "silu")`);
  if (json.use_sliding_window === true && isSet(json.sliding_window)) refuse('a sliding window in use');
  if (Array.isArray(json.layer_types)) {
    const other: unknown = json.layer_types.find((type) => type !== 'full_attention');
    if (other !== undefined) refuse(`layer type ${JSON.stringify(other)} (only "full_attention")`);
  }
  // Qwen2 always has q, k and v biases and has no such switch; elsewhere the switch also puts a bias on o_proj.
  if (modelType !== 'qwen2' && json.attention_bias === true) refuse('attention_bias');
  if (json.mlp_bias === true) refuse('mlp_bias');
  if (isSet(json.partial_rotary_factor) && json.partial_rotary_factor !== 1) refuse('partial_rotary_factor');
}

function readHeadDim(
  json: Fields,
  modelType: ModelConfig['modelType'],
  hiddenSize: number,
  numHeads: number,
  file: string,
): number {
  let headDim: number;
  if (isSet(json.head_dim)) {
    headDim = integer(json, 'head_dim', file);
  } else if (modelType === 'qwen3') {
    headDim = 128;
  } else {
    headDim = hiddenSize / numHeads;
    if (!Number.isInteger(headDim)) {
      throw new ConfigError(file, `hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numHeads}`);
    }
  }
  if (headDim % 2 !== 0) throw new ConfigError(file, `head_dim ${headDim} is odd; RoPE needs pairs`);
  return headDim;
}

/** RoPE from `rope_parameters` (transformers 5) or from `rope_theta` and `rope_scaling` (transformers 4). */
function readRope(json: Fields, file: string): { theta: number; scaling: Llama3RopeScaling | null } {
  const key = isSet(json.rope_parameters) ? 'rope_parameters' : 'rope_scaling';
  const fields = json[key];
  if (isSet(fields) && !isRecord(fields)) throw new ConfigError(file, `"${key}" is not an object`);
  const parameters: Fields = isRecord(fields) ? fields : {};
  const theta = isSet(parameters.rope_theta)
    ? positive(parameters, 'rope_theta', file)
    : positive(json, 'rope_theta', file, 10000);
  if (isSet(parameters.partial_rotary_factor) && parameters.partial_rotary_factor !== 1) {
    throw new ConfigError(file, 'partial_rotary_factor is not supported');
  }
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  if (type === 'default') return { theta, scaling: null };
  if (type !== 'llama3') {
    throw new ConfigError(file, `RoPE type ${JSON.stringify(type)} is not supported (only "default" and "llama3")`);
  }
  const scaling: Llama3RopeScaling = {
    factor: positive(parameters, 'factor', file),
    lowFreqFactor: positive(parameters, 'low_freq_factor', file),
    highFreqFactor: positive(parameters, 'high_freq_factor', file),
    originalMaxPositions: positive(parameters, 'original_max_position_embeddings', file),
  };
  if (scaling.highFreqFactor <= scaling.lowFreqFactor) {
    throw new ConfigError(file, `"${key}" has a high_freq_factor that is not above low_freq_factor`);
  }
  return { theta, scaling };
}

function readTokenId(json: Fields, key: string, file: string): number | null {
  const ids = readTokenIds(json, key, file);
  return ids[0] ?? null;
}

function readTokenIds(json: Fields, key: string, file: string): number[] {
  const value = json[key];
  if (!isSet(value)) return [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  for (const id of ids) {
    if (!Number.isInteger(id) || (id as number) < 0) throw new ConfigError(file, `"${key}" is not a token id`);
  }
  return ids as number[];
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function integer(json: Fields, key: string, file: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (value === undefined) throw new ConfigError(file, `has no "${key}"`);
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw new ConfigError(file, `"${key}" is ${JSON.stringify(value)}, not a positive integer`);
  }
  return value as number;
}

function positive(json: Fields, key: string, file: string, fallback?: number): number {
  const value = json[key] ?? fallback;
  if (value === undefined) throw new ConfigError(file, `has no "${key}"`);
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new ConfigError(file, `"${key}" is ${JSON.stringify(value)}, not a positive number`);
  }
  return value;
}

function boolean(json: Fields, key: string, file: string, fallback: boolean): boolean {
  const value = json[key] ?? fallback;
  if (typeof value !== 'boolean')
    throw new ConfigError(file, `"${key}" is ${JSON.stringify(value)}, not true or false`);
  return value;
}
