/**
 * Bytes that a model takes on a device, before any file of weights was read: exactly what the WebGPU engine allocates in
 * buffers. Uniforms (256 bytes a dispatch that is recorded) and one staging buffer for reading back come on top.
 *
 * Keys and values are planned as `cache` says. In f16 they take half and attention reads half the bytes, but what is rounded there is
 * carried from token to token; so they are f16 by themselves only where products are rounded just as much (`cacheDtype`). A plan that is
 * made without a device takes the larger for `auto`: keys and values in f32, and the copy of the adapters that a device with f16 has.
 */
import {
  adapterCopySizes,
  adapterSizes,
  allocatedRank,
  bufferBytes,
  cacheBytes,
  decoderBufferSizes,
  decoderSizes,
  gradientSizes,
  headBlock,
  headSizes,
  roundUp,
  SATURATED_BYTES,
  sharedActivationSizes,
  stepSizes,
  trainingActivationSizes,
  turnsBytes,
  type Sizes,
  type TrainingSize,
} from './buffers';
import { resolveMaxLength } from './requests';
import type { AdapterDtype, CacheDtype, EngineOptions, MemoryPlan, ModelConfig, WeightDtype } from './types';
import { weightSizes } from './weightBuffers';

export type { TrainingSize } from './buffers';

/** Bytes that a binding may have on every WebGPU device; some phones and software drivers allow no more. */
export const LEAST_BINDING = 128 << 20;

const DEFAULT_MAX_ROWS = 64;
const DEFAULT_MAX_ADAPTERS = 16;
const DEFAULT_MAX_RANK = 16;

/** How much memory a training step may spend on saving time; the results are the same bit for bit. */
export interface TrainMemory {
  /** All layers' activations are kept while they take at most this many bytes, else each layer is computed twice. */
  activationBytes: number;
  /** Logits of a block of targets take at most this many bytes (or 64 targets', if that is more). */
  logitsBytes: number;
}

export const DEFAULT_MEMORY: TrainMemory = { activationBytes: 256 << 20, logitsBytes: 64 << 20 };

/** A plan with its largest buffer: devices limit the size of one (128 MiB at least, most 1 to 4 GiB). */
export interface ModelPlan extends MemoryPlan {
  largestBuffer: { name: string; bytes: number };
}

/** What an engine of these options has room for. */
export interface EngineRoom {
  maxRows: number;
  maxAdapters: number;
  maxRank: number;
  maxLength: number;
  dtype: WeightDtype;
  cache: CacheDtype;
  adapterDtype: AdapterDtype;
}

/**
 * Format of the keys and values of an engine.
 * @param arithmetic of products with packed weights on its device: `Gpu.arithmetic`, or before it is open `adapterTraits`
 */
export function cacheDtype(
  { dtype = 'f32', cache = 'auto' }: Pick<EngineOptions, 'dtype' | 'cache'>,
  arithmetic: 'f32' | 'f16',
): CacheDtype {
  if (cache !== 'auto') return cache;
  return dtype === 'f32' ? 'f32' : arithmetic;
}

/**
 * Format of the adapters that an engine's generation and scoring read: f16 exactly where products are.
 * @param arithmetic as in `cacheDtype`
 */
export function adapterDtype({ dtype = 'f32' }: Pick<EngineOptions, 'dtype'>, arithmetic: 'f32' | 'f16'): AdapterDtype {
  return dtype === 'f32' ? 'f32' : arithmetic;
}

/** Options of an engine whose plan should be that of a device. @param arithmetic as in `cacheDtype` */
export function onDevice<Options extends EngineOptions>(options: Options, arithmetic: 'f32' | 'f16') {
  return { ...options, arithmetic, cache: cacheDtype(options, arithmetic) };
}

/** Options with their defaults; what depends on the device as it takes most. @throws RequestError for an impossible maxLength */
export function engineRoom(config: ModelConfig, options: EngineOptions): EngineRoom {
  return {
    maxRows: Math.max(1, options.maxRows ?? DEFAULT_MAX_ROWS),
    maxAdapters: options.maxAdapters ?? DEFAULT_MAX_ADAPTERS,
    maxRank: options.maxRank ?? DEFAULT_MAX_RANK,
    maxLength: resolveMaxLength(config, options),
    dtype: options.dtype ?? 'f32',
    cache: cacheDtype(options, 'f32'),
    adapterDtype: adapterDtype(options, options.arithmetic === 'f32' ? 'f32' : 'f16'),
  };
}

/**
 * What an engine allocates: without `training` until its first training job, with it when a job of that size has run. Where the
 * device is known, options should be what it takes (`onDevice`); `auto` is planned as what takes most.
 * @param limit bytes of a binding; what lies in several because of it changes the largest buffer alone
 * @throws RequestError for an impossible maxLength, or when a format cannot pack a width of the model
 */
export function planModel(
  config: ModelConfig,
  options: EngineOptions,
  training?: TrainingSize,
  memory: TrainMemory = DEFAULT_MEMORY,
  limit = Infinity,
): ModelPlan {
  const room = engineRoom(config, options);
  const rank = allocatedRank(room.maxRank);
  const sizes = decoderSizes(config, room.maxRows, room.maxLength, room.cache);
  const adapters = adapterSizes(config, room.maxAdapters, room.maxRank);
  const sum = new Sum();
  sum.add('weights', 'weights of', weightSizes(config, room.dtype, limit));
  const cache = cacheBytes(config, sizes);
  sum.add('kvCache', 'keys, values of a layer:', { keys: cache, values: cache }, config.numLayers);
  sum.add('activations', 'generation:', sharedActivationSizes(config, rank, sizes.tokens));
  sum.add('activations', 'generation:', decoderBufferSizes(config, sizes));
  sum.add('activations', 'RoPE:', { turns: turnsBytes(config, room.maxLength) });
  sum.add('activations', 'keys and values:', { saturated: SATURATED_BYTES });
  sum.add('adapters', 'adapters:', adapters);
  if (room.adapterDtype === 'f16')
    sum.add('adapters', 'adapters:', adapterCopySizes(config, room.maxAdapters, room.maxRank));
  if (training !== undefined) {
    const { pool } = adapters;
    sum.add('optimiser', 'adapters:', { gradients: pool, 'AdamW m': pool, 'AdamW v': pool });
    addTraining(sum, config, rank, training, memory);
  }
  return sum.plan();
}

/**
 * Why a device whose bindings hold `limit` bytes at most refuses an engine, however few or short its rows; null when it does not. An
 * embedding that is too large for a binding lies in several.
 */
export function tooLargeFor(
  limit: number,
  config: ModelConfig,
  { dtype, maxAdapters, maxRank }: Pick<EngineRoom, 'dtype' | 'maxAdapters' | 'maxRank'>,
): string | null {
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  const most = `this device's buffers hold ${mebibytes(limit)} at most`;
  for (const [name, bytes] of Object.entries(weightSizes(config, dtype, limit))) {
    if (bytes <= limit) continue;
    const advice = dtype === 'int4' ? 'choose a smaller model' : 'choose int4 (dtype) or a smaller model';
    return `${name} takes ${mebibytes(bytes)} as ${dtype}, ${most}; ${advice}`;
  }
  const { pool } = adapterSizes(config, maxAdapters, maxRank);
  if (pool <= limit) return null;
  return (
    `${maxAdapters} adapters of rank ${maxRank} take ${mebibytes(pool)}, ${most}; choose fewer agents (maxAdapters) or a smaller ` +
    'rank (maxRank)'
  );
}

/** Bytes of all parts, and the largest. */
export function totalOf(parts: Omit<MemoryPlan, 'total'>): MemoryPlan {
  const { weights, kvCache, activations, adapters, optimiser } = parts;
  const total = weights + kvCache + activations + adapters + optimiser;
  return { weights, kvCache, activations, adapters, optimiser, total };
}

/** How many layers' activations a training step keeps: all, or one that every layer uses in turn. */
export function keptLayers(config: ModelConfig, rank: number, tokens: number, memory: TrainMemory): number {
  const each = bytesOf(trainingActivationSizes(config, rank, tokens));
  return each * config.numLayers <= memory.activationBytes ? config.numLayers : 1;
}

/** A batch's size as the buffers are made for it. */
export function stepCapacity(size: TrainingSize): TrainingSize {
  return { tokens: size.tokens, targets: roundUp(size.targets, 64), tracks: size.tracks };
}

function addTraining(sum: Sum, config: ModelConfig, rank: number, size: TrainingSize, memory: TrainMemory): void {
  const capacity = stepCapacity(size);
  const { tokens, targets } = capacity;
  sum.add('activations', 'training:', stepSizes(capacity));
  sum.add('activations', 'training:', { 'a layer’s input': tokens * config.hiddenSize * 4 }, config.numLayers + 1);
  const kept = keptLayers(config, rank, tokens, memory);
  sum.add('activations', 'training:', trainingActivationSizes(config, rank, tokens), kept);
  sum.add('activations', 'training: gradient', gradientSizes(config, rank, tokens));
  sum.add('activations', 'training: head', headSizes(config, headBlock(config, targets, memory.logitsBytes)));
}

/** Bytes of buffers as a device allocates them. */
function bytesOf(sizes: Sizes): number {
  return Object.values(sizes).reduce((sum, bytes) => sum + (bytes === 0 ? 0 : bufferBytes(bytes)), 0);
}

type Part = Exclude<keyof MemoryPlan, 'total'>;

class Sum {
  private readonly parts = { weights: 0, kvCache: 0, activations: 0, adapters: 0, optimiser: 0 };
  private largest = { name: '', bytes: 0 };

  /** `count` of each of these buffers. */
  add(part: Part, prefix: string, sizes: Sizes, count = 1): void {
    this.parts[part] += count * bytesOf(sizes);
    for (const [name, bytes] of Object.entries(sizes)) {
      if (bytes > this.largest.bytes) this.largest = { name: `${prefix} ${name}`, bytes: bufferBytes(bytes) };
    }
  }

  plan(): ModelPlan {
    return { ...totalOf(this.parts), largestBuffer: this.largest };
  }
}
