/**
 * What a step of the engine must read and compute, and how long that takes at least: the larger of bytes / copy bandwidth and
 * operations / peak. Attention's arithmetic is left out: short sequences make it small beside the projections.
 */
import { adapterSizes, cachedTokenBytes } from '../engine/buffers';
import { projectionShape } from '../engine/config';
import { DEFAULT_MEMORY, keptLayers } from '../engine/plan';
import { PROJECTIONS, type AdapterDtype, type CacheDtype, type ModelConfig, type WeightDtype } from '../engine/types';
import { weightSizes } from '../engine/weightBuffers';

/** What a device can do at most. */
export interface Ceilings {
  device: string;
  /** A software driver stands in for a GPU. */
  software: boolean;
  /** Bytes read and written in a second by a copy of `copyBytes`. */
  copyBandwidth: number;
  copyBytes: number;
  /** f32 operations in a second from registers; a multiplication with an addition is two. */
  peak: number;
  /** Operations in a second of the engine's Y = X·Wᵀ, 1024 × 1024 × 1024, W in the model's format; null where it is not measured. */
  gemm: number | null;
}

export interface Work {
  bytes: number;
  operations: number;
}

/** Parameters that multiply an activation. */
export interface Multiplying {
  layers: number;
  head: number;
  /** One adapter on all projections. */
  adapter: number;
}

export function multiplyingParameters(config: ModelConfig, rank: number): Multiplying {
  const counts = { layers: 0, head: config.vocabSize * config.hiddenSize, adapter: 0 };
  for (const projection of PROJECTIONS) {
    const [outputs, inputs] = projectionShape(config, projection);
    counts.layers += config.numLayers * outputs * inputs;
    counts.adapter += config.numLayers * rank * (outputs + inputs);
  }
  return counts;
}

/** What one model's steps cost; `rank` of its adapters, all of them on all projections. */
export class Roofline {
  readonly parameters: Multiplying;
  /** Bytes of the weights that a step reads; of an embedding that is not the head it reads a few rows. */
  private readonly weightBytes: number;

  constructor(
    private readonly config: ModelConfig,
    private readonly formats: { dtype: WeightDtype; cache: CacheDtype; adapters: AdapterDtype },
    private readonly rank: number,
  ) {
    this.parameters = multiplyingParameters(config, rank);
    const sizes = weightSizes(config, formats.dtype);
    const read = Object.entries(sizes).filter(([name]) => config.tieWordEmbeddings || !name.includes('embed_tokens'));
    this.weightBytes = read.reduce((sum, [, bytes]) => sum + bytes, 0);
  }

  /**
   * One decode step of `rows` rows at best: weights once, adapters once each, keys and values of `position` tokens a row. What the engine
   * reads is counted by gpu/count: weights once for up to 16 rows with f16 products, or 8, and once more for each further block.
   */
  decodeStep(rows: number, adapters: number, position: number): Work {
    const { layers, head, adapter } = this.parameters;
    const cache = rows * position * cachedTokenBytes(this.config, this.formats.cache);
    return {
      bytes: this.weightBytes + adapters * this.readBytes + cache,
      operations: 2 * rows * (layers + head + (adapters > 0 ? adapter : 0)),
    };
  }

  /** Prompts of `length` tokens: every token goes through the layers, the last of a row through the head. */
  prefill(rows: number, length: number, adapters: number): Work {
    const { layers, head, adapter } = this.parameters;
    return {
      bytes: this.weightBytes + adapters * this.readBytes,
      operations: 2 * rows * length * (layers + (adapters > 0 ? adapter : 0)) + 2 * rows * head,
    };
  }

  /**
   * A training step of `tokens` tokens, each a target: forward, backward through the frozen weights, forward once more where
   * activations are not kept; adapters also get gradients of their own and an update.
   */
  trainStep(tokens: number, adapters: number): Work {
    const { layers, head, adapter } = this.parameters;
    const passes = keptLayers(this.config, this.rank, tokens, DEFAULT_MEMORY) === this.config.numLayers ? 2 : 3;
    return {
      // Each pass reads the weights; weights, gradients and two moments of an adapter are read, three of them written.
      bytes: passes * this.weightBytes + adapters * (passes + 7) * this.adapterBytes,
      operations: 2 * tokens * (passes * (layers + adapter) + adapter + 2 * head),
    };
  }

  /** Of an adapter that learns. */
  private get adapterBytes(): number {
    return adapterSizes(this.config, 1, this.rank).pool;
  }

  /** Of an adapter as generation reads it. */
  private get readBytes(): number {
    return this.formats.adapters === 'f16' ? this.adapterBytes / 2 : this.adapterBytes;
  }
}

export interface Bound {
  /** At least so long does it take. */
  seconds: number;
  by: 'bandwidth' | 'arithmetic';
}

/** @param speed bytes and operations a second */
export function boundOf({ bytes, operations }: Work, speed: { copyBandwidth: number; peak: number }): Bound {
  const [reading, computing] = [bytes / speed.copyBandwidth, operations / speed.peak];
  return reading > computing ? { seconds: reading, by: 'bandwidth' } : { seconds: computing, by: 'arithmetic' };
}
