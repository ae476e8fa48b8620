/**
 * Does this device compute the model? Some drivers do not, silently: text then comes out as "@@@@". When a model is loaded, a
 * few tokens go through its first layer and its head on the device and, on the host, through the reference engine, whose
 * weights were quantised by a second implementation.
 */

import { EMBEDDING_NAME, HEAD_NAME, projectionName, tensorShapes } from '../config';
import { SelfCheckError } from '../errors';
import { initAdapter } from '../peft';
import { ReferenceEngine } from '../reference/engine';
import { quantiseWeights } from '../reference/quantise';
import type { TensorPiece } from '../stream';
import {
  PROJECTIONS,
  type AdapterWeights,
  type HostTensor,
  type ModelConfig,
  type ModelWeights,
  type SelfCheck,
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
/** Rounding stays far below these, a wrong kernel far above. */
const BOUND = 1e-2;
const BOUND_F16 = 5e-2;
/** A tensor that is further than this from the file's was not packed but destroyed. */
const WORST_TENSOR = 0.5;

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
  const worst = weights.errors.find(({ relative }) => !(relative < WORST_TENSOR));
  if (worst) throw refusal(`${worst.name} came out ${worst.relative} off (relative) when it was packed`);

  const model = quantiseWeights(probe.model, weights.dtype);
  const layers = model.config.numLayers;
  const reference = await ReferenceEngine.create(model, {
    maxRows: 1,
    maxAdapters: 1,
    maxLength: decoder.sizes.maxLength,
    cache: decoder.sizes.cache,
  });
  const adapter = adapters.hasRoom ? noisyAdapter(config, Math.min(RANK, adapters.layout.rank)) : null;
  if (adapter) {
    adapters.import(ADAPTER, adapter);
    await reference.importAdapter(ADAPTER, firstLayers(adapter, layers));
  }
  const tokens = Math.min(LENGTH, decoder.sizes.maxLength);
  // Indices of words, in an order without pattern.
  const text = Array.from({ length: tokens }, (_, i) => (7 * i + 3) % probe.ids.length);
  const compared = { off: 0, size: 0, positions: 0 };
  try {
    for (const id of adapter ? [null, ADAPTER] : [null]) {
      const slot = id === null ? NO_SLOT : adapters.get(id).slot;
      const actual = await deviceLogits(parts, decoder, probe.ids, text, slot, layers);
      const wanted = await reference.logits({ ids: text, adapter: id });
      actual.forEach((value, i) => {
        compared.off += (value - wanted[i]!) ** 2;
        compared.size += wanted[i]! ** 2;
      });
      compared.positions += tokens;
    }
  } finally {
    if (adapter) adapters.delete(ADAPTER);
  }
  const error = Math.sqrt(compared.off / compared.size);
  const bound = weights.dtype !== 'f32' && parts.gpu.arithmetic === 'f16' ? BOUND_F16 : BOUND;
  if (!(error < bound)) throw refusal(`the logits of its first layer are off by ${error.toPrecision(3)} (relative)`);
  return { layers, tokens: compared.positions, error, bound };
}

function refusal(what: string): SelfCheckError {
  return new SelfCheckError(
    `This GPU or its driver does not compute the model correctly: ${what}. An update of the driver or another browser may help; ` +
      'another format of the weights may avoid the fault; the reference engine works everywhere, slowly.',
  );
}

/** Logits [tokens, words] of a text (indices into `ids`) after the first layers, most of it as a prompt, then token by token. */
async function deviceLogits(
  { config, adapters }: ForwardParts & { adapters: AdapterStore },
  decoder: Decoder,
  ids: readonly number[],
  text: readonly number[],
  slot: number,
  layers: number,
): Promise<Float32Array> {
  const targets = slot === NO_SLOT ? new Set<never>() : adapters.targets();
  const logits = new Float32Array(text.length * ids.length);
  const most = Math.max(1, Math.min(decoder.sizes.logitsRows, text.length - 1));
  for (let from = 0; from < text.length; from += most) {
    const to = Math.min(text.length, from + most);
    decoder.batch.clear();
    for (let t = from; t < to; t++) decoder.batch.add(ids[text[t]!]!, 0, t, slot);
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
