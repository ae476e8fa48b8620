/** Finetuning of several adapters: one optimiser step over every track that still has batches. */
import { peakOf, type TrainingWatch } from '../finite';
import { scoredSequences, scoreExamples, sequenceLoss, sequencesOf, weighted } from '../objectives';
import { weightedTokens, weightSum } from '../requests';
import { learningRate } from '../schedule';
import type {
  AdapterId,
  Objective,
  OptimiserState,
  ScoreRequest,
  TrainExample,
  TrainJob,
  TrainStepEvent,
  TrainTrack,
} from '../types';
import { adamwStep, clipGradients, gradientNorm } from './adamw';
import { exampleGradient, zeroGradients, type AdapterGradients } from './backward';
import type { Decoder, LoadedAdapter } from './model';
import type { Pacer } from './pacer';
import type { Scratch } from './scratch';

const f = Math.fround;

/** What the two sweeps of an objective need beside the track: π under the reference, and a scorer of the present adapters. */
export interface ObjectiveParts {
  objective: Objective;
  references: ReadonlyMap<number, number>;
  score(requests: ScoreRequest[]): Promise<Float32Array[]>;
}

/** Loss of one step of a track, its gradients, and how many tokens had a weight. */
export async function batchGradient(
  decoder: Decoder,
  adapter: LoadedAdapter,
  track: TrainTrack,
  step: number,
  parts: ObjectiveParts,
  scratch: Scratch,
  pacer: Pacer,
): Promise<{ loss: number; tokens: number; gradients: AdapterGradients }> {
  const { objective, references, score } = parts;
  const sequences = sequencesOf(objective, track, step);
  const tokens = weightedTokens(sequences.map((index) => track.examples[index]));
  if (objective === 'sft') {
    const examples = sequences.map((index) => track.examples[index]);
    return { tokens, ...(await weightedGradient(decoder, adapter, examples, scratch, pacer)) };
  }
  const policy = await scoreExamples(score, track, scoredSequences(objective, track, step), track.adapter);
  const { loss, coefficients } = sequenceLoss(objective, track, step, { policy, reference: references });
  const examples = sequences.map((index) => weighted(track.examples[index], coefficients.get(index) ?? 0));
  const { gradients } = await weightedGradient(decoder, adapter, examples, scratch, pacer, 1);
  return { loss: f(loss), tokens, gradients };
}

/** Loss Σ w·nll / total and its gradients; total is Σ |w| unless given. */
async function weightedGradient(
  decoder: Decoder,
  adapter: LoadedAdapter,
  examples: readonly TrainExample[],
  scratch: Scratch,
  pacer: Pacer,
  given?: number,
): Promise<{ loss: number; gradients: AdapterGradients }> {
  const gradients = zeroGradients(decoder, adapter);
  const total = given ?? examples.reduce((sum, example) => f(sum + f(weightSum(example))), f(0));
  let sum = f(0);
  // One sequence at a time, so micro-batches (`accumulation`) would change nothing.
  for (const example of examples)
    sum = f(sum + (await exampleGradient(decoder, adapter, gradients, example, total, scratch, pacer)));
  return { loss: f(sum / total), gradients };
}

/**
 * Step `step` of the job: trains every track with more than `step` batches, in place. An adapter whose loss or gradient is not
 * finite is not updated.
 * @throws NonFiniteError, DeadTrackError when all were looked at
 */
export async function trainStep(
  decoder: Decoder,
  job: TrainJob,
  step: number,
  adapterOf: (id: AdapterId) => LoadedAdapter,
  stateOf: (id: AdapterId) => OptimiserState,
  partsOf: (track: TrainTrack) => ObjectiveParts,
  scratch: Scratch,
  pacer: Pacer,
  watch: TrainingWatch,
): Promise<TrainStepEvent['tracks']> {
  const active = job.tracks.filter((track) => track.batches.length > step);
  // All gradients before any update: an abort in between leaves every adapter at the same step.
  const batches: Awaited<ReturnType<typeof batchGradient>>[] = [];
  for (const track of active) {
    batches.push(await batchGradient(decoder, adapterOf(track.adapter), track, step, partsOf(track), scratch, pacer));
  }
  const peaks = new Map<AdapterId, number>();
  const events = active.map((track, i) => {
    const { loss, tokens, gradients } = batches[i];
    const gradNorm = gradientNorm(gradients.tensors);
    if (job.optimiser.clip !== null) clipGradients(gradients.tensors, gradNorm, job.optimiser.clip);
    const lr = learningRate(job.optimiser, step, track.batches.length);
    const { weights } = adapterOf(track.adapter);
    if (Number.isFinite(loss) && Number.isFinite(gradNorm)) {
      const state = stateOf(track.adapter);
      adamwStep(weights.tensors, gradients.tensors, state, job.optimiser, lr);
      peaks.set(track.adapter, peakOf(weights.tensors, [state.m, state.v]));
    }
    return { adapter: track.adapter, loss, gradNorm, lr, tokens };
  });
  const seen = events.map((event) => ({ ...event, peak: peaks.get(event.adapter) ?? 0 }));
  watch.check(step, seen);
  for (const id of watch.doubtful(step, seen)) {
    const track = active.find(({ adapter }) => adapter === id) as TrainTrack;
    const { loss, gradients } = await batchGradient(
      decoder,
      adapterOf(id),
      track,
      step,
      partsOf(track),
      scratch,
      pacer,
    );
    watch.checkLast(step, [{ adapter: id, loss, gradNorm: gradientNorm(gradients.tensors) }]);
  }
  return events;
}
