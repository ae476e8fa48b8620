/**
 * Lanes side by side: rows of generation, sequences of scoring and of training are spread over threads. Which lane computes what
 * depends on who is free; results do not, because rows and sequences do not depend on each other and gradients are added in the
 * order of the batch. A lane that ends is replaced, and what it was asked is asked again.
 */
import { DeviceError } from '../errors';
import type { FrozenWeights } from '../reference/packedTensor';
import { mostParts } from '../mixture';
import type { Compute, ComputeOptions, GradientWork, UseGradient, UseGrams } from '../reference/compute';
import type { IndexedRequest } from '../reference/generate';
import type {
  AdapterId,
  AdapterWeights,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  Projection,
  ScoreRequest,
} from '../types';
import { GenerationDesk } from './generationDesk';
import type { LaneGradient, LaneRequest, StartLane } from './laneMessages';
import { LaneEndedError, RemoteLane } from './remoteLane';

/** Calls that a lane has before it, so that it does not wait for the next one. */
const AHEAD = 2;
/** Lanes that may end in one operation. */
const MOST_REPLACEMENTS = 3;

/** One operation as its parts see it. */
interface Operation {
  /** It was aborted, or a part of it failed: nothing more is asked. */
  readonly isStopped: boolean;
  /** Opens a new lane where one has ended. */
  replace(place: number): Promise<void>;
}

export class LanesCompute implements Compute {
  private lanes: RemoteLane[] = [];
  private readonly adapters = new Map<AdapterId, AdapterWeights>();
  private saturatedBefore = 0;
  /** Arrays of gradients that were read, to be filled again. */
  private readonly rooms: Float32Array<ArrayBuffer>[] = [];

  private constructor(
    private readonly start: StartLane,
    private readonly count: number,
    private readonly weights: FrozenWeights,
    private readonly options: ComputeOptions,
  ) {}

  /** @throws DeviceError when no lane can be started, MemoryPlanError when one has no memory for the weights */
  static async create(
    start: StartLane,
    count: number,
    weights: FrozenWeights,
    options: ComputeOptions,
  ): Promise<LanesCompute> {
    const compute = new LanesCompute(start, count, weights, {
      ...options,
      maxRows: Math.ceil(options.maxRows / count),
    });
    try {
      compute.lanes = await Promise.all(Array.from({ length: count }, () => compute.open()));
    } catch (error) {
      await compute.dispose();
      throw error instanceof LaneEndedError ? new DeviceError(error.message) : error;
    }
    return compute;
  }

  get saturated(): number {
    return this.lanes.reduce((sum, { saturated }) => sum + saturated, this.saturatedBefore);
  }

  get bytes(): number {
    return this.lanes.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async setAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    this.adapters.set(id, weights);
    await this.tellAll({ kind: 'setAdapter', id, weights });
  }

  async deleteAdapter(id: AdapterId): Promise<void> {
    this.adapters.delete(id);
    await this.tellAll({ kind: 'deleteAdapter', id });
  }

  async generate(requests: readonly GenerateRequest[], options: GenerateOptions): Promise<GenerateResult[]> {
    const parts = mostParts(requests);
    const desk = new GenerationDesk(requests, options, this.count, this.options.maxRows);
    const watched = options.onTokens !== undefined;
    await this.onAll(options.signal, async (place, operation) => {
      let rows: IndexedRequest[] = desk.first(place);
      for (;;) {
        const lane = this.lanes[place] as RemoteLane;
        if (rows.length === 0) rows = desk.take(this.options.maxRows);
        if (rows.length === 0) return;
        const open = desk.connect(lane, rows);
        try {
          await lane.call({ kind: 'generate', rows, more: desk.hasMore, watched, parts });
          rows = [];
        } catch (error) {
          if (!(error instanceof LaneEndedError)) throw error;
          await operation.replace(place);
          rows = open.left();
        }
      }
    });
    return desk.results;
  }

  score(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array[]> {
    return this.each(requests, 'score', signal);
  }

  embed(requests: readonly ScoreRequest[]): Promise<Float32Array[]> {
    return this.each(requests, 'embed');
  }

  async reward(requests: readonly ScoreRequest[], signal?: AbortSignal): Promise<Float32Array> {
    const rewards = new Float32Array(requests.length);
    await this.spread(
      requests.length,
      signal,
      (index) => ({ kind: 'reward', requests: [requests[index] as ScoreRequest] }),
      (index, value) => rewards.set(value as Float32Array, index),
    );
    return rewards;
  }

  async grams(requests: readonly ScoreRequest[], projections: readonly Projection[], use: UseGrams): Promise<void> {
    await this.spread(
      requests.length,
      undefined,
      (index) => ({ kind: 'grams', request: requests[index] as ScoreRequest, projections }),
      inOrder((index, value) => use(index, value as Float32Array)),
    );
  }

  async logits(request: ScoreRequest): Promise<Float32Array> {
    let logits = new Float32Array();
    await this.spread(
      1,
      undefined,
      () => ({ kind: 'logits', request }),
      (_, value) => (logits = value as Float32Array<ArrayBuffer>),
    );
    return logits;
  }

  async gradients(work: readonly GradientWork[], use: UseGradient, signal?: AbortSignal): Promise<void> {
    await this.spread(
      work.length,
      signal,
      (index) => ({ kind: 'gradient', work: work[index] as GradientWork, room: this.rooms.pop() ?? null }),
      inOrder((index, value) => {
        const { loss, gradient } = value as LaneGradient;
        use(index, loss, gradient);
        this.rooms.push(gradient);
      }),
    );
  }

  async dispose(): Promise<void> {
    for (const lane of this.lanes) lane.end();
    this.lanes = [];
    this.adapters.clear();
  }

  private async each(
    requests: readonly ScoreRequest[],
    kind: 'score' | 'embed',
    signal?: AbortSignal,
  ): Promise<Float32Array[]> {
    const found: Float32Array[] = new Array(requests.length);
    await this.spread(
      requests.length,
      signal,
      (index) => ({ kind, requests: [requests[index] as ScoreRequest] }),
      (index, value) => (found[index] = (value as Float32Array[])[0] as Float32Array),
    );
    return found;
  }

  /** Asks `count` things of whoever is free. */
  private async spread(
    count: number,
    signal: AbortSignal | undefined,
    request: (index: number) => LaneRequest,
    use: (index: number, value: unknown) => void,
  ): Promise<void> {
    let next = 0;
    const again: number[] = [];
    await this.onAll(signal, async (place, operation) => {
      const drive = async (): Promise<void> => {
        for (;;) {
          const index = again.pop() ?? (next < count ? next++ : null);
          if (index === null || operation.isStopped) return;
          const lane = this.lanes[place] as RemoteLane;
          const asked = request(index);
          const transfer = asked.kind === 'gradient' && asked.room ? [asked.room.buffer] : [];
          try {
            use(index, await lane.call(asked, transfer));
          } catch (error) {
            if (!(error instanceof LaneEndedError)) throw error;
            again.push(index);
            await operation.replace(place);
          }
        }
      };
      await Promise.all(Array.from({ length: AHEAD }, drive));
    });
  }

  /**
   * Runs `work` for every lane's place, and ends when all have ended.
   * @throws what the first one throws; the signal's reason
   */
  private async onAll(
    signal: AbortSignal | undefined,
    work: (place: number, operation: Operation) => Promise<void>,
  ): Promise<void> {
    signal?.throwIfAborted();
    let failure: { error: unknown } | null = null;
    let replacements = 0;
    const replacing = new Map<number, Promise<void>>();
    const operation: Operation = {
      get isStopped() {
        return failure !== null || signal?.aborted === true;
      },
      replace: async (place) => {
        const lane = this.lanes[place] as RemoteLane;
        // Whoever comes second finds a new one, or waits for it.
        if (lane.isEnded && !replacing.has(place)) {
          const opening = this.reopen(place, ++replacements).finally(() => replacing.delete(place));
          replacing.set(place, opening);
        }
        await replacing.get(place);
      },
    };
    const abort = (): void => this.lanes.forEach((lane) => lane.abort());
    signal?.addEventListener('abort', abort);
    try {
      await Promise.all(
        this.lanes.map((_, place) =>
          work(place, operation).catch((error: unknown) => {
            failure ??= { error };
            // The others need not go on.
            abort();
          }),
        ),
      );
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    signal?.throwIfAborted();
    if (failure) throw (failure as { error: unknown }).error;
  }

  private async tellAll(request: LaneRequest): Promise<void> {
    await this.onAll(undefined, async (place, operation) => {
      try {
        await (this.lanes[place] as RemoteLane).call(request);
      } catch (error) {
        if (!(error instanceof LaneEndedError)) throw error;
        // A new lane gets all adapters when it is opened.
        await operation.replace(place);
      }
    });
  }

  private async reopen(place: number, replacements: number): Promise<void> {
    if (replacements > MOST_REPLACEMENTS) {
      throw new DeviceError(
        'threads of the exact engine ended again and again: this device may have too little memory',
      );
    }
    this.saturatedBefore += (this.lanes[place] as RemoteLane).saturated;
    this.lanes[place] = await this.open();
  }

  private async open(): Promise<RemoteLane> {
    const lane = new RemoteLane(this.start);
    await lane.call({ kind: 'open', weights: this.weights, options: this.options });
    for (const [id, weights] of this.adapters) await lane.call({ kind: 'setAdapter', id, weights });
    return lane;
  }
}

/** Passes on what arrives in any order in the order of the indices. */
function inOrder(use: (index: number, value: unknown) => void): (index: number, value: unknown) => void {
  const early = new Map<number, unknown>();
  let next = 0;
  return (index, value) => {
    early.set(index, value);
    while (early.has(next)) {
      use(next, early.get(next));
      early.delete(next++);
    }
  };
}
