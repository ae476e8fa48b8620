/** Views of weights and adapters by layer and projection, as the passes read them. */
import { EMBEDDING_NAME, HEAD_NAME, projectionName, projectionShape } from '../config';
import { adapterScaling, adapterTensorName } from '../peft';
import { PROJECTIONS } from '../types';
import type { FrozenTensor, FrozenWeights } from './packedTensor';
import type { AdapterWeights, CacheDtype, HostTensor, ModelConfig, Projection } from '../types';
import type { Arithmetic, Matrix } from './arithmetic';
import type { AttentionShape } from './attention';
import type { SaturationCount } from './quantise';
import { ropeTable, type RopeTable } from './rope';

/** A frozen linear layer: weight [outputs, inputs], bias [outputs]. */
export interface Linear {
  weight: Matrix;
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
  arithmetic: Arithmetic;
  config: ModelConfig;
  /** Of generation and scoring. */
  cache: CacheDtype;
  /** Of keys and values since it was made. */
  saturation: SaturationCount;
  attention: AttentionShape;
  rope: RopeTable;
  /** [V, D] */
  embedding: Matrix;
  layers: DecoderLayer[];
  norm: Float32Array;
  /** [V, D]; the embedding where the head is tied. */
  head: Matrix;
}

/** A: [R, inputs], B: [outputs, R]. */
export interface LoraPair<M = Matrix> {
  a: M;
  b: M;
}

/** Matrices of one layer, where the projection is a target. */
export type LoraLayer<M = Matrix> = Partial<Record<Projection, LoraPair<M>>>;

export interface LoadedAdapter {
  weights: AdapterWeights;
  rank: number;
  scaling: number;
  layers: LoraLayer[];
}

/** @param positions longest sequence */
export function decoderOf(
  weights: FrozenWeights,
  positions: number,
  cache: CacheDtype,
  arithmetic: Arithmetic,
): Decoder {
  const { config, tensors } = weights;
  const vector = (name: string): Float32Array => arithmetic.vector((tensors.get(name) as HostTensor).data);
  const matrix = (name: string): Matrix => arithmetic.frozen(tensors.get(name) as FrozenTensor);
  const { cos, sin } = ropeTable(config, positions);
  const embedding = matrix(EMBEDDING_NAME);
  return {
    arithmetic,
    config,
    cache,
    saturation: { saturated: 0 },
    attention: { heads: config.numHeads, kvHeads: config.numKvHeads, headDim: config.headDim },
    rope: { cos: arithmetic.vector(cos), sin: arithmetic.vector(sin) },
    embedding,
    layers: Array.from({ length: config.numLayers }, (_, layer) => decoderLayer(config, layer, vector, matrix)),
    norm: vector('model.norm.weight'),
    head: config.tieWordEmbeddings ? embedding : matrix(HEAD_NAME),
  };
}

function decoderLayer(
  config: ModelConfig,
  layer: number,
  vector: (name: string) => Float32Array,
  matrix: (name: string) => Matrix,
): DecoderLayer {
  const prefix = `model.layers.${layer}`;
  const linear = (projection: Projection): Linear => {
    const [outputs, inputs] = projectionShape(config, projection);
    const biased = config.qkvBias && 'qkv'.includes(projection[0] as string);
    return {
      weight: matrix(projectionName(layer, projection)),
      bias: biased ? vector(projectionName(layer, projection, 'bias')) : null,
      inputs,
      outputs,
    };
  };
  return {
    inputNorm: vector(`${prefix}.input_layernorm.weight`),
    postAttentionNorm: vector(`${prefix}.post_attention_layernorm.weight`),
    qNorm: config.qkNorm ? vector(`${prefix}.self_attn.q_norm.weight`) : null,
    kNorm: config.qkNorm ? vector(`${prefix}.self_attn.k_norm.weight`) : null,
    projections: Object.fromEntries(PROJECTIONS.map((name) => [name, linear(name)])) as Record<Projection, Linear>,
  };
}

/**
 * An adapter's matrices as the arithmetic keeps them: in plain TypeScript the adapter's own arrays, so that training changes both.
 * @param before the adapter with the same configuration and other weights, whose room is used again
 */
export function loadedAdapter(
  arithmetic: Arithmetic,
  model: ModelConfig,
  weights: AdapterWeights,
  before?: LoadedAdapter,
): LoadedAdapter {
  const { config, tensors } = weights;
  const matrix = (tensor: HostTensor, known: Matrix | undefined): Matrix =>
    arithmetic.matrix(tensor.data, tensor.shape[0] as number, tensor.shape[1] as number, known);
  const layers = loraLayers(model, config.targets, (layer, projection) => {
    const known = before?.layers[layer]?.[projection];
    return {
      a: matrix(tensors.get(adapterTensorName(layer, projection, 'A')) as HostTensor, known?.a),
      b: matrix(tensors.get(adapterTensorName(layer, projection, 'B')) as HostTensor, known?.b),
    };
  });
  return { weights, rank: config.rank, scaling: adapterScaling(config), layers };
}

/** What belongs to each target of an adapter, by layer. */
export function loraLayers<M>(
  { numLayers }: ModelConfig,
  targets: readonly Projection[],
  pairOf: (layer: number, projection: Projection) => LoraPair<M>,
): LoraLayer<M>[] {
  return Array.from({ length: numLayers }, (_, layer) => {
    const pairs: LoraLayer<M> = {};
    for (const projection of targets) pairs[projection] = pairOf(layer, projection);
    return pairs;
  });
}
