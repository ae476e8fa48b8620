/**
 * The reference engine: the Engine contract in plain TypeScript. Every operation is rounded to 32 bits in a fixed order, so
 * the same bytes come out of every JavaScript engine; it is the oracle of the GPU kernels and, bit for bit, of the exact engine.
 */
import { cacheDtype } from '../plan';
import { resolveMaxLength } from '../requests';
import { collect, type ModelStream, type ReadOptions } from '../stream';
import type { EngineOptions, ModelConfig, ModelWeights, TensorError } from '../types';
import { LocalCompute, type ComputeOptions } from './compute';
import { HostEngine, totalBytes } from './hostEngine';
import { plainArithmetic } from './plain';
import { PackingErrors, quantiseStream, quantiseWeights } from './quantise';

const DEFAULT_MAX_ROWS = 32;

/** Weights as a host engine computes with them, and its options resolved. */
export interface HostModel {
  weights: ModelWeights;
  errors: TensorError[];
  resolved: ComputeOptions;
}

/**
 * Weights in memory are read, never written, and not copied; with another dtype than f32 an engine computes in f32 with a copy
 * of them that was packed and unpacked. A stream is collected, packed on its way.
 * @param reading of a stream: progress, cancellation
 * @throws RequestError for impossible options, MemoryPlanError when the host has no memory for a stream's tensors, what the
 *   stream throws
 */
export async function readHostModel(
  model: ModelWeights | ModelStream,
  options: EngineOptions,
  reading: ReadOptions,
): Promise<HostModel> {
  const dtype = options.dtype ?? 'f32';
  const resolved = resolveHost(model.config, options);
  const packing = new PackingErrors();
  const weights =
    'read' in model
      ? await collect(quantiseStream(model, dtype, packing), reading)
      : quantiseWeights(model, dtype, packing);
  return { weights, errors: packing.errors, resolved };
}

/** Options of a host engine with their defaults. @throws RequestError for impossible ones */
export function resolveHost(config: ModelConfig, options: EngineOptions): ComputeOptions {
  const maxLength = resolveMaxLength(config, options);
  const maxRows = Math.max(1, options.maxRows ?? DEFAULT_MAX_ROWS);
  return { maxRows, maxLength, cache: cacheDtype(options, 'f32') };
}

export class ReferenceEngine extends HostEngine {
  /** See `readHostModel`; keys and values where `cache` is f16 are rounded and computed with in f32. */
  static async create(
    model: ModelWeights | ModelStream,
    options: EngineOptions = {},
    reading: ReadOptions = {},
  ): Promise<ReferenceEngine> {
    const { weights, errors, resolved } = await readHostModel(model, options, reading);
    const { config } = weights;
    return new ReferenceEngine({
      info: { kind: 'reference', device: 'TypeScript, 32-bit', config, cache: resolved.cache },
      compute: new LocalCompute(plainArithmetic(), weights, resolved),
      options,
      resolved,
      weightBytes: totalBytes(weights.tensors),
      errors,
    });
  }
}
