/**
 * A training job that survives the loss of its engine: it goes back to its last checkpoint and repeats the steps after it,
 * whose events were passed on already.
 */
import { MemoryPlanError, RequestError } from '../errors';
import type { AdapterId, AdapterWeights, Engine, OptimiserState, TrainJob, TrainStepEvent } from '../types';
import type { AdapterShelf } from './shelf';

export class Training {
  /** Steps that were computed, those before a resumed job's first one included. */
  done: number;
  /** Part of what is restored after a loss. */
  begun = false;
  /** The caller has been told of an error; nothing more is computed. */
  failed = false;
  /** Repeated steps whose losses or norms were others than the first time. */
  mismatches = 0;
  private readonly adapters: ReadonlySet<AdapterId>;
  private optimiser: TrainJob['optimiser'];
  /** Adapters and states as of this step are on the shelf and in `states`. */
  private checkpointStep: number;
  private states: ReadonlyMap<AdapterId, OptimiserState>;
  /** Events since the checkpoint. */
  private events: TrainStepEvent[] = [];
  /** They were computed with the same micro-batches as now. */
  private comparable = true;
  private steps: AsyncGenerator<TrainStepEvent, void, void> | null = null;
  private unlink: () => void = () => {};
  private replaced: AdapterId | null = null;

  constructor(private readonly job: TrainJob) {
    this.adapters = new Set(job.tracks.map((track) => track.adapter));
    this.optimiser = job.optimiser;
    this.done = this.checkpointStep = job.resume?.step ?? 0;
    this.states = job.resume?.states ?? new Map<AdapterId, OptimiserState>();
  }

  get signal(): AbortSignal | undefined {
    return this.job.signal;
  }

  /** Steps since the checkpoint. */
  get unsaved(): number {
    return this.done - this.checkpointStep;
  }

  /** All steps were computed. */
  get complete(): boolean {
    return this.done >= Math.max(0, ...this.job.tracks.map((track) => track.batches.length));
  }

  get accumulation(): number {
    return this.optimiser.accumulation;
  }

  trains(id: AdapterId): boolean {
    return this.adapters.has(id);
  }

  /** The adapter was trained since the checkpoint. */
  changed(id: AdapterId): boolean {
    const track = this.job.tracks.find(({ adapter }) => adapter === id);
    return track !== undefined && this.unsaved > 0 && track.batches.length > this.checkpointStep;
  }

  /** An adapter that both train, if there is one. */
  sharedWith(other: Training): AdapterId | undefined {
    return [...this.adapters].find((id) => other.trains(id));
  }

  /** Another adapter takes the place of one that is being trained: the next step is refused. */
  replace(id: AdapterId): void {
    this.replaced = id;
    this.drop();
  }

  /** The next step's event, or null after the last one. @throws what the engine throws; RequestError */
  async next(engine: Engine): Promise<TrainStepEvent | null> {
    if (this.complete && this.done > (this.job.resume?.step ?? 0)) return null;
    if (this.replaced !== null) {
      throw new RequestError(`adapter ${this.replaced} was replaced or deleted while it was being trained`);
    }
    this.steps ??= this.start(engine);
    const { value } = await this.steps.next();
    if (!value) return null;
    this.events.push(value);
    this.done = value.step + 1;
    return value;
  }

  /** Repeats on a new engine, which has the shelf's adapters, what came after the checkpoint. */
  async restart(engine: Engine): Promise<void> {
    this.drop();
    // Even when the caller has aborted the job: other operations count on the adapters being where they were.
    const stop = new AbortController();
    const steps = this.start(engine, stop);
    for (const before of this.events) {
      const { value } = await steps.next();
      if (this.comparable && (!value || !sameStep(before, value))) this.mismatches++;
    }
    this.link(stop);
    this.steps = steps;
  }

  /** Puts adapters and states on the shelf. */
  async checkpoint(engine: Engine, shelf: AdapterShelf): Promise<void> {
    if (this.unsaved === 0) return;
    const saved: { id: AdapterId; weights: AdapterWeights; state: OptimiserState | null }[] = [];
    for (const id of this.adapters) {
      if (!this.changed(id)) continue;
      saved.push({ id, weights: await engine.exportAdapter(id), state: await engine.optimiserState(id) });
    }
    // All or nothing: the loss of the device in between leaves the checkpoint before.
    for (const { id, weights, state } of saved) shelf.trained(id, weights, state);
    this.states = new Map([...this.states, ...saved.flatMap(({ id, state }) => (state ? [[id, state] as const] : []))]);
    this.checkpointStep = this.done;
    this.events = [];
    this.comparable = true;
  }

  /**
   * The next start takes smaller micro-batches.
   * @throws MemoryPlanError when they are single examples already
   */
  split(error: MemoryPlanError): void {
    const lengths = this.job.tracks.flatMap(({ batches }) => batches.slice(this.checkpointStep).map((b) => b.length));
    const largest = Math.max(1, ...lengths);
    if (this.accumulation >= largest) {
      throw new MemoryPlanError(
        `${error.message}; even one example of every adapter at a time (accumulation ${this.accumulation}) does not ` +
          'fit: fewer rows (maxRows), shorter examples, a smaller rank or a smaller format of the weights (dtype int4) may',
        { cause: error },
      );
    }
    this.optimiser = { ...this.optimiser, accumulation: Math.min(largest, 2 * this.accumulation) };
    this.comparable = this.events.length === 0;
    this.drop();
  }

  /** Forgets the engine's side of the job. */
  drop(): void {
    this.unlink();
    // Not awaited: it may belong to an engine that is gone.
    void this.steps?.return().catch(() => {});
    this.steps = null;
  }

  private start(engine: Engine, stop?: AbortController): AsyncGenerator<TrainStepEvent, void, void> {
    const own = stop ?? new AbortController();
    if (!stop) this.link(own);
    const step = this.checkpointStep;
    return engine.train({
      ...this.job,
      optimiser: this.optimiser,
      ...((step > 0 || this.job.resume) && { resume: { step, states: new Map(this.states) } }),
      signal: own.signal,
    });
  }

  private link(stop: AbortController): void {
    const { signal } = this.job;
    const abort = (): void => stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    this.unlink = () => signal?.removeEventListener('abort', abort);
  }
}

function sameStep(a: TrainStepEvent, b: TrainStepEvent): boolean {
  return (
    a.tracks.length === b.tracks.length &&
    a.tracks.every(({ loss, gradNorm }, i) => loss === b.tracks[i]?.loss && gradNorm === b.tracks[i]?.gradNorm)
  );
}
