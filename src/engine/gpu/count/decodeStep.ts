/** What a decode step of a model asks of a device, counted from the program that the engine records for it. */
import { decoderSizes, MOST_STEPS_PER_READ } from '../../buffers';
import { PROJECTIONS, type CacheDtype, type ModelConfig, type WeightDtype } from '../../types';
import { Decoder } from '../decoder';
import type { ForwardParts } from '../forward';
import type { KernelName } from '../kernels';
import { adapterDtype } from '../../plan';
import { AdapterStore } from '../adapters';
import { makeRoom } from '../weights';
import { countingGpu, Tally } from './countingGpu';
import { trafficOf, type Traffic } from './traffic';

export interface DecodeShape {
  dtype: WeightDtype;
  cache: CacheDtype;
  /** Rows that decode together. */
  rows: number;
  /** Adapters among them, each on all projections; 0 = none. */
  adapters: number;
  rank: number;
  /** Keys that each row attends to. */
  keys: number;
  /** Kernels for software drivers, not those for GPUs. */
  isCpu: boolean;
  /** Bytes of a binding of the device; default as many as are asked for. */
  bindingLimit?: number;
  /** Of products with packed weights; default what such a device has at best. */
  arithmetic?: 'f32' | 'f16';
}

/** Of one step of all rows. */
export interface DecodeCount {
  dispatches: number;
  /** Submissions to the queue of one round of `steps` steps and the read after it. */
  submissions: number;
  steps: number;
  /** Moved, by what they are of. */
  bytes: Record<Exclude<keyof Traffic, 'operations'> | 'total', number>;
  /** What a step moves at least of weights, adapters, keys and values: each once, as it lies in memory. */
  least: number;
  operations: number;
  /** Bytes of the largest buffer: one binding has to hold it. */
  largest: number;
  /** Storage buffers of a dispatch at most. */
  storageBuffers: number;
  /** Dispatches by kernel. */
  kernels: Partial<Record<KernelName, number>>;
}

/** Counts a step that draws from all tokens. */
export async function countDecodeStep(config: ModelConfig, shape: DecodeShape): Promise<DecodeCount> {
  const { rows, adapters, keys } = shape;
  const tally = new Tally();
  const parts = countedParts(tally, config, shape);
  const read = { ...parts, adapters: parts.adapters.decoding };
  const decoder = new Decoder(read, decoderSizes(config, rows, keys + 1, shape.cache), MOST_STEPS_PER_READ);
  const all = Array.from({ length: rows }, (_, row) => row);
  const targets = new Set(adapters > 0 ? PROJECTIONS : []);
  tally.clear();
  decoder.decode(all, 1, targets, keys);
  const once = [...tally.dispatches];
  tally.clear();
  decoder.decode(all, MOST_STEPS_PER_READ, targets, keys);
  await decoder.sampledInSteps(rows, MOST_STEPS_PER_READ);

  const sum: Traffic = { weights: 0, adapters: 0, cache: 0, activations: 0, operations: 0 };
  const kernels: DecodeCount['kernels'] = {};
  for (const dispatch of once) {
    const traffic = trafficOf(dispatch, { adapters: Math.min(rows, adapters), keys });
    for (const name of Object.keys(sum) as (keyof Traffic)[]) sum[name] += traffic[name];
    kernels[dispatch.kernel] = (kernels[dispatch.kernel] ?? 0) + 1;
  }
  const { operations, ...moved } = sum;
  return {
    operations,
    least: leastBytes(config, shape, parts.gpu.arithmetic),
    largest: tally.largest,
    storageBuffers: Math.max(...once.map(({ sizes }) => sizes.length)),
    bytes: { ...moved, total: moved.weights + moved.adapters + moved.cache + moved.activations },
    dispatches: once.length,
    submissions: tally.submissions,
    steps: MOST_STEPS_PER_READ,
    kernels,
  };
}

/** Bytes of the weights, of the adapters among the rows, and of keys and values with those that the step adds. */
function leastBytes(
  config: ModelConfig,
  { dtype, cache, rows, adapters, rank, keys }: DecodeShape,
  arithmetic: 'f32' | 'f16',
): number {
  const { hiddenSize: D, intermediateSize: F, numLayers, numHeads, numKvHeads, headDim, qkvBias, qkNorm } = config;
  const [Q, K] = [numHeads * headDim, numKvHeads * headDim];
  const matrices = numLayers * (D * (Q + 2 * K) + Q * D + 3 * D * F) + D * config.vocabSize;
  const vectors = D + numLayers * (2 * D + (qkvBias ? Q + 2 * K : 0) + (qkNorm ? 2 * headDim : 0));
  const weights = matrices * BYTES_OF_WEIGHT[dtype] + 4 * vectors;
  const narrow = numLayers * rank * (D + Q + 2 * (D + K) + (Q + D) + 3 * (D + F));
  const read = adapterDtype({ dtype }, arithmetic) === 'f16' ? 2 : 4;
  const stored = 2 * numLayers * rows * (keys + 1) * K * (cache === 'f16' ? 2 : 4);
  return weights + Math.min(rows, adapters) * narrow * read + stored;
}

/** Scales of int8 and int4 are f16, one for 32 weights. */
const BYTES_OF_WEIGHT: Record<WeightDtype, number> = { f32: 4, f16: 2, int8: 1 + 2 / 32, int4: 0.5 + 2 / 32 };

/** The parts of a forward pass on a device that counts. */
export function countedParts(
  tally: Tally,
  config: ModelConfig,
  {
    dtype,
    rank,
    isCpu,
    adapters,
    bindingLimit,
    arithmetic,
  }: Pick<DecodeShape, 'dtype' | 'rank' | 'isCpu' | 'adapters' | 'bindingLimit' | 'arithmetic'>,
): ForwardParts & { adapters: AdapterStore } {
  const gpu = countingGpu(tally, isCpu, bindingLimit, arithmetic);
  const { weights } = makeRoom(gpu, config, dtype);
  const format = adapterDtype({ dtype }, gpu.arithmetic);
  const pool = new AdapterStore(gpu, config, { maxAdapters: adapters, maxRank: rank, adapterDtype: format });
  return { gpu, config, weights, adapters: pool, turns: gpu.buffer('turns', 4), saturated: gpu.buffer('saturated', 4) };
}
