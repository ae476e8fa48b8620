/**
 * The exact engine: the Engine contract on WebAssembly SIMD, with the bits of the reference engine, on every machine. Passes are
 * those of the reference engine over another arithmetic.
 */
import type { ModelStream, ReadOptions } from '../stream';
import type { EngineOptions, ModelWeights } from '../types';
import { readHostModel } from '../reference/engine';
import { HostEngine, totalBytes } from '../reference/hostEngine';
import type { StartLane } from './laneMessages';
import { LanesCompute } from './lanes';
import { WasmCompute } from './wasmCompute';

/** For people. */
export const EXACT_DEVICE = 'WebAssembly SIMD';

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
    const { weights, errors, resolved } = await readHostModel(model, options, reading);
    const { config } = weights;
    return new ExactEngine({
      info: { kind: 'exact', device: EXACT_DEVICE, config, cache: resolved.cache },
      compute: workers
        ? await LanesCompute.create(workers.start, workers.count, weights, resolved)
        : await WasmCompute.create(weights, resolved),
      options,
      resolved,
      weightBytes: totalBytes(weights.tensors),
      errors,
    });
  }
}
