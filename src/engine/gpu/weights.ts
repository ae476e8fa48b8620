/** The frozen base model on the device: room for all of it is made first, then its tensors come in, in any order. */

import { EMBEDDING_NAME, HEAD_NAME, projectionName, tensorShapes } from '../config';
import { SafetensorsError } from '../errors';
import type { ModelStream, ReadOptions, TensorPiece } from '../stream';
import { PROJECTIONS, type ModelConfig, type Projection, type TensorError, type WeightDtype } from '../types';
import type { Gpu } from './device';
import { createMatrix, MatrixPacker, type WeightMatrix } from './matrix';

/** Frozen weights of one decoder layer; norms [D], projections [out, in], biases [out], q/k norms [Dh]. */
export interface DeviceLayer {
  inputNorm: GPUBuffer;
  postNorm: GPUBuffer;
  /** Only with qkNorm. */
  qNorm: GPUBuffer | null;
  kNorm: GPUBuffer | null;
  projections: Record<Projection, WeightMatrix>;
  /** q, k and v only, with qkvBias. */
  biases: Partial<Record<Projection, GPUBuffer>>;
}

export interface DeviceWeights {
  dtype: WeightDtype;
  /** [V, D] */
  embedding: WeightMatrix;
  /** [V, D]; the embedding itself when the head is tied. */
  head: WeightMatrix;
  /** [D] */
  norm: GPUBuffer;
  layers: DeviceLayer[];
  /** Of all of them, in bytes. */
  bytes: number;
  /** Error of every tensor that was packed; empty for f32. */
  errors: TensorError[];
}

/**
 * Reads the tensors to their places.
 * @param watch sees every piece on its way
 * @throws what the stream throws; as `Gpu.read`
 */
export async function fillRoom(
  gpu: Gpu,
  room: Room,
  stream: ModelStream,
  options: ReadOptions = {},
  watch: (piece: TensorPiece) => void = () => {},
): Promise<void> {
  const packer = new MatrixPacker(gpu);
  const sink = async (piece: TensorPiece): Promise<void> => {
    // A lost device swallows what is written: nobody should go on reading for it.
    gpu.check();
    watch(piece);
    await place(gpu, packer, room.tensors, piece);
  };
  try {
    await stream.read(sink, options);
    gpu.check();
    room.weights.errors = packer.errors;
  } finally {
    packer.dispose();
  }
}

/** Every matrix and vector by the name of its tensor. */
type Places = Map<string, WeightMatrix | GPUBuffer>;

/** Buffers for a model (projections, embedding and head in one format, norms and biases f32), and where its tensors go. */
export interface Room {
  weights: DeviceWeights;
  tensors: Places;
}

/** @throws RequestError (a width that the format cannot pack), MemoryPlanError (a tensor larger than a binding may be) */
export function makeRoom(gpu: Gpu, config: ModelConfig, dtype: WeightDtype): Room {
  const tensors: Places = new Map();
  let bytes = 0;
  for (const [name, shape] of tensorShapes(config)) {
    const [rows, columns] = shape as [number, number?];
    const place = columns === undefined ? gpu.buffer(name, rows * 4) : createMatrix(gpu, name, dtype, rows, columns);
    bytes += 'buffer' in place ? place.buffer.size : place.size;
    tensors.set(name, place);
  }
  const matrix = (name: string): WeightMatrix => tensors.get(name) as WeightMatrix;
  const vector = (name: string): GPUBuffer => tensors.get(name) as GPUBuffer;
  const layers = Array.from({ length: config.numLayers }, (_, layer): DeviceLayer => {
    const prefix = `model.layers.${layer}`;
    const projections = PROJECTIONS.map((name) => [name, matrix(projectionName(layer, name))]);
    const biased = config.qkvBias ? (['q_proj', 'k_proj', 'v_proj'] as const) : [];
    return {
      inputNorm: vector(`${prefix}.input_layernorm.weight`),
      postNorm: vector(`${prefix}.post_attention_layernorm.weight`),
      qNorm: config.qkNorm ? vector(`${prefix}.self_attn.q_norm.weight`) : null,
      kNorm: config.qkNorm ? vector(`${prefix}.self_attn.k_norm.weight`) : null,
      projections: Object.fromEntries(projections) as Record<Projection, WeightMatrix>,
      biases: Object.fromEntries(biased.map((name) => [name, vector(projectionName(layer, name, 'bias'))])),
    };
  });
  const embedding = matrix(EMBEDDING_NAME);
  const head = config.tieWordEmbeddings ? embedding : matrix(HEAD_NAME);
  const norm = vector('model.norm.weight');
  return { weights: { dtype, embedding, head, norm, layers, bytes, errors: [] }, tensors };
}

/** Puts some rows of a tensor where they belong. */
async function place(gpu: Gpu, packer: MatrixPacker, tensors: Places, piece: TensorPiece): Promise<void> {
  const { name, firstRow, data } = piece;
  const target = tensors.get(name);
  if (target === undefined) throw new SafetensorsError('model', `there is no place for a tensor ${name}`);
  if ('buffer' in target) await packer.write(name, target, firstRow, data);
  else gpu.write(target, data, firstRow * 4);
}
