/** Views of weights and adapters by layer and projection, as the passes read them. */
import { EMBEDDING_NAME, HEAD_NAME, projectionName, projectionShape } from '../config';
import { adapterScaling, adapterTensorName } from '../peft';
import { PROJECTIONS } from '../types';
import type { AdapterWeights, CacheDtype, HostTensor, ModelConfig, ModelWeights, Projection } from '../types';
import type { AttentionShape } from './attention';
import type { SaturationCount } from './quantise';
import { ropeTable, type RopeTable } from './rope';

/** A frozen linear layer: weight [outputs, inputs], bias [outputs]. */
export interface Linear {
  weight: Float32Array;
  bias: Float32Array | null;
  inputs: number;
  outputs: number;
}

export interface DecoderLayer {
  inputNorm: Float32Array;
  postAttentionNorm: Float32Array;
  qNorm: Float32Array | null;
  kNorm: Float32Array | null;
  projections: Record<Projection, Linear>;
}

export interface Decoder {
  config: ModelConfig;
  /** Of generation and scoring. */
  cache: CacheDtype;
  /** Of keys and values since it was made. */
  saturation: SaturationCount;
  attention: AttentionShape;
  rope: RopeTable;
  /** [V, D] */
  embedding: Float32Array;
  layers: DecoderLayer[];
  norm: Float32Array;
  /** [V, D]; the embedding where the head is tied. */
  head: Float32Array;
}

/** A: [R, inputs], B: [outputs, R]. */
export interface LoraPair {
  a: Float32Array;
  b: Float32Array;
}

/** Matrices of one layer, where the projection is a target. */
export type LoraLayer = Partial<Record<Projection, LoraPair>>;

export interface LoadedAdapter {
  weights: AdapterWeights;
  rank: number;
  scaling: number;
  layers: LoraLayer[];
}

/** @param positions longest sequence */
export function decoderOf(weights: ModelWeights, positions: number, cache: CacheDtype): Decoder {
  const { config, tensors } = weights;
  const data = (name: string): Float32Array => (tensors.get(name) as HostTensor).data;
  const embedding = data(EMBEDDING_NAME);
  return {
    config,
    cache,
    saturation: { saturated: 0 },
    attention: { heads: config.numHeads, kvHeads: config.numKvHeads, headDim: config.headDim },
    rope: ropeTable(config, positions),
    embedding,
    layers: Array.from({ length: config.numLayers }, (_, layer) => decoderLayer(config, layer, data)),
    norm: data('model.norm.weight'),
    head: config.tieWordEmbeddings ? embedding : data(HEAD_NAME),
  };
}

function decoderLayer(config: ModelConfig, layer: number, data: (name: string) => Float32Array): DecoderLayer {
  const prefix = `model.layers.${layer}`;
  const linear = (projection: Projection): Linear => {
    const [outputs, inputs] = projectionShape(config, projection);
    const biased = config.qkvBias && 'qkv'.includes(projection[0] as string);
    return {
      weight: data(projectionName(layer, projection)),
      bias: biased ? data(projectionName(layer, projection, 'bias')) : null,
      inputs,
      outputs,
    };
  };
  return {
    inputNorm: data(`${prefix}.input_layernorm.weight`),
    postAttentionNorm: data(`${prefix}.post_attention_layernorm.weight`),
    qNorm: config.qkNorm ? data(`${prefix}.self_attn.q_norm.weight`) : null,
    kNorm: config.qkNorm ? data(`${prefix}.self_attn.k_norm.weight`) : null,
    projections: Object.fromEntries(PROJECTIONS.map((name) => [name, linear(name)])) as Record<Projection, Linear>,
  };
}

/** Views into the adapter's own arrays: training through them changes the adapter. */
export function loadedAdapter(config: ModelConfig, weights: AdapterWeights): LoadedAdapter {
  return {
    weights,
    rank: weights.config.rank,
    scaling: adapterScaling(weights.config),
    layers: loraLayers(config, weights.config.targets, weights.tensors),
  };
}

/** The same by-layer view over any tensors under the adapter's names, for example gradients. */
export function loraLayers(
  config: ModelConfig,
  targets: readonly Projection[],
  tensors: ReadonlyMap<string, HostTensor>,
): LoraLayer[] {
  return Array.from({ length: config.numLayers }, (_, layer) => {
    const pairs: LoraLayer = {};
    for (const projection of targets) {
      pairs[projection] = {
        a: (tensors.get(adapterTensorName(layer, projection, 'A')) as HostTensor).data,
        b: (tensors.get(adapterTensorName(layer, projection, 'B')) as HostTensor).data,
      };
    }
    return pairs;
  });
}
