/**
 * The reference engine: the Engine contract in plain TypeScript. Every operation is rounded to 32 bits in a fixed order, so
 * the same bytes come out of every JavaScript engine; it is the oracle of the GPU kernels and the fallback without WebGPU.
 */
import { AdapterError, RequestError } from '../errors';
import { checkEmbedding, checkExported, checkGradients, checkLogitValues, checkScores, TrainingWatch } from '../finite';
import { checkAdapter, copyAdapterWeights, initAdapter } from '../peft';
import { cacheDtype } from '../plan';
import { referenceScores } from '../objectives';
import { OperationQueue } from '../queue';
import {
  checkAdapterId,
  checkCapacity,
  checkEmbed,
  checkGenerate,
  checkJob,
  checkLogits,
  checkScore,
  checkTrack,
  resolveMaxLength,
  type Limits,
} from '../requests';
import { collect, type ModelStream, type ReadOptions } from '../stream';
import type {
  AdapterConfig,
  AdapterId,
  AdapterWeights,
  CacheDtype,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineReport,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  HostTensor,
  MemoryPlan,
  ModelWeights,
  Objective,
  OptimiserState,
  ScoreRequest,
  TrainJob,
  TrainStepEvent,
  TensorError,
  TrainTrack,
} from '../types';
import { copyState, zeroState } from './adamw';
import { logProbability } from './crossEntropy';
import { cacheLength, createCache, forEachLogitsBlock, forwardSpans, meanHidden, type Hidden } from './forward';
import { generateRows } from './generate';
import { decoderOf, loadedAdapter, type Decoder, type LoadedAdapter } from './model';
import { Pacer } from './pacer';
import { PackingErrors, quantiseStream, quantiseWeights } from './quantise';
import { Scratch } from './scratch';
import { batchGradient, trainStep, type ObjectiveParts } from './train';

const DEFAULT_MAX_ROWS = 32;

export class ReferenceEngine implements Engine {
  readonly info: EngineInfo;
  private readonly loaded = new Map<AdapterId, LoadedAdapter>();
  private readonly states = new Map<AdapterId, OptimiserState>();
  private readonly scratch = new Scratch();
  private readonly limits: Limits;
  private readonly maxRows: number;
  private readonly queue = new OperationQueue();

  private constructor(
    private readonly weights: ModelWeights,
    private readonly decoder: Decoder,
    private readonly options: EngineOptions,
    maxLength: number,
    cache: CacheDtype,
    private readonly errors: TensorError[],
  ) {
    this.info = { kind: 'reference', device: 'TypeScript, 32-bit', config: weights.config, cache };
    this.maxRows = Math.max(1, options.maxRows ?? DEFAULT_MAX_ROWS);
    this.limits = { vocabSize: weights.config.vocabSize, maxLength, adapters: this.loaded };
  }

  /**
   * Weights in memory are read, never written, and not copied; with another dtype than f32 the engine computes in f32 with a copy
   * of them that was packed and unpacked; so it does with keys and values where `cache` is f16. A stream is collected, packed on
   * its way.
   * @param reading of a stream: progress, cancellation
   * @throws RequestError for impossible options, MemoryPlanError when the host has no memory for a stream's tensors, what the
   *   stream throws
   */
  static async create(
    model: ModelWeights | ModelStream,
    options: EngineOptions = {},
    reading: ReadOptions = {},
  ): Promise<ReferenceEngine> {
    const maxLength = resolveMaxLength(model.config, options);
    const dtype = options.dtype ?? 'f32';
    const packing = new PackingErrors();
    const weights =
      'read' in model
        ? await collect(quantiseStream(model, dtype, packing), reading)
        : quantiseWeights(model, dtype, packing);
    const cache = cacheDtype(options, 'f32');
    return new ReferenceEngine(
      weights,
      decoderOf(weights, maxLength, cache),
      options,
      maxLength,
      cache,
      packing.errors,
    );
  }

  generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    return this.enqueue(async () => {
      checkGenerate(requests, this.limits);
      const adapterOf = (request: GenerateRequest): LoadedAdapter | null => this.find(request.adapter);
      return generateRows(this.decoder, requests, adapterOf, this.maxRows, options, this.scratch);
    });
  }

  score(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.enqueue(async () => {
      checkScore(requests, this.limits);
      return this.scoreNow(requests, new Pacer());
    });
  }

  embed(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.enqueue(async () => {
      checkEmbed(requests, this.limits);
      const pacer = new Pacer();
      const embeddings: Float32Array[] = [];
      for (const [row, request] of requests.entries()) {
        const { x } = await this.forward(request, pacer);
        const embedding = meanHidden(this.decoder, x, request.ids.length, this.scratch);
        embeddings.push(checkEmbedding(request.adapter, row, embedding));
      }
      return embeddings;
    });
  }

  logits(request: ScoreRequest): Promise<Float32Array> {
    return this.enqueue(async () => {
      checkLogits(request, this.limits);
      const { vocabSize: V } = this.info.config;
      const result = new Float32Array(request.ids.length * V);
      await this.forLogits(request, request.ids.length, new Pacer(), (logits, first) => result.set(logits, first * V));
      checkLogitValues(request.adapter, result, V);
      return result;
    });
  }

  /**
   * Between two steps, other operations may run (an export for a checkpoint, for example); a step itself is one operation.
   */
  async *train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    const { states, references } = await this.enqueue(async () => ({
      states: this.startJob(job),
      references: await this.referencesOf(job),
    }));
    const totalSteps = Math.max(0, ...job.tracks.map((track) => track.batches.length));
    const watch = new TrainingWatch(job);
    const stateOf = (id: AdapterId): OptimiserState => states.get(id) as OptimiserState;
    for (let step = job.resume?.step ?? 0; step < totalSteps; step++) {
      const tracks = await this.enqueue(async () => {
        const pacer = new Pacer(job.signal);
        const adapterOf = (id: AdapterId): LoadedAdapter => this.get(id);
        const partsOf = (track: TrainTrack): ObjectiveParts =>
          this.objectiveParts(job.objective, references.get(track.adapter), pacer);
        const events = await trainStep(
          this.decoder,
          job,
          step,
          adapterOf,
          stateOf,
          partsOf,
          this.scratch,
          pacer,
          watch,
        );
        for (const { adapter } of events) this.states.set(adapter, stateOf(adapter));
        return events;
      });
      yield { step, totalSteps, tracks };
    }
  }

  gradients(
    track: TrainTrack,
    objective: Objective = 'sft',
  ): Promise<{ loss: number; tensors: Map<string, HostTensor> }> {
    return this.enqueue(async () => {
      checkTrack(track, this.limits, objective);
      if (track.batches.length === 0) throw new RequestError(`track ${track.adapter} has no batch`);
      const adapter = this.get(track.adapter);
      const pacer = new Pacer();
      const first = { ...track, batches: track.batches.slice(0, 1) };
      const references = await referenceScores(objective, first, 0, (requests) => this.scoreNow(requests, pacer));
      const parts = this.objectiveParts(objective, references, pacer);
      const { loss, gradients } = await batchGradient(this.decoder, adapter, track, 0, parts, this.scratch, pacer);
      return checkGradients(track.adapter, { loss, tensors: gradients.tensors });
    });
  }

  optimiserState(adapter: AdapterId): Promise<OptimiserState | null> {
    return this.enqueue(async () => {
      this.get(adapter);
      const state = this.states.get(adapter);
      return state === undefined ? null : copyState(state);
    });
  }

  createAdapter(id: AdapterId, config: AdapterConfig, seed: number): Promise<void> {
    return this.enqueue(async () => this.put(id, initAdapter(this.info.config, config, seed)));
  }

  importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    return this.enqueue(async () => {
      checkAdapter(this.info.config, weights, `adapter ${id}`);
      this.put(id, copyAdapterWeights(weights));
    });
  }

  exportAdapter(id: AdapterId): Promise<AdapterWeights> {
    return this.enqueue(async () => checkExported(id, copyAdapterWeights(this.get(id).weights)));
  }

  copyAdapter(from: AdapterId, to: AdapterId): Promise<void> {
    return this.enqueue(async () => this.put(to, copyAdapterWeights(this.get(from).weights)));
  }

  deleteAdapter(id: AdapterId): Promise<void> {
    return this.enqueue(async () => {
      this.get(id);
      this.loaded.delete(id);
      this.states.delete(id);
    });
  }

  adapters(): AdapterId[] {
    return [...this.loaded.keys()];
  }

  /** What the formats of weights and of keys and values cost; the weights in memory are f32 whatever their format. */
  async report(): Promise<EngineReport> {
    const { cache, saturation } = this.decoder;
    return {
      dtype: this.options.dtype ?? 'f32',
      weightBytes: totalBytes(this.weights.tensors),
      cache,
      errors: this.errors,
      cacheSaturated: saturation.saturated,
      selfCheck: null,
    };
  }

  plan(): MemoryPlan {
    const weights = totalBytes(this.weights.tensors);
    const kvCache = 4 * this.maxRows * cacheLength(this.info.config, this.limits.maxLength);
    const activations = this.scratch.bytes;
    let adapters = 0;
    for (const { weights } of this.loaded.values()) adapters += totalBytes(weights.tensors);
    let optimiser = 0;
    for (const { m, v } of this.states.values()) optimiser += totalBytes(m) + totalBytes(v);
    const total = weights + kvCache + activations + adapters + optimiser;
    return { weights, kvCache, activations, adapters, optimiser, total };
  }

  dispose(): Promise<void> {
    return this.enqueue(async () => {
      this.loaded.clear();
      this.states.clear();
    });
  }

  private enqueue<T>(operation: () => Promise<T>): Promise<T> {
    return this.queue.run(operation);
  }

  private startJob(job: TrainJob): Map<AdapterId, OptimiserState> {
    checkJob(job, this.limits);
    job.signal?.throwIfAborted();
    const states = new Map<AdapterId, OptimiserState>();
    for (const track of job.tracks) {
      const { tensors } = this.get(track.adapter).weights;
      const given = job.resume?.states.get(track.adapter);
      if (given) checkState(given, tensors, track.adapter);
      else if (job.resume && job.resume.step > 0 && track.batches.length > job.resume.step) {
        throw new RequestError(`resume: there is no optimiser state for adapter ${track.adapter}`);
      }
      states.set(track.adapter, given ? copyState(given) : zeroState(tensors));
    }
    return states;
  }

  /** π under the reference of every example that the job's steps score, by adapter. */
  private async referencesOf(job: TrainJob): Promise<Map<AdapterId, Map<number, number>>> {
    const pacer = new Pacer(job.signal);
    const references = new Map<AdapterId, Map<number, number>>();
    for (const track of job.tracks) {
      const score = (requests: ScoreRequest[]): Promise<Float32Array[]> => this.scoreNow(requests, pacer);
      references.set(track.adapter, await referenceScores(job.objective, track, job.resume?.step ?? 0, score));
    }
    return references;
  }

  private objectiveParts(
    objective: Objective,
    references: ReadonlyMap<number, number> = new Map(),
    pacer: Pacer,
  ): ObjectiveParts {
    return { objective, references, score: (requests) => this.scoreNow(requests, pacer) };
  }

  /** Inside an operation; the requests are valid. */
  private async scoreNow(requests: readonly ScoreRequest[], pacer: Pacer): Promise<Float32Array[]> {
    const { vocabSize: V } = this.info.config;
    const scores: Float32Array[] = [];
    for (const [row, request] of requests.entries()) {
      const logprobs = new Float32Array(request.ids.length - 1);
      await this.forLogits(request, logprobs.length, pacer, (logits, first, rows) => {
        for (let r = 0; r < rows; r++) {
          logprobs[first + r] = logProbability(logits, r, V, request.ids[first + r + 1]);
        }
      });
      checkScores(request.adapter, row, logprobs);
      scores.push(logprobs);
    }
    return scores;
  }

  private async forLogits(
    request: ScoreRequest,
    rows: number,
    pacer: Pacer,
    use: (logits: Float32Array, first: number, rows: number) => void,
  ): Promise<void> {
    const { x } = await this.forward(request, pacer);
    await forEachLogitsBlock(this.decoder, x, rows, this.scratch, pacer, use);
  }

  private forward(request: ScoreRequest, pacer: Pacer): Promise<Hidden> {
    const cache = createCache(this.info.config, request.ids.length, this.decoder.cache, this.decoder.saturation);
    const span = { ids: request.ids, start: 0, cache, adapter: this.find(request.adapter) };
    return forwardSpans(this.decoder, [span], false, this.scratch, pacer);
  }

  private put(id: AdapterId, weights: AdapterWeights): void {
    checkCapacity(id, weights.config, this.loaded, this.options);
    this.loaded.set(id, loadedAdapter(this.info.config, weights));
    this.states.delete(id);
  }

  private get(id: AdapterId): LoadedAdapter {
    checkAdapterId(id, this.limits, 'request');
    return this.loaded.get(id) as LoadedAdapter;
  }

  private find(id: AdapterId | null): LoadedAdapter | null {
    return id === null ? null : this.get(id);
  }
}

function totalBytes(tensors: ReadonlyMap<string, HostTensor>): number {
  let sum = 0;
  for (const { data } of tensors.values()) sum += data.byteLength;
  return sum;
}

function checkState(state: OptimiserState, tensors: ReadonlyMap<string, HostTensor>, id: AdapterId): void {
  for (const [name, { data }] of tensors) {
    if (state.m.get(name)?.data.length !== data.length || state.v.get(name)?.data.length !== data.length) {
      throw new AdapterError(`optimiser state of adapter ${id} lacks ${name} or has another size of it`);
    }
  }
}
