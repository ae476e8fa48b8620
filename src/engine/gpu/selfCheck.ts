/**
 * Does this device compute the model? Some drivers do not, silently: text then comes out as "@@@@". When a model is loaded, a
 * few tokens go through its first layer and its head on the device and, on the host, through the reference engine, whose
 * weights were quantised by a second implementation.
 */

import { FEW_TOKENS, STEP_TOKENS } from '../buffers';
import { EMBEDDING_NAME, HEAD_NAME, projectionName, tensorShapes } from '../config';
import { SelfCheckError } from '../errors';
import { initAdapter } from '../peft';
import { ReferenceEngine } from '../reference/engine';
import { quantiseWeights } from '../reference/quantise';
import type { TensorPiece } from '../stream';
import {
  PROJECTIONS,
  type AdapterWeights,
  type EngineOptions,
  type HostTensor,
  type ModelConfig,
  type ModelWeights,
  type SelfCheck,
  type TensorError,
} from '../types';
import type { AdapterStore } from './adapters';
import type { Decoder } from './decoder';
import type { ForwardParts } from './forward';
import { NO_SLOT } from './layout';

const LAYERS = 1;
/** Rows of the vocabulary that take part. */
const WORDS = 16;
/** Tokens of the sequence: all but the last as a prompt, the last as decoding does it. */
const LENGTH = 12;
/** An engine may have room for no more. */
const RANK = 1;
const ADAPTER = 'self-check';
/** Rounding stays far below these with most models, a wrong kernel far above. */
const BOUNDS = { f32: 1e-2, f16: 5e-2 };
/**
 * With some it does not: where two keys score almost alike a hair decides which is attended to, the more so the larger the biases
 * (Qwen2.5's keys have some beyond 100). So before a device is refused the model is asked: it may be so many times as far off
 */
const MARGIN = 4;
/** as the reference is when every weight is off by about this, at random, */
const ROUNDING = { f32: 2 ** -20, f16: 2 ** -10 };
/** in the worst of some draws, */
const DRAWS = 3;
/** and never so far that nothing is right. */
const MOST = 0.7;
/** A tensor that is further than this from the file's was not packed but destroyed, */
const WORST_TENSOR = 0.5;
/** unless its numbers are so small that no format keeps them: int8 none below this (see quantise.wgsl), the others smaller ones. */
const LOST = (127 / 64) * 2 ** -14;

/** Takes out of a model's stream what the check needs: the first layer, and a few rows of embedding and head. */
export class SelfCheckProbe {
  /** The words, ascending. */
  readonly ids: number[];
  private readonly small: ModelConfig;
  private readonly tensors = new Map<string, HostTensor>();

  constructor(private readonly config: ModelConfig) {
    const words = Math.min(WORDS, config.vocabSize);
    this.ids = Array.from({ length: words }, (_, i) => Math.floor(((i + 0.5) * config.vocabSize) / words));
    this.small = { ...config, numLayers: Math.min(LAYERS, config.numLayers), vocabSize: words };
    for (const [name, shape] of tensorShapes(this.small)) {
      this.tensors.set(name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    }
  }

  take({ name, firstRow, data, shape }: TensorPiece): void {
    const wanted = this.tensors.get(name);
    if (wanted === undefined) return;
    const width = shape[1] ?? 1;
    if (name !== EMBEDDING_NAME && name !== HEAD_NAME) {
      wanted.data.set(data, firstRow * width);
      return;
    }
    this.ids.forEach((id, i) => {
      const at = (id - firstRow) * width;
      if (at >= 0 && at < data.length) wanted.data.set(data.subarray(at, at + width), i * width);
    });
  }

  /** The small model: the first layer, with the words as its vocabulary. */
  get model(): ModelWeights {
    return { config: this.small, tensors: this.tensors };
  }
}

/**
 * Compares device and reference. Leaves no adapter behind; the cache of row 0 is overwritten.
 * @throws SelfCheckError when they differ
 */
export async function selfCheck(
  parts: ForwardParts & { adapters: AdapterStore },
  decoder: Decoder,
  probe: SelfCheckProbe,
): Promise<SelfCheck> {
  const { config, adapters, weights } = parts;
  const worst = weights.errors.find(({ relative, largest }) => !(relative < WORST_TENSOR || largest <= LOST));
  if (worst && worst.saturated > 0) throw cutOff(worst);
  if (worst) throw refusal(`${worst.name} came out ${worst.relative} off (relative) when it was packed`, 'f32');

  const model = quantiseWeights(probe.model, weights.dtype);
  const layers = model.config.numLayers;
  const adapter = adapters.hasRoom ? noisyAdapter(config, Math.min(RANK, adapters.layout.rank)) : null;
  const tokens = Math.min(LENGTH, decoder.sizes.maxLength);
  // Indices of words, in an order without pattern.
  const text = Array.from({ length: tokens }, (_, i) => (7 * i + 3) % probe.ids.length);
  const options = { maxRows: 1, maxAdapters: 1, maxLength: decoder.sizes.maxLength, cache: decoder.sizes.cache };
  const wantedOf = (weightsThen: ModelWeights): Promise<Float32Array[]> =>
    referenceLogits(weightsThen, options, adapter && firstLayers(adapter, layers), text);

  const wanted = await wantedOf(model);
  // GPUs have other kernels for many tokens, so there the text is also computed in company.
  const company = parts.gpu.isCpu ? [0] : [0, FEW_TOKENS + 1, STEP_TOKENS + 1];
  const errors: number[] = [];
  const compare = async (slot: number, logits: Float32Array): Promise<void> => {
    for (const least of company) {
      errors.push(distance(await deviceLogits(parts, decoder, probe.ids, text, { slot, layers, least }), logits));
    }
  };
  await compare(NO_SLOT, wanted[0]!);
  if (adapter) {
    adapters.import(ADAPTER, adapter);
    try {
      await compare(adapters.ready(ADAPTER).slot, wanted[1]!);
    } finally {
      adapters.delete(ADAPTER);
    }
  }
  const error = Math.max(...errors);
  const arithmetic = weights.dtype === 'f32' ? 'f32' : parts.gpu.arithmetic;
  let bound = BOUNDS[arithmetic];
  for (let draw = 1; error >= bound && draw <= DRAWS; draw++) {
    const others = await wantedOf(rounded(model, ROUNDING[arithmetic], draw));
    const other = Math.max(...wanted.map((logits, i) => distance(others[i]!, logits)));
    bound = Math.min(MOST, Math.max(bound, MARGIN * other));
  }
  if (!(error < bound))
    throw refusal(`the logits of its first layer are off by ${error.toPrecision(3)} (relative)`, arithmetic);
  return { layers, tokens: tokens * errors.length, error, bound };
}

/** ‖a − b‖ / ‖b‖ */
function distance(a: Float32Array, b: Float32Array): number {
  let off = 0;
  let size = 0;
  b.forEach((value, i) => {
    off += (a[i]! - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(off / size);
}

/** Logits of a text by the reference engine, without and with the adapter. */
async function referenceLogits(
  model: ModelWeights,
  options: EngineOptions,
  adapter: AdapterWeights | null,
  ids: number[],
): Promise<Float32Array[]> {
  const reference = await ReferenceEngine.create(model, options);
  const plain = await reference.logits({ ids, adapter: null });
  if (!adapter) return [plain];
  await reference.importAdapter(ADAPTER, adapter);
  return [plain, await reference.logits({ ids, adapter: ADAPTER })];
}

/** The model with every weight of its projections a share larger or smaller, at random. */
function rounded({ config, tensors }: ModelWeights, share: number, draw: number): ModelWeights {
  let word = 0x9e3779b9 * draw;
  const changed = [...tensors].map(([name, { shape, data }]): [string, HostTensor] => {
    if (!name.includes('_proj.weight')) return [name, { shape, data }];
    const signs = (value: number): number => {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      return value * (word < 0 ? 1 - share : 1 + share);
    };
    return [name, { shape, data: data.map(signs) }];
  });
  return { config, tensors: new Map(changed) };
}

/** The device is right and the format too small. */
function cutOff({ name, saturated, relative }: TensorError): SelfCheckError {
  return new SelfCheckError(
    `${name} has numbers that are too large for this format of the weights: ${saturated} were cut off, which leaves the tensor ` +
      `${relative.toPrecision(3)} off (relative); load the model with f32 weights (dtype).`,
    'f32',
  );
}

function refusal(what: string, arithmetic: 'f32' | 'f16'): SelfCheckError {
  return new SelfCheckError(
    `This GPU or its driver does not compute the model correctly: ${what}. An update of the driver or another browser may help; ` +
      'another format of the weights may avoid the fault; the reference engine works everywhere, slowly.',
    arithmetic,
  );
}

/**
 * Logits [tokens, words] of a text (indices into `ids`) after the first layers, most of it as a prompt, then token by token; a batch has
 * at least `least` tokens, those of the idle row among them.
 */
async function deviceLogits(
  { config, adapters }: ForwardParts & { adapters: AdapterStore },
  decoder: Decoder,
  ids: readonly number[],
  text: readonly number[],
  { slot, layers, least }: { slot: number; layers: number; least: number },
): Promise<Float32Array> {
  const targets = slot === NO_SLOT ? new Set<never>() : adapters.targets();
  const logits = new Float32Array(text.length * ids.length);
  const most = Math.max(1, Math.min(decoder.sizes.logitsRows, text.length - 1));
  for (let from = 0; from < text.length; from += most) {
    const to = Math.min(text.length, from + most);
    decoder.batch.clear();
    for (let t = from; t < to; t++) decoder.batch.add(ids[text[t]!]!, 0, t, slot);
    const filled = Math.min(least, decoder.sizes.tokens);
    while (decoder.batch.count < filled) decoder.batch.add(ids[0]!, decoder.idleRow, 0, NO_SLOT);
    decoder.run(targets, layers);
    const all = await decoder.readLogits(Array.from({ length: to - from }, (_, i) => i));
    for (let t = from; t < to; t++) {
      ids.forEach((id, i) => (logits[t * ids.length + i] = all[(t - from) * config.vocabSize + id]!));
    }
  }
  return logits;
}

/** An adapter on every projection whose B is not zero, as it would be at the start. */
function noisyAdapter(config: ModelConfig, rank: number): AdapterWeights {
  const adapter = initAdapter(config, { rank, alpha: 2 * rank, targets: [...PROJECTIONS] }, 1);
  for (const [name, { data }] of adapter.tensors) {
    if (name.includes('lora_B')) data.forEach((_, i) => (data[i] = (((i * 37) % 101) - 50) / 1000));
  }
  return adapter;
}

function firstLayers(adapter: AdapterWeights, layers: number): AdapterWeights {
  const prefixes = Array.from({ length: layers }, (_, layer) =>
    projectionName(layer, 'q_proj').replace(/self_attn.*/, ''),
  );
  const tensors = [...adapter.tensors].filter(([name]) => prefixes.some((prefix) => name.includes(prefix)));
  return { config: adapter.config, tensors: new Map(tensors) };
}
