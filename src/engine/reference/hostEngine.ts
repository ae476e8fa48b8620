/**
 * The Engine contract over a `Compute`: checks, order of operations, adapters, updates and events. Adapters and moments are arrays
 * of the host and updated there. The reference engine and the exact engine are this, over different computes.
 */
import { AdapterError, RequestError } from '../errors';
import {
  checkEmbedding,
  checkExported,
  checkGradients,
  checkGramValues,
  checkLogitValues,
  checkRewards,
  checkScores,
  TrainingWatch,
} from '../finite';
import { checkAdapter, copyAdapterWeights, initAdapter, orderedAdapter } from '../peft';
import { referenceScores } from '../objectives';
import { checkOperation, type Arguments, type OperationName } from '../operations';
import { OperationQueue } from '../queue';
import { checkAdapterId, checkCapacity, checkJob, type Limits } from '../requests';
import type {
  AdapterConfig,
  AdapterId,
  AdapterWeights,
  Engine,
  EngineInfo,
  EngineOptions,
  EngineReport,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Grams,
  HostTensor,
  MemoryPlan,
  Objective,
  OptimiserState,
  Projection,
  ScoreRequest,
  TensorError,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../types';
import { copyState, zeroState } from './adamw';
import type { Compute, ComputeOptions } from './compute';
import { checkGramRoom } from '../grams';
import { cacheLength } from './forward';
import { GramSum } from './grams';
import { batchGradients, trainStep, type BatchGradient, type TrainParts } from './train';

/** What was made ready for an engine. */
export interface HostParts {
  info: EngineInfo;
  compute: Compute;
  options: EngineOptions;
  resolved: ComputeOptions;
  /** Of the frozen weights. */
  weightBytes: number;
  /** Of tensors that were packed. */
  errors: TensorError[];
}

export class HostEngine implements Engine {
  readonly info: EngineInfo;
  private readonly held = new Map<AdapterId, AdapterWeights>();
  private readonly states = new Map<AdapterId, OptimiserState>();
  private readonly limits: Limits;
  private readonly compute: Compute;
  private readonly queue = new OperationQueue();

  protected constructor(private readonly parts: HostParts) {
    this.info = parts.info;
    this.compute = parts.compute;
    const { maxLength, maxRows } = parts.resolved;
    this.limits = { vocabSize: parts.info.config.vocabSize, maxLength, maxRows, adapters: this.held };
  }

  generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    return this.operate('generate', [requests, options], () => this.compute.generate(requests, options));
  }

  score(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.operate('score', [requests], () => this.scoreNow(requests));
  }

  embed(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.operate('embed', [requests], async () => {
      const embeddings = await this.compute.embed(requests);
      return embeddings.map((embedding, row) => checkEmbedding(requests[row]?.adapter ?? null, row, embedding));
    });
  }

  reward(requests: ScoreRequest[]): Promise<Float32Array> {
    return this.operate('reward', [requests], () => this.rewardNow(requests));
  }

  grams(requests: ScoreRequest[], projections: readonly Projection[]): Promise<Grams> {
    return this.operate('grams', [requests, projections], async () => {
      const { config } = this.info;
      checkGramRoom(config, projections);
      const sum = new GramSum(config, projections);
      await this.compute.grams(requests, projections, (row, grams) =>
        sum.add(checkGramValues(requests[row]?.adapter ?? null, row, grams)),
      );
      return sum.grams;
    });
  }

  logits(request: ScoreRequest): Promise<Float32Array> {
    return this.operate('logits', [request], async () => {
      const logits = await this.compute.logits(request);
      checkLogitValues(request.adapter, logits, this.info.config.vocabSize);
      return logits;
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
    const updated = (id: AdapterId): Promise<void> => this.compute.setAdapter(id, this.get(id));
    const parts = this.trainParts(references, job.signal);
    for (let step = job.resume?.step ?? 0; step < totalSteps; step++) {
      const tracks = await this.enqueue(async () => {
        job.signal?.throwIfAborted();
        const events = await trainStep(job, step, parts, stateOf, updated, watch);
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
    return this.operate('gradients', [track, objective], async () => {
      if (track.batches.length === 0) throw new RequestError(`track ${track.adapter} has no batch`);
      this.get(track.adapter);
      const first = { ...track, batches: track.batches.slice(0, 1) };
      const references = await referenceScores(objective, first, 0, (requests) => this.scoreNow(requests));
      const parts = this.trainParts(new Map([[track.adapter, references]]));
      const [batch] = await batchGradients([track], objective, 0, parts);
      const { loss, tensors } = batch as BatchGradient;
      return checkGradients(track.adapter, { loss, tensors });
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
    return this.enqueue(() => this.put(id, initAdapter(this.info.config, config, seed)));
  }

  importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    return this.enqueue(() => {
      checkAdapter(this.info.config, weights, `adapter ${id}`);
      return this.put(id, copyAdapterWeights(orderedAdapter(this.info.config, weights)));
    });
  }

  exportAdapter(id: AdapterId): Promise<AdapterWeights> {
    return this.enqueue(async () => checkExported(id, copyAdapterWeights(this.get(id))));
  }

  copyAdapter(from: AdapterId, to: AdapterId): Promise<void> {
    return this.enqueue(() => this.put(to, copyAdapterWeights(this.get(from))));
  }

  deleteAdapter(id: AdapterId): Promise<void> {
    return this.enqueue(async () => {
      this.get(id);
      this.held.delete(id);
      this.states.delete(id);
      await this.compute.deleteAdapter(id);
    });
  }

  adapters(): AdapterId[] {
    return [...this.held.keys()];
  }

  /** What the formats of weights and of keys and values cost; the weights in memory are f32 whatever their format. */
  async report(): Promise<EngineReport> {
    const { errors, options, resolved, weightBytes } = this.parts;
    return {
      dtype: options.dtype ?? 'f32',
      weightBytes,
      cache: resolved.cache,
      errors,
      cacheSaturated: this.compute.saturated,
      selfCheck: null,
    };
  }

  plan(): MemoryPlan {
    const { resolved, weightBytes: weights } = this.parts;
    const kvCache = 4 * resolved.maxRows * cacheLength(this.info.config, resolved.maxLength);
    const activations = this.compute.bytes;
    let adapters = 0;
    for (const { tensors } of this.held.values()) adapters += totalBytes(tensors);
    let optimiser = 0;
    for (const { m, v } of this.states.values()) optimiser += totalBytes(m) + totalBytes(v);
    const total = weights + kvCache + activations + adapters + optimiser;
    return { weights, kvCache, activations, adapters, optimiser, total };
  }

  dispose(): Promise<void> {
    return this.enqueue(async () => {
      this.held.clear();
      this.states.clear();
      await this.compute.dispose();
    });
  }

  private enqueue<T>(work: () => Promise<T>): Promise<T> {
    return this.queue.run(work);
  }

  /** Checks what is asked for and computes it. */
  private operate<N extends OperationName, T>(name: N, args: Arguments<N>, compute: () => Promise<T>): Promise<T> {
    return this.enqueue(async () => {
      checkOperation(name, this.limits, args);
      return compute();
    });
  }

  private startJob(job: TrainJob): Map<AdapterId, OptimiserState> {
    checkJob(job, this.limits);
    job.signal?.throwIfAborted();
    const states = new Map<AdapterId, OptimiserState>();
    for (const track of job.tracks) {
      const { tensors } = this.get(track.adapter);
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
    const references = new Map<AdapterId, Map<number, number>>();
    for (const track of job.tracks) {
      const score = (requests: ScoreRequest[]): Promise<Float32Array[]> => this.scoreNow(requests, job.signal);
      references.set(track.adapter, await referenceScores(job.objective, track, job.resume?.step ?? 0, score));
    }
    return references;
  }

  private trainParts(references: ReadonlyMap<AdapterId, Map<number, number>>, signal?: AbortSignal): TrainParts {
    const sums = new Map<AdapterId, Float32Array>();
    return {
      compute: this.compute,
      sumOf(id, numbers) {
        let sum = sums.get(id);
        if (sum?.length !== numbers) sums.set(id, (sum = new Float32Array(numbers)));
        return sum.fill(0);
      },
      weightsOf: (id) => this.get(id),
      referencesOf: ({ adapter }) => references.get(adapter) ?? new Map<number, number>(),
      score: (requests) => this.scoreNow(requests, signal),
      reward: (requests) => this.rewardNow(requests, signal),
      signal,
    };
  }

  /** Inside an operation; the requests are valid. */
  private async scoreNow(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array[]> {
    const scores = await this.compute.score(requests, signal);
    scores.forEach((logprobs, row) => checkScores(requests[row]?.adapter ?? null, row, logprobs));
    return scores;
  }

  /** Inside an operation; the requests are valid. */
  private async rewardNow(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array> {
    const rewards = await this.compute.reward(requests, signal);
    return checkRewards(
      requests.map(({ adapter }) => adapter),
      rewards,
    );
  }

  private async put(id: AdapterId, weights: AdapterWeights): Promise<void> {
    checkCapacity(id, weights.config, this.held, this.parts.options);
    this.held.set(id, weights);
    this.states.delete(id);
    await this.compute.setAdapter(id, weights);
  }

  private get(id: AdapterId): AdapterWeights {
    checkAdapterId(id, this.limits, 'request');
    return this.held.get(id) as AdapterWeights;
  }
}

export function totalBytes(tensors: ReadonlyMap<string, HostTensor>): number {
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
