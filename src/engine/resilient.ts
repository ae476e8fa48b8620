/**
 * An engine that outlives its device. When the device is lost (driver restart, sleep, another tab's fault) a new engine is
 * opened, the adapters are put back from the host's copies, the steps of a training after its last checkpoint are repeated,
 * and the operation goes on. When the device has too little memory, a smaller plan is tried, then refused in words.
 */
import { RequestError, type MemoryPlanError } from './errors';
import { callOn, operation, passingBase, REPEATED, type Answer, type Arguments, type RepeatedName } from './operations';
import { copyAdapterWeights } from './peft';
import { OperationQueue } from './queue';
import { Generation } from './resilient/generation';
import { EngineKeeper, type EngineNotice, type OpenEngine } from './resilient/keeper';
import { AdapterShelf } from './resilient/shelf';
import { Training } from './resilient/training';
import { Trainings } from './resilient/trainings';
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
  MemoryPlan,
  OptimiserState,
  TrainJob,
  TrainStepEvent,
} from './types';

export type { EngineNotice, OpenEngine } from './resilient/keeper';

export interface ResilienceOptions {
  onNotice?: (notice: EngineNotice) => void;
  /** Training steps between two checkpoints; default 16. */
  checkpointSteps?: number;
  /** Milliseconds to wait before each attempt at opening a new engine; there are as many attempts. */
  pauses?: readonly number[];
}

const CHECKPOINT_STEPS = 16;
const PAUSES = [0, 500, 2_000, 8_000];

export class ResilientEngine extends passingBase(REPEATED) implements Engine {
  private readonly keeper: EngineKeeper;
  private readonly shelf = new AdapterShelf();
  private readonly trainings: Trainings;
  /** One operation runs at a time, so that nothing happens during a recovery. */
  private readonly queue = new OperationQueue();

  private constructor(open: OpenEngine, options: EngineOptions, resilience: ResilienceOptions) {
    super();
    this.keeper = new EngineKeeper({
      open,
      options,
      pauses: resilience.pauses ?? PAUSES,
      restore: (engine) => this.restore(engine),
      onNotice: (notice) => resilience.onNotice?.(notice),
    });
    const checkpointSteps = Math.max(1, resilience.checkpointSteps ?? CHECKPOINT_STEPS);
    this.trainings = new Trainings(this.keeper, this.shelf, checkpointSteps);
  }

  /**
   * Opens the first engine, with fewer rows than asked for when the device has no room for them.
   * @throws what `open` throws; MemoryPlanError when a single row does not fit
   */
  static async open(
    open: OpenEngine,
    options: EngineOptions = {},
    resilience: ResilienceOptions = {},
  ): Promise<ResilientEngine> {
    const engine = new ResilientEngine(open, options, resilience);
    await engine.keeper.open();
    return engine;
  }

  /** Of the engine at hand, or the one before while there is none. */
  get info(): EngineInfo {
    return this.known.info;
  }

  /** What the engine was opened with: maxRows may be lower than asked for. */
  get options(): EngineOptions {
    return this.keeper.options;
  }

  /** New engines that took a lost one's place. */
  get recoveries(): number {
    return this.keeper.recoveries;
  }

  /** Training steps that were repeated after a loss and came out differently, as they may on another device. */
  get mismatches(): number {
    return this.trainings.mismatches;
  }

  generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<GenerateResult[]> {
    return this.enqueue(async () => {
      const generation = new Generation(requests, options);
      const progress = (): number => generation.finished;
      return this.keeper.persist((engine) => generation.run(engine), { signal: options.signal, progress });
    });
  }

  /** A call that changes nothing: made again when the device was lost. */
  pass<N extends RepeatedName>(name: N, args: Arguments<N>): Answer<N> {
    const how = operation(name).afterLoss === 'whole' ? { reduce: refuse } : {};
    return this.enqueue(() => this.keeper.persist((engine) => callOn(engine, name, args), how));
  }

  /**
   * As the contract says; a checkpoint is taken every few steps and at the end. When the device is lost and stays lost, the
   * adapters are those of the last checkpoint.
   */
  async *train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    const training = new Training(job);
    try {
      for (;;) {
        const event = await this.enqueue(() => this.trainings.step(training));
        if (event === null) return;
        yield event;
      }
    } finally {
      await this.enqueue(() => this.trainings.leave(training));
    }
  }

  optimiserState(id: AdapterId): Promise<OptimiserState | null> {
    return this.enqueue(() =>
      this.keeper.persist(async (engine) => {
        // A new engine knows nothing of trainings before it; the shelf has their states.
        const onShelf = this.shelf.has(id) && !this.trainings.of(id)?.changed(id);
        return onShelf ? this.shelf.state(id) : engine.optimiserState(id);
      }),
    );
  }

  createAdapter(id: AdapterId, config: AdapterConfig, seed: number): Promise<void> {
    return this.enqueue(async () => {
      await this.trainings.replace(id, (engine) => engine.createAdapter(id, config, seed));
      this.shelf.created(id, config, seed);
    });
  }

  async importAdapter(id: AdapterId, weights: AdapterWeights): Promise<void> {
    const own = copyAdapterWeights(weights);
    await this.enqueue(async () => {
      await this.trainings.replace(id, (engine) => engine.importAdapter(id, own));
      this.shelf.imported(id, own);
    });
  }

  copyAdapter(from: AdapterId, to: AdapterId): Promise<void> {
    return this.enqueue(async () => {
      await this.trainings.save(this.trainings.of(from));
      await this.trainings.replace(to, (engine) => engine.copyAdapter(from, to));
      this.shelf.copied(from, to);
    });
  }

  deleteAdapter(id: AdapterId): Promise<void> {
    return this.enqueue(async () => {
      await this.trainings.replace(id, (engine) => engine.deleteAdapter(id));
      this.shelf.deleted(id);
    });
  }

  /** What the engine found out about the weights while it was loaded. @throws RequestError when it keeps no account */
  report(): Promise<EngineReport> {
    return this.enqueue(() =>
      this.keeper.persist(async (engine) => {
        if (!engine.report) throw new RequestError(`the ${engine.info.kind} engine gives no report`);
        return engine.report();
      }),
    );
  }

  adapters(): AdapterId[] {
    return this.shelf.ids();
  }

  plan(): MemoryPlan {
    return this.keeper.engine?.plan() ?? this.known.plan;
  }

  dispose(): Promise<void> {
    return this.enqueue(async () => {
      this.trainings.drop();
      await this.keeper.close();
    });
  }

  private get known(): { info: EngineInfo; plan: MemoryPlan } {
    if (this.keeper.known === null) throw new TypeError('no engine was opened');
    return this.keeper.known;
  }

  /** Puts adapters and trainings into a new engine. */
  private async restore(engine: Engine): Promise<string> {
    await this.shelf.restore(engine);
    await this.trainings.restart(engine);
    const { mismatches } = this;
    if (mismatches === 0) return '';
    const steps = mismatches === 1 ? 'training step' : 'training steps';
    return `${mismatches} repeated ${steps} came out differently, as they may on another device.`;
  }

  private enqueue<T>(operation: () => Promise<T>): Promise<T> {
    return this.queue.run(operation);
  }
}

/** For work that cannot be made smaller. */
async function refuse(error: MemoryPlanError): Promise<void> {
  throw error;
}
