/**
 * What an engine asks of whatever computes for it, beside bookkeeping and updates, which stay with the engine
 * (hostEngine.ts). `LocalCompute` does it in this thread, on any arithmetic.
 */
import type { FrozenWeights } from './packedTensor';
import type {
  AdapterId,
  AdapterWeights,
  CacheDtype,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  HostTensor,
  Projection,
  ScoreRequest,
} from '../types';
import { HEAD_TENSOR } from '../peft';
import type { Arithmetic } from './arithmetic';
import { sequenceGradient, type SequenceWork } from './backward';
import {
  createCache,
  forEachLogitsBlock,
  forwardSpans,
  meanHidden,
  passingCache,
  rewardOf,
  type Hidden,
} from './forward';
import { generateRows, listSource, type CachePool, type RowSource, type RowWatch } from './generate';
import { gramInputs, gramNumbers } from '../grams';
import { gramsOfLayer } from './grams';
import type { KvCache, LayerActivations } from './layer';
import { decoderOf, loadedAdapter, type Decoder, type LoadedAdapter } from './model';
import { Pacer } from './pacer';

/** The gradient that one sequence gives one adapter. */
export interface GradientWork extends SequenceWork {
  adapter: AdapterId;
}

/** Called in the order of the work; the gradient lies flat and is valid during the call. */
export type UseGradient = (index: number, loss: number, gradient: Float32Array) => void;

export type UseGrams = (index: number, grams: Float32Array) => void;

export interface Compute {
  /** An adapter is new or has other weights. It is read, in plain TypeScript also later. */
  setAdapter(id: AdapterId, weights: AdapterWeights): Promise<void>;
  deleteAdapter(id: AdapterId): Promise<void>;
  /** @throws NonFiniteError */
  generate(requests: readonly GenerateRequest[], options: GenerateOptions): Promise<GenerateResult[]>;
  /** For each request ln p of ids[1], ids[2], … */
  score(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array[]>;
  embed(requests: readonly ScoreRequest[]): Promise<Float32Array[]>;
  /** [B]; every request names an adapter with a head. */
  reward(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array>;
  /** Calls `use` in the order of the requests with the flat Gram matrices of each (grams.ts), valid during the call. */
  grams(requests: readonly ScoreRequest[], projections: readonly Projection[], use: UseGrams): Promise<void>;
  /** [T, V] */
  logits(request: ScoreRequest): Promise<Float32Array>;
  gradients(work: readonly GradientWork[], use: UseGradient, signal?: AbortSignal): Promise<void>;
  /** Finite keys and values that were too large for their format. */
  readonly saturated: number;
  /** Of passes. */
  readonly bytes: number;
  dispose(): Promise<void>;
}

export interface ComputeOptions {
  /** Rows decoded together. */
  maxRows: number;
  maxLength: number;
  cache: CacheDtype;
}

export class LocalCompute implements Compute {
  private readonly decoder: Decoder;
  private readonly adapters = new Map<AdapterId, LoadedAdapter>();
  private readonly caches: CachePool;

  constructor(
    arithmetic: Arithmetic,
    weights: FrozenWeights,
    private readonly options: ComputeOptions,
  ) {
    this.decoder = decoderOf(weights, options.maxLength, options.cache, arithmetic);
    this.caches = cachePool(this.decoder, options.maxLength);
  }

  get saturated(): number {
    return this.decoder.saturation.saturated;
  }

  /** Rows that have room for their keys and values. */
  get rows(): number {
    return this.caches.made;
  }

  get bytes(): number {
    return this.decoder.arithmetic.scratch.bytes;
  }

  async setAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    const { arithmetic, config } = this.decoder;
    const before = this.adapters.get(id);
    const fits = before !== undefined && hasSameSizes(before.weights, weights);
    if (!fits) await this.deleteAdapter(id);
    this.adapters.set(id, loadedAdapter(arithmetic, config, weights, fits ? before : undefined));
  }

  async deleteAdapter(id: AdapterId): Promise<void> {
    const { arithmetic } = this.decoder;
    for (const layer of this.adapters.get(id)?.layers ?? []) {
      for (const { a, b } of Object.values(layer)) [a, b].forEach((matrix) => arithmetic.releaseMatrix(matrix));
    }
    this.adapters.delete(id);
  }

  async generate(requests: readonly GenerateRequest[], options: GenerateOptions): Promise<GenerateResult[]> {
    const results: GenerateResult[] = new Array(requests.length);
    const onRow = (row: number, result: GenerateResult): void => {
      results[row] = result;
      options.onRow?.(row, result);
    };
    await this.generateFrom(listSource(requests), { ...options, onRow });
    return results;
  }

  /** Rows of any source, until it has no more. */
  generateFrom(source: RowSource, watch: RowWatch): Promise<void> {
    const adapterOf = (id: AdapterId | null): LoadedAdapter | null => this.find(id);
    return generateRows(this.decoder, source, adapterOf, this.options.maxRows, this.caches, watch);
  }

  async score(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array[]> {
    const { arithmetic, config } = this.decoder;
    const pacer = new Pacer(signal);
    const scores: Float32Array[] = [];
    for (const request of requests) {
      const { x } = await this.forward(request, pacer);
      const logprobs = arithmetic.scratch.get('logprobs', request.ids.length - 1);
      await forEachLogitsBlock(this.decoder, x, logprobs.length, pacer, (logits, first, rows) => {
        const ids = Array.from({ length: rows }, (_, r) => request.ids[first + r + 1]);
        arithmetic.logProbabilities(logprobs.subarray(first, first + rows), logits, config.vocabSize, ids);
      });
      scores.push(logprobs.slice());
    }
    return scores;
  }

  async embed(requests: readonly ScoreRequest[]): Promise<Float32Array[]> {
    const pacer = new Pacer();
    const embeddings: Float32Array[] = [];
    for (const request of requests) {
      const { x } = await this.forward(request, pacer);
      embeddings.push(meanHidden(this.decoder, x, request.ids.length));
    }
    return embeddings;
  }

  async reward(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array> {
    const pacer = new Pacer(signal);
    const rewards = new Float32Array(requests.length);
    for (const [row, request] of requests.entries()) {
      const { x } = await this.forward(request, pacer);
      const { weights } = this.find(request.adapter) as LoadedAdapter;
      const head = (weights.tensors.get(HEAD_TENSOR) as HostTensor).data;
      rewards[row] = rewardOf(this.decoder, x, request.ids.length - 1, head);
    }
    return rewards;
  }

  async grams(requests: readonly ScoreRequest[], projections: readonly Projection[], use: UseGrams): Promise<void> {
    const { arithmetic, config } = this.decoder;
    const pacer = new Pacer();
    const inputs = gramInputs(config, projections);
    const flat = new Float32Array(gramNumbers(config, projections));
    for (const [index, request] of requests.entries()) {
      let at = 0;
      await this.forward(request, pacer, (activations) => {
        at = gramsOfLayer(arithmetic, activations, request.ids.length, inputs, flat, at);
      });
      use(index, flat);
    }
  }

  async logits(request: ScoreRequest): Promise<Float32Array> {
    const { vocabSize: V } = this.decoder.config;
    const pacer = new Pacer();
    const result = new Float32Array(request.ids.length * V);
    const { x } = await this.forward(request, pacer);
    await forEachLogitsBlock(this.decoder, x, request.ids.length, pacer, (logits, first) =>
      result.set(logits, first * V),
    );
    return result;
  }

  async gradients(work: readonly GradientWork[], use: UseGradient, signal?: AbortSignal): Promise<void> {
    const pacer = new Pacer(signal);
    for (const [index, item] of work.entries()) {
      const adapter = this.find(item.adapter) as LoadedAdapter;
      const { loss, gradient } = await sequenceGradient(this.decoder, adapter, item, pacer);
      use(index, loss, gradient);
    }
  }

  async dispose(): Promise<void> {
    this.adapters.clear();
  }

  private forward(
    request: ScoreRequest,
    pacer: Pacer,
    onLayer?: (activations: LayerActivations) => void,
  ): Promise<Hidden> {
    this.decoder.arithmetic.scratch.begin();
    const cache = passingCache(this.decoder, request.ids.length);
    const span = { ids: request.ids, start: 0, cache, adapter: this.find(request.adapter) };
    return forwardSpans(this.decoder, [span], false, pacer, onLayer);
  }

  private find(id: AdapterId | null): LoadedAdapter | null {
    return id === null ? null : (this.adapters.get(id) as LoadedAdapter);
  }
}

/** Caches of whole length, each used by one row after the other. */
function cachePool(decoder: Decoder, maxLength: number): CachePool {
  const free: KvCache[] = [];
  let made = 0;
  const make = (): KvCache => {
    made++;
    return createCache(decoder, maxLength);
  };
  return {
    get made() {
      return made;
    },
    take: () => free.pop() ?? make(),
    give: (cache) => void free.push(cache),
  };
}

function hasSameSizes(a: AdapterWeights, b: AdapterWeights): boolean {
  const sizes = ({ tensors }: AdapterWeights): string =>
    JSON.stringify([...tensors].map(([name, { shape }]) => [name, shape]));
  return sizes(a) === sizes(b);
}
