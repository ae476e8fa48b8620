/** The frozen base model on the device: room for all of it is made first, then its tensors come in, in any order. */

import { headNormNames, stackName, weightBuffers } from '../weightBuffers';
import { EMBEDDING_NAME, HEAD_NAME, projectionName, type StackName } from '../config';
import { stackedRows } from '../matrixLayout';
import { SafetensorsError } from '../errors';
import type { ModelStream, ReadOptions, TensorPiece } from '../stream';
import { PROJECTIONS, type ModelConfig, type Projection, type TensorError, type WeightDtype } from '../types';
import type { Gpu } from './device';
import { createStack, MatrixPacker, type MatrixStack, type TallMatrix, type WeightMatrix } from './matrix';
import type { Binding } from './program';

/** Frozen weights of one decoder layer; norms [D], projections [out, in], biases [out], q/k norms [Dh]. */
export interface DeviceLayer {
  inputNorm: GPUBuffer;
  postNorm: GPUBuffer;
  /** Only with qkNorm. */
  qNorm: Binding | null;
  kNorm: Binding | null;
  projections: Record<Projection, WeightMatrix>;
  /** q, k and v only, with qkvBias. */
  biases: Partial<Record<Projection, Binding>>;
  /** What these are parts of; a stack that is too large for a buffer is not there. */
  stacks: Record<StackName, MatrixStack | null>;
  qkvBias: GPUBuffer | null;
  /** Both gains: qNorm's, then from the next multiple of STACK_ROWS numbers kNorm's. */
  headNorms: GPUBuffer | null;
}

export interface DeviceWeights {
  dtype: WeightDtype;
  /** [V, D] */
  embedding: TallMatrix;
  /** [V, D]; the embedding itself when the head is tied. */
  head: TallMatrix;
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
type Places = Map<string, TallMatrix | VectorPlace>;

interface VectorPlace {
  vector: GPUBuffer;
  /** Byte at which it begins. */
  offset: number;
  binding: Binding;
}

/** Buffers for a model (projections, embedding and head in one format, norms and biases f32), and where its tensors go. */
export interface Room {
  weights: DeviceWeights;
  tensors: Places;
}

/** @throws RequestError (a width that the format cannot pack), MemoryPlanError (a tensor larger than a binding may be) */
export function makeRoom(gpu: Gpu, config: ModelConfig, dtype: WeightDtype): Room {
  const tensors: Places = new Map();
  const stacks = new Map<string, MatrixStack>();
  const vectors = new Map<string, GPUBuffer>();
  let bytes = 0;
  for (const { name, columns, tensors: parts } of weightBuffers(config, dtype, gpu.bufferLimit)) {
    const rows = parts.map((part) => part.rows);
    if (columns === undefined) {
      const buffer = makeVectors(gpu, name, parts, tensors);
      vectors.set(name, buffer);
      bytes += buffer.size;
      continue;
    }
    const stack = createStack(gpu, name, dtype, rows, columns);
    parts.forEach((part, i) => addBlock(tensors, part, stack.parts[i] as WeightMatrix));
    stacks.set(name, stack);
    bytes += stack.whole.buffer.size;
  }
  const tall = (name: string): TallMatrix => tensors.get(name) as TallMatrix;
  const matrix = (name: string): WeightMatrix => tall(name).blocks[0]?.matrix as WeightMatrix;
  const part = (name: string): Binding => (tensors.get(name) as VectorPlace).binding;
  const vector = (name: string): GPUBuffer => vectors.get(name) as GPUBuffer;
  const layers = Array.from({ length: config.numLayers }, (_, layer): DeviceLayer => {
    const prefix = `model.layers.${layer}`;
    const projections = PROJECTIONS.map((name) => [name, matrix(projectionName(layer, name))]);
    const biased = config.qkvBias ? (['q_proj', 'k_proj', 'v_proj'] as const) : [];
    return {
      inputNorm: vector(`${prefix}.input_layernorm.weight`),
      postNorm: vector(`${prefix}.post_attention_layernorm.weight`),
      qNorm: config.qkNorm ? part(headNormNames(layer)[0]) : null,
      kNorm: config.qkNorm ? part(headNormNames(layer)[1]) : null,
      projections: Object.fromEntries(projections) as Record<Projection, WeightMatrix>,
      biases: Object.fromEntries(biased.map((name) => [name, part(projectionName(layer, name, 'bias'))])),
      stacks: {
        qkv: stacks.get(stackName(layer, 'qkv')) ?? null,
        gateUp: stacks.get(stackName(layer, 'gateUp')) ?? null,
      },
      qkvBias: vectors.get(stackName(layer, 'qkv', 'bias')) ?? null,
      headNorms: vectors.get(`norms per head of layer ${layer}`) ?? null,
    };
  });
  const embedding = tall(EMBEDDING_NAME);
  const head = config.tieWordEmbeddings ? embedding : tall(HEAD_NAME);
  const norm = vector('model.norm.weight');
  return { weights: { dtype, embedding, head, norm, layers, bytes, errors: [] }, tensors };
}

/** Notes where some rows of a matrix lie; blocks come in order. */
function addBlock(
  places: Places,
  { name, firstRow = 0 }: { name: string; firstRow?: number },
  own: WeightMatrix,
): void {
  const known = places.get(name);
  const blocks = known && 'blocks' in known ? known.blocks : [];
  const { columns, dtype } = own;
  blocks.push({ matrix: own, firstRow });
  places.set(name, { rows: firstRow + own.rows, columns, dtype, blocks });
}

/** A buffer of one or several vectors. */
function makeVectors(gpu: Gpu, name: string, parts: { name: string; rows: number }[], places: Places): GPUBuffer {
  const firsts = stackedRows(parts.map(({ rows }) => rows));
  const vector = gpu.buffer(name, (firsts[parts.length] as number) * 4);
  parts.forEach((part, i) => {
    const offset = (firsts[i] as number) * 4;
    const binding = parts.length === 1 ? vector : { buffer: vector, offset, size: part.rows * 4 };
    places.set(part.name, { vector, offset, binding });
  });
  return vector;
}

/** Puts some rows of a tensor where they belong. */
async function place(gpu: Gpu, packer: MatrixPacker, tensors: Places, piece: TensorPiece): Promise<void> {
  const { name, firstRow, data } = piece;
  const target = tensors.get(name);
  if (target === undefined) throw new SafetensorsError('model', `there is no place for a tensor ${name}`);
  if ('blocks' in target) await placeRows(packer, target, piece);
  else gpu.write(target.vector, data, target.offset + firstRow * 4);
}

/** Rows of a piece to the blocks that have them. */
async function placeRows(packer: MatrixPacker, { blocks, columns }: TallMatrix, piece: TensorPiece): Promise<void> {
  const { name, firstRow, data } = piece;
  const end = firstRow + data.length / columns;
  for (const { matrix, firstRow: first } of blocks) {
    const [from, to] = [Math.max(firstRow, first), Math.min(end, first + matrix.rows)];
    if (from >= to) continue;
    const own = data.subarray((from - firstRow) * columns, (to - firstRow) * columns);
    await packer.write(name, matrix, from - first, own);
  }
}
