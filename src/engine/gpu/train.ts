/**
 * Training on the device: jobs as src/engine/types.ts describes them, several adapters (tracks) in one batch. What is
 * dispatched in a step is in trainStep.ts; here are jobs, batches, learning rates, states and their checks.
 */

import { RequestError } from '../errors';
import { checkGradients, TrainingWatch } from '../finite';
import type { TrainMemory } from '../plan';
import { firstSweep, referenceScores, rewardRow, readsRewards, sequencesOf, type Scorers } from '../objectives';
import { checkJob, checkTrack, type Limits } from '../requests';
import { weightedTokens, weightSum } from '../tokenWeights';
import { learningRate } from '../schedule';
import type {
  AdapterConfig,
  AdapterId,
  HostTensor,
  Objective,
  OptimiserState,
  Projection,
  TrainExample,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../types';
import { microBatch, type BatchTrack } from './batch';
import type { ForwardParts } from './forward';
import type { AdapterLayout } from './layout';
import { TrainDevice, type Moments } from './trainDevice';

/** What the trainer needs of the engine that owns it. */
export interface TrainerParts extends Scorers {
  forward: ForwardParts;
  limits: Limits;
  /** Slot and configuration of an adapter that is loaded. @throws RequestError */
  adapterOf(id: AdapterId): { slot: number; config: AdapterConfig };
  memory?: TrainMemory;
  /** Told when the weights of an adapter were updated. */
  updated?(id: AdapterId): void;
  /** Runs an operation when all operations before it have ended. */
  enqueue<T>(operation: () => Promise<T>): Promise<T>;
}

/** One job in progress. */
interface Session {
  job: TrainJob;
  tracks: SessionTrack[];
  /** Projections that any track's adapter has. */
  targets: ReadonlySet<Projection>;
  /** The moments were put on the device. */
  begun: boolean;
  watch: TrainingWatch;
}

interface SessionTrack {
  track: TrainTrack;
  slot: number;
  config: AdapterConfig;
  /** Updates of the adapter so far. */
  updates: number;
  /** Moments to continue from, laid out as a slot; null = zeros. */
  moments: Moments | null;
  /** π under the reference by the example's index; empty for SFT. */
  references: ReadonlyMap<number, number>;
}

/** What one step of a track puts on the device. */
interface StepRows {
  rows: TrainExample[];
  weightSum: number;
  /** Tokens whose weight is not 0. */
  tokens: number;
  /** Of the objective, where the host computes it; null = the device sums the cross-entropy. */
  loss: number | null;
}

export class Trainer {
  private device: TrainDevice | null = null;
  /** Updates of each adapter whose moments are on the device. */
  private readonly updates = new Map<AdapterId, number>();

  constructor(private readonly parts: TrainerParts) {}

  /**
   * Trains in place. Each step is one operation of the engine's queue, others may run between two steps.
   * @throws RequestError, AdapterError, MemoryPlanError, DeviceError, NonFiniteError, DeadTrackError, or the signal's reason when it was aborted
   */
  async *train(job: TrainJob): AsyncGenerator<TrainStepEvent, void, void> {
    const session = await this.parts.enqueue(() => this.start(job));
    const totalSteps = Math.max(0, ...job.tracks.map((track) => track.batches.length));
    for (let step = job.resume?.step ?? 0; step < totalSteps; step++) {
      const tracks = await this.parts.enqueue(() => this.step(session, step));
      yield { step, totalSteps, tracks };
    }
  }

  /** Gradient of the track's loss on its first batch under the adapter's tensor names; nothing is updated. */
  gradients(
    track: TrainTrack,
    objective: Objective = 'sft',
  ): Promise<{ loss: number; tensors: Map<string, HostTensor> }> {
    return this.parts.enqueue(async () => {
      checkTrack(track, this.parts.limits, objective);
      if (track.batches.length === 0) throw new RequestError(`track ${track.adapter} has no batch`);
      const { slot, config } = this.parts.adapterOf(track.adapter);
      const device = await this.openDevice();
      const first = { ...track, batches: track.batches.slice(0, 1) };
      const references = await referenceScores(objective, first, 0, this.parts.score);
      const step = await this.stepRows(objective, track, 0, references);
      const batch = [{ slot, rows: step.rows, weightSum: step.weightSum }];
      await device.reserve(device.measure(batch), 1);
      device.beginStep([slot]);
      device.accumulate(batch, new Set(config.targets), readsRewards(objective));
      const results = await device.results(1);
      const tensors = this.layout.unpack(config, await device.readGradients(slot));
      return checkGradients(track.adapter, { loss: step.loss ?? results[0].loss, tensors });
    });
  }

  /** Moments after the last step for this adapter, or null when it was not trained since it was made or imported. */
  optimiserState(id: AdapterId): Promise<OptimiserState | null> {
    return this.parts.enqueue(async () => {
      const { slot, config } = this.parts.adapterOf(id);
      const step = this.updates.get(id);
      if (step === undefined || this.device === null) return null;
      const { m, v } = await this.device.readMoments(slot);
      return { step, m: this.layout.unpack(config, m), v: this.layout.unpack(config, v) };
    });
  }

  /** To be called when an adapter is deleted, or its weights are replaced from outside. */
  forget(id: AdapterId): void {
    this.updates.delete(id);
  }

  /** Bytes on the device for training, so far. */
  get bytes(): { activations: number; optimiser: number } {
    return this.device?.bytes ?? { activations: 0, optimiser: 0 };
  }

  /** Recorded programs that are kept; at most a fixed number. */
  get programCount(): number {
    return this.device?.programCount ?? 0;
  }

  dispose(): void {
    this.device?.dispose();
    this.device = null;
    this.updates.clear();
  }

  /** Checks a job and makes room for its largest batch. */
  private async start(job: TrainJob): Promise<Session> {
    checkJob(job, this.parts.limits);
    job.signal?.throwIfAborted();
    const { layout } = this;
    const firstStep = job.resume?.step ?? 0;
    const references = new Map<AdapterId, Map<number, number>>();
    for (const track of job.tracks)
      references.set(track.adapter, await referenceScores(job.objective, track, firstStep, this.parts.score));
    const tracks = job.tracks.map((track): SessionTrack => {
      const { slot, config } = this.parts.adapterOf(track.adapter);
      const state = job.resume?.states.get(track.adapter);
      if (state === undefined && firstStep > 0 && track.batches.length > firstStep) {
        throw new RequestError(`resume: there is no optimiser state for adapter ${track.adapter}`);
      }
      const moments = state && { m: layout.pack(config, state.m), v: layout.pack(config, state.v) };
      const known = references.get(track.adapter) ?? new Map<number, number>();
      return { track, slot, config, updates: state?.step ?? 0, moments: moments ?? null, references: known };
    });
    const targets = new Set(tracks.flatMap(({ config }) => config.targets));
    const device = await this.openDevice();
    const size = { tokens: 0, targets: 0, tiles: 0 };
    const steps = Math.max(0, ...job.tracks.map((track) => track.batches.length));
    for (let step = firstStep; step < steps; step++) {
      const active = tracks.filter(({ track }) => track.batches.length > step);
      const rows = active.map(({ track }) => plainRows(job.objective, track, step));
      for (const batch of microBatches(active, rows, job.optimiser.accumulation)) {
        const needed = device.measure(batch);
        size.tokens = Math.max(size.tokens, needed.tokens);
        size.targets = Math.max(size.targets, needed.targets);
        size.tiles = Math.max(size.tiles, needed.tiles);
      }
    }
    if (size.targets > 0) await device.reserve(size, tracks.length);
    return { job, tracks, targets, begun: false, watch: new TrainingWatch(job) };
  }

  /** One update of every track that has a batch left. */
  private async step(session: Session, step: number): Promise<TrainStepEvent['tracks']> {
    const { job, targets } = session;
    job.signal?.throwIfAborted();
    const device = await this.openDevice();
    if (!session.begun) this.begin(session, device);
    const active = session.tracks.filter(({ track }) => track.batches.length > step);
    for (const { track, slot } of active) {
      if (this.updates.has(track.adapter) && this.parts.adapterOf(track.adapter).slot === slot) continue;
      throw new RequestError(`adapter ${track.adapter} was replaced or deleted while it was being trained`);
    }
    const slots = active.map(({ slot }) => slot);
    const rows: StepRows[] = [];
    for (const { track, references } of active) rows.push(await this.stepRows(job.objective, track, step, references));
    device.beginStep(slots);
    for (const batch of microBatches(active, rows, job.optimiser.accumulation))
      device.accumulate(batch, targets, readsRewards(job.objective));
    const rates = active.map(({ track }) => learningRate(job.optimiser, step, track.batches.length));
    device.update(
      active.map(({ slot, updates }, g) => ({ slot, lr: rates[g], update: updates + 1 })),
      job.optimiser,
    );
    for (const { track } of active) this.parts.updated?.(track.adapter);
    const results = await device.results(active.length);
    const seen = active.map((entry, g) => {
      entry.updates++;
      this.updates.set(entry.track.adapter, entry.updates);
      const { loss, tokens } = rows[g];
      const result = { ...results[g], ...(loss !== null && { loss }) };
      return { adapter: entry.track.adapter, ...result, lr: rates[g], tokens };
    });
    session.watch.check(step, seen);
    const doubtful = session.watch.doubtful(step, seen);
    if (doubtful.length > 0) await this.checkLast(session, step, doubtful, device);
    return seen.map(({ peak: _, ...event }) => event);
  }

  /** Loss and gradient of the last batches once more, with the updated weights. @throws NonFiniteError, DeadTrackError */
  private async checkLast(session: Session, step: number, ids: AdapterId[], device: TrainDevice): Promise<void> {
    const active = session.tracks.filter(({ track }) => ids.includes(track.adapter));
    const { objective, optimiser } = session.job;
    const rows: StepRows[] = [];
    for (const { track, references } of active) rows.push(await this.stepRows(objective, track, step, references));
    device.beginStep(active.map(({ slot }) => slot));
    for (const batch of microBatches(active, rows, optimiser.accumulation))
      device.accumulate(batch, session.targets, readsRewards(objective));
    device.measureGradients(active.length);
    const results = await device.results(active.length);
    const seen = active.map(({ track }, g) => {
      const { loss } = rows[g];
      return { adapter: track.adapter, ...results[g], ...(loss !== null && { loss }) };
    });
    session.watch.checkLast(step, seen);
  }

  /** The sequences of a step with their weights: as they are for SFT, else by the first sweep (src/engine/objectives.ts). */
  private async stepRows(
    objective: Objective,
    track: TrainTrack,
    step: number,
    references: ReadonlyMap<number, number>,
  ): Promise<StepRows> {
    const plain = plainRows(objective, track, step);
    if (objective === 'sft') return plain;
    const { loss, rows } = await firstSweep(objective, track, step, references, this.parts);
    return { ...plain, rows, weightSum: 1, loss: Math.fround(loss) };
  }

  /** Puts the moments that the job continues from on the device, zeros where there are none. */
  private begin(session: Session, device: TrainDevice): void {
    for (const { track, slot, updates, moments } of session.tracks) {
      device.writeMoments(slot, moments);
      this.updates.set(track.adapter, updates);
    }
    session.begun = true;
  }

  private get layout(): AdapterLayout {
    return this.parts.forward.adapters.layout;
  }

  private async openDevice(): Promise<TrainDevice> {
    this.device ??= await TrainDevice.create(this.parts.forward, this.parts.memory);
    return this.device;
  }
}

/** The sequences of a step with their own weights. */
function plainRows(objective: Objective, track: TrainTrack, step: number): StepRows {
  const examples = sequencesOf(objective, track, step).map((index) => track.examples[index]);
  const rows = readsRewards(objective) ? examples.map((example) => rewardRow(example, 1)) : examples;
  const total = examples.reduce((sum, example) => sum + weightSum(example), 0);
  return { rows, weightSum: total, tokens: weightedTokens(examples), loss: null };
}

/** The part of each track's rows that one micro-batch works on. */
function microBatches(tracks: readonly SessionTrack[], steps: readonly StepRows[], parts: number): BatchTrack[][] {
  return Array.from({ length: parts }, (_, part) =>
    tracks.map(({ slot }, g) => ({
      slot,
      rows: microBatch(steps[g].rows, part, parts),
      weightSum: steps[g].weightSum,
    })),
  );
}
