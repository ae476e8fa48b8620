/** Finetuning of several adapters: one optimiser step over every track that still has batches. */
import { peakOf, type TrainingWatch } from '../finite';
import { firstSweep, readsRewards, sequencesOf, type Scorers } from '../objectives';
import { learningRate } from '../schedule';
import { weightedTokens, weightSum } from '../tokenWeights';
import type {
  AdapterId,
  AdapterWeights,
  HostTensor,
  Objective,
  OptimiserState,
  TrainExample,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../types';
import { adamwStep, clipGradients, gradientNorm } from './adamw';
import { adapterNumbers, tensorViews } from './backward';
import type { Compute, GradientWork } from './compute';

const f = Math.fround;

/** What a step needs beside the job. */
export interface TrainParts extends Scorers {
  compute: Compute;
  weightsOf(id: AdapterId): AdapterWeights;
  /** π under the reference of the examples that a track scores. */
  referencesOf(track: TrainTrack): ReadonlyMap<number, number>;
  /** Zeros for the sum of an adapter's gradients, the same array in every step. */
  sumOf(id: AdapterId, numbers: number): Float32Array;
  signal?: AbortSignal;
}

/** Loss of one step of a track, its gradients, and how many tokens had a weight. */
export interface BatchGradient {
  loss: number;
  tokens: number;
  tensors: Map<string, HostTensor>;
}

/** The sequences of one step of a track, with the weights of its cross-entropy. */
interface Batch {
  examples: TrainExample[];
  /** Σ |w|, or 1 where the weights are coefficients of another objective. */
  total: number;
  /** Of another objective than sft; null: Σ w·nll / total. */
  loss: number | null;
  tokens: number;
}

/**
 * Gradients of step `step` of several tracks. Every sequence's gradient is a sum over its own tokens; these are added one after
 * the other in the order of the batch. So it does not matter where a sequence was computed.
 */
export async function batchGradients(
  tracks: readonly TrainTrack[],
  objective: Objective,
  step: number,
  parts: TrainParts,
): Promise<BatchGradient[]> {
  const batches: Batch[] = [];
  for (const track of tracks) batches.push(await batchOf(track, objective, step, parts));
  const at = readsRewards(objective) ? 'reward' : 'tokens';
  const work: GradientWork[] = [];
  const owners: number[] = [];
  batches.forEach(({ examples, total }, owner) => {
    for (const example of examples) {
      work.push({ adapter: (tracks[owner] as TrainTrack).adapter, example, total, at });
      owners.push(owner);
    }
  });
  const sums = tracks.map(({ adapter }) => parts.sumOf(adapter, adapterNumbers(parts.weightsOf(adapter).tensors)));
  const losses = tracks.map(() => f(0));
  const use = (index: number, loss: number, gradient: Float32Array): void => {
    const owner = owners[index] as number;
    losses[owner] = f((losses[owner] as number) + loss);
    const sum = sums[owner] as Float32Array;
    for (let i = 0; i < sum.length; i++) sum[i] = f((sum[i] as number) + (gradient[i] as number));
  };
  await parts.compute.gradients(work, use, parts.signal);
  return batches.map(({ loss, total, tokens }, i) => ({
    loss: loss ?? f((losses[i] as number) / total),
    tokens,
    tensors: tensorViews(sums[i] as Float32Array, parts.weightsOf((tracks[i] as TrainTrack).adapter).tensors),
  }));
}

async function batchOf(track: TrainTrack, objective: Objective, step: number, parts: TrainParts): Promise<Batch> {
  const sequences = sequencesOf(objective, track, step);
  const examples = sequences.map((index) => track.examples[index] as TrainExample);
  const tokens = weightedTokens(examples);
  if (objective === 'sft') {
    const total = examples.reduce((sum, example) => f(sum + f(weightSum(example))), f(0));
    return { examples, total, loss: null, tokens };
  }
  const { loss, rows } = await firstSweep(objective, track, step, parts.referencesOf(track), parts);
  return { examples: rows, total: 1, loss: f(loss), tokens };
}

/**
 * Step `step` of the job: trains every track with more than `step` batches, in place. An adapter whose loss or gradient is not
 * finite is not updated.
 * @param updated hears every adapter that has new weights, before anything else is computed with them
 * @throws NonFiniteError, DeadTrackError when all were looked at
 */
export async function trainStep(
  job: TrainJob,
  step: number,
  parts: TrainParts,
  stateOf: (id: AdapterId) => OptimiserState,
  updated: (id: AdapterId) => Promise<void>,
  watch: TrainingWatch,
): Promise<TrainStepEvent['tracks']> {
  const active = job.tracks.filter((track) => track.batches.length > step);
  // All gradients before any update: an abort in between leaves every adapter at the same step.
  const batches = await batchGradients(active, job.objective, step, parts);
  const peaks = new Map<AdapterId, number>();
  const events: TrainStepEvent['tracks'] = [];
  for (const [i, track] of active.entries()) {
    const { loss, tokens, tensors } = batches[i] as BatchGradient;
    const gradNorm = gradientNorm(tensors);
    if (job.optimiser.clip !== null) clipGradients(tensors, gradNorm, job.optimiser.clip);
    const lr = learningRate(job.optimiser, step, track.batches.length);
    const weights = parts.weightsOf(track.adapter);
    if (Number.isFinite(loss) && Number.isFinite(gradNorm)) {
      const state = stateOf(track.adapter);
      adamwStep(weights.tensors, tensors, state, job.optimiser, lr);
      peaks.set(track.adapter, peakOf(weights.tensors, [state.m, state.v]));
      await updated(track.adapter);
    }
    events.push({ adapter: track.adapter, loss, gradNorm, lr, tokens });
  }
  const seen = events.map((event) => ({ ...event, peak: peaks.get(event.adapter) ?? 0 }));
  watch.check(step, seen);
  for (const id of watch.doubtful(step, seen)) {
    const track = active.filter(({ adapter }) => adapter === id);
    const [again] = await batchGradients(track, job.objective, step, parts);
    const { loss, tensors } = again as BatchGradient;
    watch.checkLast(step, [{ adapter: id, loss, gradNorm: gradientNorm(tensors) }]);
  }
  return events;
}
