/**
 * LoRA adapters in PEFT's directory format (https://huggingface.co/docs/peft/developer_guides/checkpoint):
 * adapter_config.json and adapter_model.safetensors, and PEFT's initialisation from a seed.
 */
import { drawWords, philox, STREAMS, uniformFromWord } from '../random';
import { projectionPath, projectionShape } from './config';
import { AdapterError } from './errors';
import { firstNonFinite } from './finite';
import { readJson } from './json';
import { aboveLimit, MODEL_LIMITS } from './limits';
import { checkAdapterConfig, HEAD_MODULES, HEAD_TASK, readAdapterConfig } from './peftConfig';
import { label, type FileSource } from './source';
import { readSafetensors, writeSafetensors } from './safetensors';
import { PROJECTIONS } from './types';
import type { AdapterConfig, AdapterWeights, HostTensor, ModelConfig, Projection } from './types';

export const ADAPTER_CONFIG_FILE = 'adapter_config.json';
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';

/** The two files of an adapter directory. */
export type AdapterFiles = Record<typeof ADAPTER_CONFIG_FILE | typeof ADAPTER_WEIGHTS_FILE, Uint8Array<ArrayBuffer>>;

/** Name of an adapter tensor in PEFT's files; A is [R, in], B is [out, R]. */
export function adapterTensorName(layer: number, projection: Projection, matrix: 'A' | 'B'): string {
  return `base_model.model.model.layers.${layer}.${projectionPath(projection)}.lora_${matrix}.weight`;
}

const LORA_TENSOR = /^base_model\.model\.model\.layers\.\d+\.(\w+\.\w+)\.lora_([AB])\.weight$/;

/** Name of an adapter's head [1, D]: what a model for classification of sequences with one label calls its score. */
export const HEAD_TENSOR = 'base_model.model.score.weight';

/** Name and shape of every tensor of an adapter, layer by layer, projections in their fixed order, A before B; the head last. */
export function adapterShapes(model: ModelConfig, adapter: AdapterConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  for (let layer = 0; layer < model.numLayers; layer++) {
    for (const projection of PROJECTIONS) {
      if (!adapter.targets.includes(projection)) continue;
      const [outputs, inputs] = projectionShape(model, projection);
      shapes.set(adapterTensorName(layer, projection, 'A'), [adapter.rank, inputs]);
      shapes.set(adapterTensorName(layer, projection, 'B'), [outputs, adapter.rank]);
    }
  }
  if (adapter.head === true) shapes.set(HEAD_TENSOR, [1, model.hiddenSize]);
  return shapes;
}

/** Factor of B(Ax): alpha / rank, or alpha / √rank for a rank-stabilised adapter; rounded to f32. */
export function adapterScaling(adapter: AdapterConfig): number {
  return Math.fround(adapter.alpha / (adapter.rslora === true ? Math.sqrt(adapter.rank) : adapter.rank));
}

/** @throws AdapterError when a tensor is missing, superfluous, of another shape or not finite */
export function checkAdapter(model: ModelConfig, weights: AdapterWeights, what = 'adapter'): void {
  checkAdapterConfig(weights.config, what);
  const shapes = adapterShapes(model, weights.config);
  for (const [name, shape] of shapes) {
    const tensor = weights.tensors.get(name);
    if (tensor === undefined) {
      throw new AdapterError(`${what}: tensor ${name} is missing${namedOtherwise(name, [...weights.tensors.keys()])}`);
    }
    if (tensor.shape.join() !== shape.join() || tensor.data.length !== shape[0] * shape[1]) {
      throw new AdapterError(
        `${what}: tensor ${name} has shape [${tensor.shape.join(', ')}], model and rank ask for [${shape.join(', ')}]`,
      );
    }
    const at = firstNonFinite(tensor.data);
    if (at >= 0) {
      const [row, column] = [Math.floor(at / shape[1]), at % shape[1]];
      throw new AdapterError(
        `${what}: tensor ${name} is ${tensor.data[at]} at [${row}, ${column}]; train the adapter again with a lower learning rate (lr)`,
      );
    }
  }
  for (const name of weights.tensors.keys()) {
    if (!shapes.has(name))
      throw new AdapterError(
        `${what}: tensor ${name} belongs to no target projection of the model and is no head of this adapter`,
      );
  }
}

/** As far as an adapter can be checked without its model. @throws AdapterError */
function checkAlone({ config, tensors }: AdapterWeights, what: string): void {
  const paths = config.targets.map((target) => projectionPath(target));
  const refuse = (name: string, problem: string): never => {
    throw new AdapterError(`${what}: tensor ${name} ${problem}`);
  };
  for (const [name, { shape, data }] of tensors) {
    const [, path = '', matrix] = LORA_TENSOR.exec(name) ?? [];
    const isHead = name === HEAD_TENSOR && config.head === true;
    if (!isHead && !paths.includes(path))
      refuse(name, 'belongs to no target projection and is no head of this adapter');
    const wanted = isHead ? 1 : config.rank;
    if (shape.length !== 2 || shape[matrix === 'B' ? 1 : 0] !== wanted)
      refuse(name, `has shape [${shape.join(', ')}], which does not fit the rank ${config.rank}`);
    const other = name.replace(/lora_([AB])/, (_, one) => (one === 'A' ? 'lora_B' : 'lora_A'));
    if (!tensors.has(other)) refuse(other, 'is missing');
    const at = firstNonFinite(data);
    if (at >= 0) refuse(name, `is ${data[at]} at element ${at}`);
  }
}

/** What the tensors' names begin with in place of PEFT's prefix, and what to do; '' when no name is alike. */
function namedOtherwise(wanted: string, names: readonly string[]): string {
  const core = wanted.slice(wanted.indexOf('layers.'));
  const found = names.find((name) => name.endsWith(core));
  if (found === undefined) return '';
  const usual = wanted.slice(0, wanted.length - core.length);
  const prefix = found.slice(0, found.length - core.length);
  return `; the names here begin with "${prefix}", PEFT's with "${usual}": save the adapter with PEFT's save_pretrained`;
}

/**
 * PEFT's initialisation: A ~ U(−b, b) with b = √(6 / ((1 + 5)·in)) = 1/√in, as kaiming_uniform_(a = √5) gives; B = 0.
 *
 * Element i of the A of layer l, projection p (index in PROJECTIONS) is the draw named (seed, stream adapterInit,
 * problem 7l + p), token ⌊i/4⌋, word i mod 4: another rank or target list never shifts another tensor's numbers.
 *
 * A head is drawn in the same way, as a linear layer of PyTorch begins: U(−1/√D, 1/√D), as the tensor after the last layer's.
 *
 * @param seed non-negative integer below 2^53
 */
export function initAdapter(model: ModelConfig, adapter: AdapterConfig, seed: number): AdapterWeights {
  checkAdapterConfig(adapter);
  const tensors = new Map<string, HostTensor>();
  for (let layer = 0; layer < model.numLayers; layer++) {
    PROJECTIONS.forEach((projection, index) => {
      if (!adapter.targets.includes(projection)) return;
      const [outputs, inputs] = projectionShape(model, projection);
      tensors.set(adapterTensorName(layer, projection, 'A'), {
        shape: [adapter.rank, inputs],
        data: uniformMatrix(adapter.rank * inputs, inputs, seed, layer * PROJECTIONS.length + index),
      });
      tensors.set(adapterTensorName(layer, projection, 'B'), {
        shape: [outputs, adapter.rank],
        data: new Float32Array(outputs * adapter.rank),
      });
    });
  }
  if (adapter.head === true) {
    const { hiddenSize: D, numLayers } = model;
    const data = uniformMatrix(D, D, seed, numLayers * PROJECTIONS.length);
    tensors.set(HEAD_TENSOR, { shape: [1, D], data });
  }
  return { config: copyConfig(adapter), tensors };
}

function uniformMatrix(length: number, inputs: number, seed: number, tensor: number): Float32Array {
  const bound = Math.fround(1 / Math.sqrt(inputs));
  const data = new Float32Array(length);
  for (let i = 0; i < length; i += 4) {
    const words = philox(...drawWords({ seed, stream: STREAMS.adapterInit, problem: tensor }, i >> 2));
    for (let k = 0; k < 4 && i + k < length; k++) {
      data[i + k] = Math.fround(2 * uniformFromWord(words[k]) - 1) * bound;
    }
  }
  return data;
}

/**
 * The same adapter with its tensors in the order of `adapterShapes`, whatever the order in which a file held them: sums over all tensors
 * (norms of gradients) depend on it in their last bits.
 */
export function orderedAdapter(model: ModelConfig, { config, tensors }: AdapterWeights): AdapterWeights {
  const ordered = new Map<string, HostTensor>();
  for (const name of adapterShapes(model, config).keys()) {
    const tensor = tensors.get(name);
    if (tensor) ordered.set(name, tensor);
  }
  return { config, tensors: ordered };
}

/** Deep copy: engines train in place, and nobody's arrays but their own. */
export function copyAdapterWeights(weights: AdapterWeights): AdapterWeights {
  const tensors = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of weights.tensors)
    tensors.set(name, { shape: shape.slice(), data: data.slice() });
  return { config: copyConfig(weights.config), tensors };
}

/** An adapter directory. @throws FileError, AdapterError, SafetensorsError, WeightValueError */
export async function loadAdapter(source: FileSource, model: ModelConfig): Promise<AdapterWeights> {
  const config = await source.read(ADAPTER_CONFIG_FILE);
  const problem = aboveLimit((await source.size?.(ADAPTER_WEIGHTS_FILE)) ?? 0, MODEL_LIMITS.adapterBytes);
  if (problem !== null) throw new AdapterError(`${label(source, ADAPTER_WEIGHTS_FILE)}: ${problem}`);
  const weights = await source.read(ADAPTER_WEIGHTS_FILE);
  return parseAdapter(config, weights, model, source.name);
}

/**
 * Reads the two files of an adapter directory and checks them against the model.
 *
 * @param model null: it is not at hand, and only names, shapes of A and B and numbers are checked
 * @param name the directory, for messages
 * @throws ConfigError (adapter_config.json is not JSON), AdapterError, SafetensorsError, WeightValueError
 */
export function parseAdapter(
  configBytes: Uint8Array,
  weightBytes: Uint8Array,
  model: ModelConfig | null,
  name: string,
): AdapterWeights {
  const source = { name } as FileSource;
  const configFile = label(source, ADAPTER_CONFIG_FILE);
  const weightsFile = label(source, ADAPTER_WEIGHTS_FILE);
  const config = readAdapterConfig(readJson(configBytes, configFile), configFile);
  const tensors = new Map<string, HostTensor>();
  for (const [key, tensor] of readSafetensors(weightBytes, weightsFile)) {
    // PEFT in memory names the adapter ("default"); its files usually, not always, leave that out.
    const plain = key
      .replace(/\.(lora_[AB])\.default\.weight$/, '.$1.weight')
      .replace(/\.score\.modules_to_save\.(default\.)?weight$/, '.score.weight');
    if (tensors.has(plain)) throw new AdapterError(`${weightsFile}: tensor ${plain} is there twice, once as ${key}`);
    tensors.set(plain, { shape: tensor.shape, data: tensor.data.slice() });
  }
  if (model) checkAdapter(model, { config, tensors }, weightsFile);
  else checkAlone({ config, tensors }, weightsFile);
  return { config, tensors };
}

/**
 * The directory's two files, as PEFT writes and loads them.
 *
 * @param model checks the adapter against it first, when given
 * @param baseModel path or repository of the base, if known
 * @throws AdapterError when the adapter does not fit the model
 */
export function serialiseAdapter(
  weights: AdapterWeights,
  model: ModelConfig | null = null,
  baseModel: string | null = null,
): AdapterFiles {
  if (model !== null) checkAdapter(model, weights);
  const { rank, alpha, targets, rslora, head } = weights.config;
  const config = {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_dropout: 0,
    modules_to_save: head === true ? HEAD_MODULES : null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: {},
    revision: null,
    target_modules: PROJECTIONS.filter((projection) => targets.includes(projection)),
    task_type: head === true ? HEAD_TASK : 'CAUSAL_LM',
    use_dora: false,
    use_rslora: rslora === true,
  };
  return {
    [ADAPTER_CONFIG_FILE]: new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`),
    [ADAPTER_WEIGHTS_FILE]: writeSafetensors(weights.tensors),
  };
}

function copyConfig(config: AdapterConfig): AdapterConfig {
  return { ...config, targets: config.targets.slice() };
}
