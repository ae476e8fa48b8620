/**
 * config.json → ModelConfig. What this engine does not do is refused by name: a model that loads is computed as
 * transformers computes it (modeling_llama.py, modeling_qwen2.py, modeling_qwen3.py).
 */
import { checkKeys, MODEL_KEYS, refuseNonFinite, withoutKeys } from './configKeys';
import { boolean, count, isRecord, isSet, positive, shown, type Fields } from './configValues';
import { ConfigError, UnknownKeysError } from './errors';
import { HARMLESS_MODEL_KEYS } from './harmlessKeys';
import { jsonObject, type JsonFile } from './json';
import { checkLimit, MODEL_LIMITS } from './limits';
import { readRope } from './rope';
import { PROJECTIONS, type ModelConfig, type Projection } from './types';

/** Architectures this engine runs, as config.json names them. */
export const ARCHITECTURES = {
  LlamaForCausalLM: 'llama',
  Qwen2ForCausalLM: 'qwen2',
  Qwen3ForCausalLM: 'qwen3',
} as const;

/** How a configuration is read. */
export interface ConfigOptions {
  /** Keys to be left out as if they were not there: the visitor's choice. A dot leads into an object (`rope_scaling.mscale`). */
  ignore?: readonly string[];
}

/**
 * Checks the parsed config.json of a model. Keys that are read have to make sense, keys of `harmlessKeys.ts` pass, every other key is
 * refused by name, whatever its value.
 *
 * @param json the parsed file, or its value alone; both `rope_theta` / `rope_scaling` (transformers 4) and `rope_parameters`
 *   (transformers 5) are understood
 * @param file the file's name, for messages
 * @throws ConfigError naming the file and what is missing, malformed or not supported; UnknownKeysError
 */
export function parseModelConfig(json: unknown, file: string, options: ConfigOptions = {}): ModelConfig {
  return readModelConfig({ value: json, lines: new Map(), nonFinite: [] }, file, options);
}

/** As `parseModelConfig`, of a file that was read with `readJson`: faults are reported by line. */
export function readModelConfig(read: JsonFile, file: string, { ignore = [] }: ConfigOptions = {}): ModelConfig {
  const { fields: json, ignored } = withoutKeys(jsonObject(read.value, file), ignore);
  const modelType = readArchitecture(json, file);
  refuseUnsupported(json, modelType, file);
  checkKeys(json, MODEL_KEYS, HARMLESS_MODEL_KEYS, read.lines, file);
  refuseNonFinite(read, json, (key) => !Object.hasOwn(HARMLESS_MODEL_KEYS, key), file);

  const hiddenSize = count(json, 'hidden_size', MODEL_LIMITS.hidden, file);
  const numHeads = count(json, 'num_attention_heads', MODEL_LIMITS.heads, file);
  const numKvHeads = count(json, 'num_key_value_heads', MODEL_LIMITS.heads, file, numHeads);
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(
      file,
      `num_attention_heads ${numHeads} is not a multiple of num_key_value_heads ${numKvHeads}`,
    );
  }
  // Defaults are those of each family's configuration class in transformers.
  const headDim = readHeadDim(json, modelType, hiddenSize, numHeads, file);
  const rope = readRope(json, file);
  const numLayers = count(json, 'num_hidden_layers', MODEL_LIMITS.layers, file);
  checkLayerTypes(json.layer_types, numLayers, file);
  return {
    modelType,
    hiddenSize,
    intermediateSize: count(json, 'intermediate_size', MODEL_LIMITS.intermediate, file),
    numLayers,
    numHeads,
    numKvHeads,
    headDim,
    vocabSize: count(json, 'vocab_size', MODEL_LIMITS.vocabulary, file),
    rmsNormEps: positive(json, 'rms_norm_eps', file, { fallback: 1e-6, max: 1 }),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    qkvBias: modelType === 'qwen2',
    qkNorm: modelType === 'qwen3',
    tieWordEmbeddings: boolean(json, 'tie_word_embeddings', file, false),
    maxPositions: count(
      json,
      'max_position_embeddings',
      MODEL_LIMITS.positions,
      file,
      modelType === 'llama' ? 2048 : 32768,
    ),
    bosTokenId: readTokenIds(json, 'bos_token_id', file)[0] ?? null,
    eosTokenIds: readTokenIds(json, 'eos_token_id', file),
    ...(ignored.length > 0 && { ignored }),
  };
}

/**
 * End tokens that generation_config.json names besides those of config.json: chat models that end a turn with one token may end
 * a text with another (Qwen2.5: <|im_end|> and <|endoftext|>). An id above the vocabulary never comes and counts as nothing. The rest
 * of the file are settings of sampling, and the lab sets its own.
 *
 * @throws ConfigError when the file holds no object, or end tokens that are no token ids
 */
export function withGenerationConfig(config: ModelConfig, json: unknown, file: string): ModelConfig {
  const ids = readTokenIds(jsonObject(json, file), 'eos_token_id', file);
  const eosTokenIds = [...config.eosTokenIds, ...ids.filter((id) => id < config.vocabSize)];
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
/** Projections that read the same hidden states: their matrices are kept as one. */
export const STACKS = {
  qkv: ['q_proj', 'k_proj', 'v_proj'],
  gateUp: ['gate_proj', 'up_proj'],
} as const satisfies Record<string, readonly Projection[]>;
export type StackName = keyof typeof STACKS;
export const STACK_NAMES = Object.keys(STACKS) as StackName[];

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
  const names: unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  const name = names[0];
  if (names.some((other) => other !== name)) {
    throw new ConfigError(
      file,
      `"architectures" names several (${names.slice(0, 4).map(String).join(', ')}); one is known`,
    );
  }
  if (typeof name !== 'string') throw new ConfigError(file, `has no "architectures" (known: ${known})`);
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    throw new ConfigError(file, `architecture ${name} is not supported (known: ${known})`);
  }
  return ARCHITECTURES[name as keyof typeof ARCHITECTURES];
}

function refuseUnsupported(json: Fields, modelType: ModelConfig['modelType'], file: string): void {
  const refuse = (what: string, key: string): never => {
    throw new UnknownKeysError(file, `${what} is not supported; choose another copy of the model`, [key]);
  };
  for (const key of ['quantization_config', 'compression_config', 'quantization']) {
    const value = json[key];
    if (!isSet(value)) continue;
    const method = isRecord(value) ? String(value.quant_method ?? '') : '';
    refuse(`a quantised checkpoint (${key}${method ? ` ${method}` : ''})`, key);
  }
  const { model_type: type = modelType, hidden_act: act = 'silu' } = json;
  if (type !== modelType) {
    const problem = `model_type ${shown(type)} does not go with this architecture (${modelType}); get the file again`;
    throw new ConfigError(file, problem);
  }
  if (act !== 'silu') refuse(`hidden_act ${JSON.stringify(act)} (only "silu")`, 'hidden_act');
  const inUse = boolean(json, 'use_sliding_window', file, false);
  // Qwen's classes have a switch for the window; without one it is in use.
  if (isSet(json.sliding_window) && (inUse || modelType === 'llama'))
    refuse('a sliding window in use', 'sliding_window');
  // Qwen2 always has q, k and v biases and has no such switch; elsewhere the switch also puts a bias on o_proj.
  const bias = boolean(json, 'attention_bias', file, false);
  if (modelType !== 'qwen2' && bias) refuse('attention_bias', 'attention_bias');
  if (boolean(json, 'mlp_bias', file, false)) refuse('mlp_bias', 'mlp_bias');
  const partial = json.partial_rotary_factor;
  if (isSet(partial) && partial !== 1) refuse('partial_rotary_factor', 'partial_rotary_factor');
}

function checkLayerTypes(types: unknown, numLayers: number, file: string): void {
  if (!isSet(types)) return;
  if (!Array.isArray(types)) throw new UnknownKeysError(file, '"layer_types" is not a list', ['layer_types']);
  const other: unknown = types.find((type) => type !== 'full_attention');
  if (other !== undefined) {
    const what = `layer type ${JSON.stringify(other)} (only "full_attention")`;
    throw new UnknownKeysError(file, `${what} is not supported; choose another model`, ['layer_types']);
  }
  if (types.length !== numLayers) {
    const problem = `"layer_types" names ${types.length} layers, num_hidden_layers is ${numLayers}`;
    throw new UnknownKeysError(file, problem, ['layer_types']);
  }
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
    headDim = count(json, 'head_dim', MODEL_LIMITS.headDim, file);
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

function readTokenIds(json: Fields, key: string, file: string): number[] {
  const value = json[key];
  if (!isSet(value)) return [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  checkLimit(ids.length, MODEL_LIMITS.endTokens, (problem) => new ConfigError(file, `"${key}": ${problem}`));
  for (const id of ids) {
    if (!Number.isSafeInteger(id) || (id as number) < 0) {
      throw new ConfigError(file, `"${key}" holds ${JSON.stringify(id)}, which is not a token id`);
    }
  }
  return ids as number[];
}
