/**
 * The exact engine: the Engine contract on WebAssembly SIMD, with the bits of the reference engine, on every machine. Passes are
 * those of the reference engine over another arithmetic.
 */
import type { ModelStream, ReadOptions } from '../stream';
import { frozenBytes, type FrozenWeights } from '../reference/packedTensor';
import type { EngineOptions, ModelWeights } from '../types';
import { EXACT_DEVICE } from './device';
import type { Compute, ComputeOptions } from '../reference/compute';
import { HostEngine } from '../reference/hostEngine';
import type { StartLane } from './laneMessages';
import { LanesCompute } from './lanes';
import { readExactModel } from './readModel';
import { modelBytes } from './room';
import { WasmCompute } from './wasmCompute';

/** Threads that compute. */
export interface Workers {
  /** From 1 on; results do not depend on it. */
  count: number;
  start: StartLane;
}

export class ExactEngine extends HostEngine {
  /**
   * Weights in memory are copied. A stream is collected, packed on its way.
   * @param workers null: everything is computed in this thread
   * @throws RequestError for impossible options, MemoryPlanError when there is no memory for the model, what the stream throws
   */
  static async create(
    model: ModelWeights | ModelStream,
    options: EngineOptions = {},
    reading: ReadOptions = {},
    workers: Workers | null = null,
  ): Promise<ExactEngine> {
    const { weights, errors, resolved } = await readExactModel(model, options, reading);
    const { config } = weights;
    return new ExactEngine({
      info: { kind: 'exact', device: EXACT_DEVICE, config, cache: resolved.cache },
      compute: await computeOf(weights, resolved, workers),
      options,
      resolved,
      weightBytes: [...weights.tensors.values()].reduce((sum, tensor) => sum + frozenBytes(tensor), 0),
      errors,
    });
  }
}

/** Of all threads together: each has the weights. */
const MOST_BYTES = 2 * 2 ** 30;

/** As many threads as there is memory for. */
function computeOf(weights: FrozenWeights, options: ComputeOptions, workers: Workers | null): Promise<Compute> {
  const each = modelBytes(weights, { ...options, maxRows: Math.ceil(options.maxRows / (workers?.count ?? 1)) });
  const count = Math.min(workers?.count ?? 1, Math.floor(MOST_BYTES / each));
  if (workers === null || count <= 1) return WasmCompute.create(weights, options);
  return LanesCompute.create(workers.start, count, weights, options);
}
