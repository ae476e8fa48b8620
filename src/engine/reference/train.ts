/** Supervised finetuning of several adapters: one optimiser step over every track that still has batches. */
import { learningRate } from '../schedule';
import { weightSum } from '../requests';
import type { AdapterId, OptimiserState, TrainJob, TrainStepEvent, TrainTrack } from '../types';
import { adamwStep, clipGradients, gradientNorm } from './adamw';
import { exampleGradient, zeroGradients, type AdapterGradients } from './backward';
import type { Decoder, LoadedAdapter } from './model';
import type { Pacer } from './pacer';
import type { Scratch } from './scratch';

const f = Math.fround;

/** Loss Σ w·nll / Σ w of one batch of a track, its gradients, and how many tokens had a weight. */
export async function batchGradient(
  decoder: Decoder,
  adapter: LoadedAdapter,
  track: TrainTrack,
  batch: readonly number[],
  scratch: Scratch,
  pacer: Pacer,
): Promise<{ loss: number; tokens: number; gradients: AdapterGradients }> {
  const gradients = zeroGradients(decoder, adapter);
  let total = f(0);
  let tokens = 0;
  for (const index of batch) {
    const example = track.examples[index];
    total = f(total + f(weightSum(example)));
    for (let t = 1; t < example.weights.length; t++) if (example.weights[t] > 0) tokens += 1;
  }
  let sum = f(0);
  // One sequence at a time, so micro-batches (`accumulation`) would change nothing.
  for (const index of batch) {
    const example = track.examples[index];
    sum = f(sum + (await exampleGradient(decoder, adapter, gradients, example, total, scratch, pacer)));
  }
  return { loss: f(sum / total), tokens, gradients };
}

/** Step `step` of the job: trains every track with more than `step` batches, in place. */
export async function trainStep(
  decoder: Decoder,
  job: TrainJob,
  step: number,
  adapterOf: (id: AdapterId) => LoadedAdapter,
  stateOf: (id: AdapterId) => OptimiserState,
  scratch: Scratch,
  pacer: Pacer,
): Promise<TrainStepEvent['tracks']> {
  const active = job.tracks.filter((track) => track.batches.length > step);
  // All gradients before any update: an abort in between leaves every adapter at the same step.
  const batches: Awaited<ReturnType<typeof batchGradient>>[] = [];
  for (const track of active) {
    batches.push(await batchGradient(decoder, adapterOf(track.adapter), track, track.batches[step], scratch, pacer));
  }
  return active.map((track, i) => {
    const { loss, tokens, gradients } = batches[i];
    const gradNorm = gradientNorm(gradients.tensors);
    if (job.optimiser.clip !== null) clipGradients(gradients.tensors, gradNorm, job.optimiser.clip);
    const lr = learningRate(job.optimiser, step, track.batches.length);
    const { weights } = adapterOf(track.adapter);
    adamwStep(weights.tensors, gradients.tensors, stateOf(track.adapter), job.optimiser, lr);
    return { adapter: track.adapter, loss, gradNorm, lr, tokens };
  });
}
