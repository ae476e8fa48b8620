/** What a decoder has on the device. */

import { cacheBytes, decoderBufferSizes, type DecoderSizes } from '../buffers';
import type { CacheDtype, ModelConfig } from '../types';
import { createSharedActivations, type FewActivations, type LayerActivations } from './activations';
import type { Gpu } from './device';
import type { TokenList } from './forward';
import { NO_SLOT } from './layout';

/** Lengths are those of `decoderBufferSizes`. */
export interface DecoderBuffers {
  tokens: Omit<TokenList, 'count'>;
  acts: Omit<LayerActivations, 'k' | 'v' | 'cache'> & FewActivations;
  /** A layer's keys and values: a region per row, and one of the idle row. */
  caches: { k: GPUBuffer; v: GPUBuffer; cache: CacheDtype }[];
  /** u32: tokens of the batch whose logits are wanted, their targets, rows that decode. */
  wanted: GPUBuffer;
  targetIds: GPUBuffer;
  activeRows: GPUBuffer;
  /** Hidden states of the wanted tokens, before and after the last norm. */
  gathered: GPUBuffer;
  normed: GPUBuffer;
  logits: GPUBuffer;
  logprobs: GPUBuffer;
  /** Of sampling, a line of the vocabulary each. */
  weights: GPUBuffer;
  /** Of attention whose keys are split. */
  split: { sums: GPUBuffer; softmax: GPUBuffer };
  /** What slices of a line have found. */
  parts: GPUBuffer;
  /** Of every row: sampling settings, adapter slot, state. */
  settings: GPUBuffer;
  slots: GPUBuffer;
  state: GPUBuffer;
  /** What a step has sampled, and several steps. */
  sampled: GPUBuffer;
  history: GPUBuffer;
  /** Copies between rows of the cache. */
  copies: GPUBuffer;
}

/** @throws MemoryPlanError when a buffer is larger than the device allows */
export function createDecoderBuffers(gpu: Gpu, config: ModelConfig, rank: number, sizes: DecoderSizes): DecoderBuffers {
  const bytes = decoderBufferSizes(config, sizes);
  const make = (name: keyof typeof bytes): GPUBuffer => gpu.buffer(name, bytes[name]);
  const rows = sizes.maxRows + 1;
  const rowBase = make('row base');
  gpu.write(
    rowBase,
    Uint32Array.from({ length: rows }, (_, row) => row * sizes.maxLength),
  );
  const slots = make('slots of rows');
  gpu.write(slots, new Uint32Array(rows).fill(NO_SLOT));
  const cache = cacheBytes(config, sizes);
  return {
    tokens: { ids: make('ids'), row: make('row'), pos: make('pos'), slot: make('slot'), rowBase },
    acts: createSharedActivations(gpu, config, rank, sizes.tokens),
    caches: Array.from({ length: config.numLayers }, (_, layer) => ({
      k: gpu.buffer(`keys of layer ${layer} (maxRows, maxLength)`, cache),
      v: gpu.buffer(`values of layer ${layer} (maxRows, maxLength)`, cache),
      cache: sizes.cache,
    })),
    wanted: make('wanted tokens'),
    targetIds: make('target ids'),
    activeRows: make('active rows'),
    gathered: make('gathered'),
    normed: make('final norm'),
    logits: make('logits (maxRows)'),
    logprobs: make('log-probabilities'),
    weights: make('sampling weights (maxRows)'),
    split: { sums: make('sums of segments'), softmax: make('softmax of segments') },
    parts: make('parts of sampling'),
    settings: make('sampling settings'),
    slots,
    state: make('row states'),
    sampled: make('sampled'),
    history: make('sampled in several steps'),
    copies: make('copies of rows'),
  };
}
