/** The WebGPU engine: the Engine contract on a device's compute kernels. */

import { decoderSizes, SATURATED_BYTES } from '../buffers';
import { FixedSizeError, MemoryPlanError } from '../errors';
import { noGrams } from '../grams';
import { partsOf } from '../mixture';
import { checkOperation, operation, type Arguments, type OperationName } from '../operations';
import { adapterDtype, engineRoom, onDevice, planModel, tooLargeFor, totalOf, type EngineRoom } from '../plan';
import { OperationQueue } from '../queue';
import { streamOf, type ModelStream, type ReadOptions } from '../stream';
import { checkCapacity, type Limits } from '../requests';
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
  ModelConfig,
  ModelWeights,
  Objective,
  OptimiserState,
  Projection,
  ScoreRequest,
  SelfCheck,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../types';
import { AdapterStore, BASE_VERSION } from './adapters';
import { Decoder } from './decoder';
import { Gpu } from './device';
import { uploadTurns, type ForwardParts } from './forward';
import { generateRows } from './generate';
import { NO_SLOT } from './layout';
import type { RowWeights } from './prefill';
import { embedRows, logitsOfRow, rewardRows, scoreRows } from './score';
import { Trainer } from './train';
import { fillRoom, makeRoom, type Room } from './weights';

const NO_TARGETS: ReadonlySet<Projection> = new Set();

/** For tests, measurements and the curious. */
export interface EngineCounters {
  /** Tokens of prompts and scored sequences that were computed, decoding not counted. */
  prefilled: number;
  /** Tokens whose keys and values were taken over from a row that had them. */
  reused: number;
  /** Recorded programs that are kept. */
  programs: number;
  /** Buffers ever made. */
  buffersCreated: number;
  /** Bytes of all living buffers: the plan's, parameters of programs, staging. */
  deviceBytes: number;
}

export class WebGpuEngine implements Engine {
  readonly info: EngineInfo;
  private readonly trainer: Trainer;
  private readonly queue = new OperationQueue();
  private cacheSaturated = 0;

  private constructor(
    private readonly parts: ForwardParts & { adapters: AdapterStore },
    private readonly decoder: Decoder,
    private readonly limits: Limits,
    private readonly options: Required<EngineOptions>,
    private readonly selfCheck: SelfCheck | null,
  ) {
    const { gpu, config, weights } = parts;
    const arithmetic = weights.dtype === 'f32' ? 'f32' : gpu.arithmetic;
    this.info = { kind: 'webgpu', device: gpu.description, config, arithmetic, cache: decoder.sizes.cache };
    this.trainer = new Trainer({
      forward: parts,
      limits,
      adapterOf: (id) => parts.adapters.get(id),
      updated: (id) => parts.adapters.changed(id),
      score: (requests) => this.scoreNow(requests),
      reward: (requests) => this.rewardNow(requests),
      enqueue: (operation) => this.enqueue(operation),
    });
  }

  /**
   * Opens a device of its own, copies the weights to it and allocates cache and activations.
   * @param gpu `navigator.gpu`, or what `openNodeGpu` gives
   * @param reading progress of the weights' bytes, cancellation
   * @throws NoWebGpuError, RequestError for impossible options, MemoryPlanError when it does not fit the device,
   *   SelfCheckError when the device does not compute the model, what the stream throws
   */
  static async create(
    gpu: GPU,
    model: ModelWeights | ModelStream,
    options: EngineOptions = {},
    reading: ReadOptions = {},
  ): Promise<WebGpuEngine> {
    const stream = 'read' in model ? model : streamOf(model);
    const { config } = stream;
    const wanted = engineRoom(config, options);
    const { tiles = 'auto', arithmetic = 'auto', prefixCache = true, selfCheck = true } = options;
    const device = await Gpu.open(gpu, { tiles, arithmetic });
    const taken = onDevice(options, device.arithmetic);
    const adapters = { adapterDtype: adapterDtype(options, device.arithmetic) };
    const resolved = { ...wanted, ...taken, ...adapters, tiles, prefixCache, selfCheck };
    try {
      const { room, parts, decoder } = await allocate(device, config, resolved);
      const check = resolved.selfCheck ? await import('./selfCheck') : null;
      const probe = check && new check.SelfCheckProbe(config);
      await fillRoom(device, room, stream, reading, (piece) => probe?.take(piece));
      const result = probe && (await device.guard(() => check.selfCheck(parts, decoder, probe)));
      // What the check stored is nobody's.
      if (result) await device.guard(() => decoder.takeSaturated());
      const { maxLength, maxRows } = resolved;
      const limits = { vocabSize: config.vocabSize, maxLength, maxRows, adapters: parts.adapters };
      return new WebGpuEngine(parts, decoder, limits, resolved, result);
    } catch (error) {
      device.destroy();
      throw error;
    }
  }

  generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    return this.operate('generate', [requests, options], async () => {
      const targets = this.targetsOf(requests.flatMap(partsOf));
      const weightsOf = (adapter: AdapterId | null): RowWeights => this.weightsOf(adapter);
      return generateRows(this.decoder, requests, weightsOf, targets, options, this.options.prefixCache);
    });
  }

  score(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.operate('score', [requests], () => this.scoreNow(requests));
  }

  embed(requests: ScoreRequest[]): Promise<Float32Array[]> {
    return this.operate('embed', [requests], async () => {
      const weightsOf = (request: ScoreRequest): RowWeights => this.weightsOf(request.adapter);
      return embedRows(this.decoder, requests, weightsOf, this.targetsOf(requests), this.info.config.hiddenSize);
    });
  }

  reward(requests: ScoreRequest[]): Promise<Float32Array> {
    return this.operate('reward', [requests], () => this.rewardNow(requests));
  }

  grams(requests: ScoreRequest[], projections: readonly Projection[]): Promise<Grams> {
    return this.operate('grams', [requests, projections], () => Promise.reject(noGrams('webgpu')));
  }

  logits(request: ScoreRequest): Promise<Float32Array> {
    return this.operate('logits', [request], async () => {
      const weights = this.weightsOf(request.adapter);
      return logitsOfRow(this.decoder, request, weights, this.targetsOf([request]), this.info.config.vocabSize);
    });
  }

  train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    return this.trainer.train(job);
  }

  gradients(
    track: TrainTrack,
    objective: Objective = 'sft',
  ): Promise<{ loss: number; tensors: Map<string, HostTensor> }> {
    return this.trainer.gradients(track, objective);
  }

  optimiserState(adapter: AdapterId): Promise<OptimiserState | null> {
    return this.trainer.optimiserState(adapter);
  }

  createAdapter(id: AdapterId, config: AdapterConfig, seed: number): Promise<void> {
    return this.enqueue(async () => {
      checkCapacity(
        id,
        config,
        { has: (name) => this.limits.adapters.has(name), size: this.adapters().length },
        this.options,
      );
      this.parts.adapters.create(id, config, seed);
      this.trainer.forget(id);
    });
  }

  importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    return this.enqueue(async () => {
      this.parts.adapters.import(id, weights);
      this.trainer.forget(id);
    });
  }

  exportAdapter(id: AdapterId): Promise<AdapterWeights> {
    return this.enqueue(() => this.parts.adapters.export(id));
  }

  copyAdapter(from: AdapterId, to: AdapterId): Promise<void> {
    return this.enqueue(async () => {
      await this.parts.adapters.copy(from, to);
      this.trainer.forget(to);
    });
  }

  deleteAdapter(id: AdapterId): Promise<void> {
    return this.enqueue(async () => {
      this.parts.adapters.delete(id);
      this.trainer.forget(id);
    });
  }

  async report(): Promise<EngineReport> {
    const { dtype, bytes, errors } = this.parts.weights;
    const { cache } = this.decoder.sizes;
    const { cacheSaturated, selfCheck } = this;
    return { dtype, weightBytes: bytes, cache, errors, cacheSaturated, selfCheck };
  }

  adapters(): AdapterId[] {
    return this.parts.adapters.ids();
  }

  /** What the engine did since it was made, and what it has on the device. */
  get counters(): EngineCounters {
    const { gpu } = this.parts;
    return {
      ...this.decoder.tokensRun,
      programs: this.decoder.programCount + this.trainer.programCount,
      buffersCreated: gpu.buffersCreated,
      deviceBytes: gpu.bytesAllocated + gpu.bytesBeside,
    };
  }

  plan(): MemoryPlan {
    const made = planModel(this.parts.config, this.options);
    const { activations, optimiser } = this.trainer.bytes;
    return totalOf({ ...made, activations: made.activations + activations, optimiser });
  }

  dispose(): Promise<void> {
    return this.queue.run(async () => {
      this.trainer.dispose();
      this.parts.gpu.destroy();
    });
  }

  /** Inside an operation; the requests are valid. */
  private scoreNow(requests: ScoreRequest[]): Promise<Float32Array[]> {
    const weightsOf = (request: ScoreRequest): RowWeights => this.weightsOf(request.adapter);
    return scoreRows(this.decoder, requests, weightsOf, this.targetsOf(requests), this.options.prefixCache);
  }

  /** Inside an operation; the requests are valid. */
  private async rewardNow(requests: ScoreRequest[]): Promise<Float32Array> {
    const heads = new Map<AdapterId, Float32Array>();
    for (const { adapter } of requests)
      if (adapter !== null && !heads.has(adapter)) heads.set(adapter, await this.parts.adapters.head(adapter));
    const weightsOf = (request: ScoreRequest): RowWeights => this.weightsOf(request.adapter);
    return rewardRows(this.decoder, requests, weightsOf, this.targetsOf(requests), heads);
  }

  private weightsOf(adapter: AdapterId | null): RowWeights {
    if (adapter === null) return { slot: NO_SLOT, version: BASE_VERSION };
    const { slot, version } = this.parts.adapters.ready(adapter);
    return { slot, version };
  }

  /** Projections for which a LoRA path is recorded: none when no request has an adapter. */
  private targetsOf(requests: readonly { adapter: AdapterId | null }[]): ReadonlySet<Projection> {
    return requests.some(({ adapter }) => adapter !== null) ? this.parts.adapters.targets() : NO_TARGETS;
  }

  /** @throws DeviceLostError as soon as the device is lost */
  private enqueue<T>(work: () => Promise<T>): Promise<T> {
    return this.queue.run(() => this.parts.gpu.guard(work));
  }

  /**
   * Checks what is asked for and computes it. Where keys and values are stored, what was too large for them is read once, at the
   * end, also when the operation fails.
   */
  private operate<N extends OperationName, T>(name: N, args: Arguments<N>, compute: () => Promise<T>): Promise<T> {
    return this.enqueue(async () => {
      checkOperation(name, this.limits, args);
      try {
        return await compute();
      } finally {
        // A lost device has no count; the operation says that it is lost.
        if (operation(name).stores) this.cacheSaturated += await this.decoder.takeSaturated().catch(() => 0);
      }
    });
  }
}

/** All buffers of an engine, before a byte of the model is read. @throws MemoryPlanError */
async function allocate(
  gpu: Gpu,
  config: ModelConfig,
  options: EngineRoom,
): Promise<{ room: Room; parts: ForwardParts & { adapters: AdapterStore }; decoder: Decoder }> {
  const { maxRows, maxLength, dtype, cache } = options;
  const refusal = tooLargeFor(gpu.bufferLimit, config, options);
  if (refusal !== null) throw new FixedSizeError(refusal);
  const made: Awaited<ReturnType<typeof allocate>>[] = [];
  const error = await gpu.allocate(() => {
    const room = makeRoom(gpu, config, dtype);
    const adapters = new AdapterStore(gpu, config, options);
    const turns = uploadTurns(gpu, config, maxLength);
    const saturated = gpu.buffer('keys and values too large for f16', SATURATED_BYTES);
    const parts = { gpu, config, weights: room.weights, adapters, turns, saturated };
    // A CPU driver gains nothing from steps in flight, and rows that have ended idle until the next read.
    const read = { ...parts, adapters: adapters.decoding };
    const decoder = new Decoder(read, decoderSizes(config, maxRows, maxLength, cache), gpu.isCpu ? 2 : 8);
    made.push({ room, parts, decoder });
  });
  if (error === null && made[0]) return made[0];
  throw new MemoryPlanError(
    `the device has no ${Math.round(gpu.bytesAllocated / 2 ** 20)} MiB free (${error}); fewer rows (maxRows), a shorter ` +
      'maxLength, a smaller format of the weights (dtype) or a smaller model may fit',
  );
}
