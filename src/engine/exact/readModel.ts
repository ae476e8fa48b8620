/** A model as the exact engine keeps it: f32 and f16 as numbers of 32 bits, int8 and int4 as packed codes, packed on their way. */
import { tensorShapes } from '../config';
import { MemoryPlanError } from '../errors';
import {
  emptyPacked,
  isPacked,
  packRows,
  type FrozenTensor,
  type FrozenWeights,
  type IntegerDtype,
} from '../reference/packedTensor';
import type { ComputeOptions } from '../reference/compute';
import { readHostModel, resolveHost } from '../reference/engine';
import { PackingErrors, quantiseStream } from '../reference/quantise';
import type { ModelStream, ReadOptions } from '../stream';
import type { EngineOptions, HostTensor, ModelWeights, TensorError } from '../types';

export interface ExactModel {
  weights: FrozenWeights;
  errors: TensorError[];
  resolved: ComputeOptions;
}

/** @throws RequestError for impossible options, MemoryPlanError when there is no memory for a tensor, what a stream throws */
export async function readExactModel(
  model: ModelWeights | ModelStream,
  options: EngineOptions,
  reading: ReadOptions,
): Promise<ExactModel> {
  const dtype = options.dtype ?? 'f32';
  if (dtype !== 'int8' && dtype !== 'int4') return readHostModel(model, options, reading);
  const resolved = resolveHost(model.config, options);
  const packing = new PackingErrors();
  const stream = 'read' in model ? model : streamOf(model);
  return {
    weights: await collectPacked(quantiseStream(stream, dtype, packing), dtype, reading),
    errors: packing.errors,
    resolved,
  };
}

/** Weights in memory, one tensor a piece. */
function streamOf({ config, tensors }: ModelWeights): ModelStream {
  return {
    config,
    bytes: 0,
    hash: null,
    async read(sink) {
      for (const name of tensorShapes(config).keys()) {
        const { shape, data } = tensors.get(name) as HostTensor;
        await sink({ name, shape, firstRow: 0, data });
      }
    },
  };
}

async function collectPacked(stream: ModelStream, dtype: IntegerDtype, reading: ReadOptions): Promise<FrozenWeights> {
  const tensors = new Map<string, FrozenTensor>();
  await stream.read(({ name, shape, firstRow, data }) => {
    const tensor = tensors.get(name) ?? roomFor(name, shape, dtype);
    tensors.set(name, tensor);
    if (isPacked(tensor)) packRows(tensor, firstRow, data);
    else tensor.data.set(data, firstRow * (tensor.data.length / (shape[0] as number)));
  }, reading);
  return { config: stream.config, tensors };
}

function roomFor(name: string, shape: number[], dtype: IntegerDtype): FrozenTensor {
  const [rows, columns] = shape as [number, number?];
  if (columns === undefined) return { shape, data: new Float32Array(rows) };
  try {
    return emptyPacked(rows, columns, dtype);
  } catch (cause) {
    throw new MemoryPlanError(`there is no memory for ${name} in ${dtype}: choose a smaller model`, { cause });
  }
}
