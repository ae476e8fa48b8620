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
}

/** Of one step of all rows. */
export interface DecodeCount {
  dispatches: number;
  /** Submissions to the queue of one round of `steps` steps and the read after it. */
  submissions: number;
  steps: number;
  /** Moved, by what they are of. */
  bytes: Record<Exclude<keyof Traffic, 'operations'> | 'total', number>;
  operations: number;
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
    bytes: { ...moved, total: moved.weights + moved.adapters + moved.cache + moved.activations },
    dispatches: once.length,
    submissions: tally.submissions,
    steps: MOST_STEPS_PER_READ,
    kernels,
  };
}

/** The parts of a forward pass on a device that counts. */
export function countedParts(
  tally: Tally,
  config: ModelConfig,
  { dtype, rank, isCpu, adapters }: Pick<DecodeShape, 'dtype' | 'rank' | 'isCpu' | 'adapters'>,
): ForwardParts & { adapters: AdapterStore } {
  const gpu = countingGpu(tally, isCpu);
  const { weights } = makeRoom(gpu, config, dtype);
  const format = adapterDtype({ dtype }, gpu.arithmetic);
  const pool = new AdapterStore(gpu, config, { maxAdapters: adapters, maxRank: rank, adapterDtype: format });
  return { gpu, config, weights, adapters: pool, turns: gpu.buffer('turns', 4), saturated: gpu.buffer('saturated', 4) };
}
