/** The trainings in progress: what is restored after a loss, when checkpoints are taken, and how each ends. */
import type { MemoryPlanError } from '../errors';
import type { AdapterId, Engine, TrainStepEvent } from '../types';
import { sentence, type EngineKeeper } from './keeper';
import type { AdapterShelf } from './shelf';
import type { Training } from './training';

export class Trainings {
  private readonly inProgress = new Set<Training>();
  /** Of trainings that have ended. */
  private pastMismatches = 0;

  constructor(
    private readonly keeper: EngineKeeper,
    private readonly shelf: AdapterShelf,
    /** Steps between two checkpoints. */
    private readonly checkpointSteps: number,
  ) {}

  /** Repeated steps that came out differently. */
  get mismatches(): number {
    return [...this.inProgress].reduce((sum, training) => sum + training.mismatches, this.pastMismatches);
  }

  of(id: AdapterId): Training | undefined {
    return [...this.inProgress].find((training) => training.trains(id));
  }

  /** The next step's event, or null after the last one. @throws as `train` of the engine's contract */
  async step(training: Training): Promise<TrainStepEvent | null> {
    try {
      if (!training.begun) await this.begin(training);
      const event = await this.keeper.persist((engine) => training.next(engine), {
        signal: training.signal,
        progress: () => training.done,
        reduce: (error, engine) => this.smallerBatches(training, error, engine),
      });
      if (event && (training.complete || training.unsaved >= this.checkpointSteps)) await this.save(training);
      return event;
    } catch (error) {
      training.failed = true;
      throw error;
    }
  }

  /** A job has ended, or the caller has left it. */
  async leave(training: Training): Promise<void> {
    try {
      // Without an engine all that is to be had is the checkpoint before.
      if (!(training.failed && this.keeper.engine === null)) await this.save(training);
    } catch (error) {
      if (!training.failed) throw error;
    } finally {
      training.drop();
      this.forget(training);
    }
  }

  /** Takes a checkpoint of what was trained since the last one. */
  async save(training: Training | undefined): Promise<void> {
    if (!training || !this.inProgress.has(training) || training.unsaved === 0) return;
    await this.keeper.persist((engine) => training.checkpoint(engine, this.shelf));
  }

  /** Changes which adapter has this name; a training of the former one has to end. */
  async replace(id: AdapterId, operation: (engine: Engine) => Promise<void>): Promise<void> {
    const training = this.of(id);
    await this.save(training);
    await this.keeper.persist(operation);
    if (training) this.end(training, id);
  }

  /** Repeats on a new engine, which has the shelf's adapters, what came after the checkpoints. */
  async restart(engine: Engine): Promise<void> {
    for (const training of this.inProgress) await training.restart(engine);
  }

  /** Forgets all of them. */
  drop(): void {
    for (const training of this.inProgress) training.drop();
    this.inProgress.clear();
  }

  /** From now on the training is part of what is restored. One of the same adapters that is in progress has to end. */
  private async begin(training: Training): Promise<void> {
    for (const other of [...this.inProgress]) {
      const shared = training.sharedWith(other);
      if (shared === undefined) continue;
      await this.save(other);
      this.end(other, shared);
    }
    training.begun = true;
    this.inProgress.add(training);
  }

  /** Doubles the number of micro-batches; the engine is kept where nothing was computed on it yet. */
  private async smallerBatches(training: Training, error: MemoryPlanError, engine: Engine): Promise<void> {
    const before = training.accumulation;
    training.split(error);
    this.keeper.notice(
      'smaller-plan',
      `${sentence(error.message)} Going on with batches in ${training.accumulation} parts instead of ${before}: the same result with less memory.`,
    );
    const [adapter] = engine.adapters();
    const healthy = adapter !== undefined && (await engine.exportAdapter(adapter).then(yes, no));
    if (training.unsaved > 0 || !healthy) await this.keeper.abandon(engine);
  }

  /** Another adapter takes the place of one that it trains. */
  private end(training: Training, id: AdapterId): void {
    training.replace(id);
    this.forget(training);
  }

  private forget(training: Training): void {
    if (this.inProgress.delete(training)) this.pastMismatches += training.mismatches;
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;
