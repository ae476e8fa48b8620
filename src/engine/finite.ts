/**
 * Looks for numbers that left the finite range, once per training step and once per generated or scored token, with the same
 * words in every engine. Overflow does not always show as NaN, so engines make it show: a norm whose sum of squares overflows
 * gives NaN (it would give zeros, and a model of zeros guesses evenly for ever), and so does a softmax with a logit of −∞.
 */
import { DeadTrackError, NonFiniteError } from './errors';
import { adapterNames } from './mixture';
import type { AdapterId, AdapterWeights, GenerateRequest, HostTensor, TrainJob } from './types';

/** Weights of an adapter beyond this are worth a second look when its training ends: no useful adapter has them. */
export const DOUBTFUL_WEIGHT = 1024;

const ADVICE =
  'lower the learning rate (lr), add warm-up steps or a limit for the gradient (clip), or begin with another adapter';

/** What is looked at after a step of one adapter. */
export interface StepNumbers {
  adapter: AdapterId;
  loss: number;
  /** Before clipping. */
  gradNorm: number;
  /** Largest magnitude among the updated weights, not finite where a moment is not; 0 where it is below DOUBTFUL_WEIGHT. */
  peak: number;
}

/** Watches over the steps of one training job. */
export class TrainingWatch {
  /** Per adapter: its examples since its gradient was last something else than 0, and whether any of their losses was above 0. */
  private readonly still = new Map<AdapterId, { examples: Set<number>; lossy: boolean }>();
  private readonly steps: number;

  constructor(private readonly job: Pick<TrainJob, 'tracks' | 'optimiser'>) {
    this.steps = Math.max(0, ...job.tracks.map(({ batches }) => batches.length));
  }

  /** @throws NonFiniteError, DeadTrackError */
  check(step: number, tracks: readonly StepNumbers[]): void {
    for (const { adapter, loss, gradNorm, peak } of tracks) {
      if (!Number.isFinite(loss)) this.refuse(adapter, step, `the loss is ${loss}`);
      if (!Number.isFinite(gradNorm)) this.refuse(adapter, step, `the norm of the gradient is ${gradNorm}`);
      if (!Number.isFinite(peak)) this.refuse(adapter, step, 'weights or moments of AdamW became infinite or NaN');
      this.checkAlive(adapter, step, loss, gradNorm);
    }
  }

  /**
   * Adapters whose last step this was and whose weights are so large that the next pass may not be finite. There is no next
   * pass, so the engine computes loss and gradient of the last batch again, and gives them to `checkLast`.
   */
  doubtful(step: number, tracks: readonly StepNumbers[]): AdapterId[] {
    const last = (id: AdapterId): boolean => this.track(id).batches.length === step + 1;
    return tracks.filter(({ adapter, peak }) => peak >= DOUBTFUL_WEIGHT && last(adapter)).map(({ adapter }) => adapter);
  }

  /** @throws NonFiniteError, DeadTrackError */
  checkLast(step: number, tracks: readonly Omit<StepNumbers, 'peak'>[]): void {
    for (const { adapter, loss, gradNorm } of tracks) {
      if (!Number.isFinite(loss)) this.refuse(adapter, step, `with the updated weights the loss is ${loss}`);
      if (!Number.isFinite(gradNorm)) {
        this.refuse(adapter, step, `with the updated weights the norm of the gradient is ${gradNorm}`);
      }
      this.checkAlive(adapter, step, loss, gradNorm);
    }
  }

  private checkAlive(adapter: AdapterId, step: number, loss: number, gradNorm: number): void {
    if (gradNorm !== 0) {
      this.still.delete(adapter);
      return;
    }
    const { batches } = this.track(adapter);
    const still = this.still.get(adapter) ?? { examples: new Set<number>(), lossy: false };
    this.still.set(adapter, still);
    for (const index of batches[step] ?? []) still.examples.add(index);
    still.lossy ||= loss > 0;
    if (!still.lossy || still.examples.size < new Set(batches.flat()).size) return;
    throw new DeadTrackError(
      `adapter ${adapter}, step ${step + 1} of ${this.steps}: the gradient was exactly 0 for a whole pass over its examples ` +
        `while the loss is ${loss}, so it learns nothing any more; training was stopped: ${ADVICE}`,
      { adapter, step },
    );
  }

  private track(adapter: AdapterId): TrainJob['tracks'][number] {
    return this.job.tracks.find((track) => track.adapter === adapter) as TrainJob['tracks'][number];
  }

  private refuse(adapter: AdapterId, step: number, what: string): never {
    throw new NonFiniteError(
      `adapter ${adapter}, step ${step + 1} of ${this.steps}: ${what}; training was stopped: ${ADVICE} ` +
        `(lr is ${this.job.optimiser.lr})`,
      { adapter, step },
    );
  }
}

/**
 * One token of a completion as it was sampled; call it before the token is used.
 * @throws NonFiniteError where its log-probability or its margin is not finite
 */
export function checkSampled(
  request: Pick<GenerateRequest, 'adapter' | 'mixture'>,
  row: number,
  position: number,
  { logprob, margin }: { logprob: number; margin: number },
): void {
  if (Number.isFinite(logprob) && Number.isFinite(margin)) return;
  const what = `the logits of token ${position + 1} of the completion are not finite`;
  refuseLogits(adapterNames(request), row, position, what);
}

/** Log-probabilities of one scored sequence. @throws NonFiniteError with the first position that has none */
export function checkScores(adapter: AdapterId | null, row: number, logprobs: Float32Array): void {
  const at = firstNonFinite(logprobs);
  if (at >= 0) refuseLogits(adapter, row, at, `the logits after position ${at} are not finite`);
}

/** The mean hidden state of one sequence. @throws NonFiniteError */
export function checkEmbedding(adapter: AdapterId | null, row: number, embedding: Float32Array): Float32Array {
  if (firstNonFinite(embedding) >= 0) refuseLogits(adapter, row, 0, 'the hidden states are not finite');
  return embedding;
}

/** Gram matrices of what layers read in one sequence. @throws NonFiniteError */
export function checkGramValues(adapter: AdapterId | null, row: number, grams: Float32Array): Float32Array {
  if (firstNonFinite(grams) >= 0) refuseLogits(adapter, row, 0, 'the inputs of layers are not finite');
  return grams;
}

/** The rewards of several sequences. @throws NonFiniteError */
export function checkRewards(adapters: readonly (AdapterId | null)[], rewards: Float32Array): Float32Array {
  const row = firstNonFinite(rewards);
  if (row >= 0) refuseLogits(adapters[row] ?? null, row, 0, 'the reward is not finite');
  return rewards;
}

/** Logits [T, V] of one sequence. @throws NonFiniteError with the first position where one is not finite */
export function checkLogitValues(adapter: AdapterId | null, logits: Float32Array, vocabSize: number): void {
  const found = firstNonFinite(logits);
  if (found < 0) return;
  const position = Math.floor(found / vocabSize);
  refuseLogits(adapter, 0, position, `the logits after position ${position} are not finite`);
}

/** An adapter on its way out of an engine. @throws NonFiniteError: what is not finite is stored nowhere */
export function checkExported(adapter: AdapterId, weights: AdapterWeights): AdapterWeights {
  for (const [name, { data }] of weights.tensors) {
    if (firstNonFinite(data) < 0) continue;
    throw new NonFiniteError(
      `adapter ${adapter}: ${name} has values that are infinite or NaN, so it is not kept; ${ADVICE}`,
      { adapter },
    );
  }
  return weights;
}

/** @throws NonFiniteError */
export function checkGradients(
  adapter: AdapterId,
  found: { loss: number; tensors: Map<string, HostTensor> },
): { loss: number; tensors: Map<string, HostTensor> } {
  const wrong = [...found.tensors].find(([, { data }]) => firstNonFinite(data) >= 0)?.[0];
  const what = Number.isFinite(found.loss)
    ? wrong && `the gradient of ${wrong} is not finite`
    : `the loss is ${found.loss}`;
  if (what) throw new NonFiniteError(`adapter ${adapter}: ${what}; ${ADVICE}`, { adapter });
  return found;
}

/** Index of the first value that is infinite or NaN, −1 where all are finite. */
export function firstNonFinite(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}

/** Largest magnitude of any weight, Infinity where a weight or moment is not finite, 0 where it is below DOUBTFUL_WEIGHT. */
export function peakOf(
  weights: ReadonlyMap<string, HostTensor>,
  moments: readonly ReadonlyMap<string, HostTensor>[],
): number {
  let peak = 0;
  for (const { data } of weights.values()) {
    for (let i = 0; i < data.length; i++) {
      const size = Math.abs(data[i] as number);
      if (!(size <= peak)) peak = size;
      if (Number.isNaN(size)) return Infinity;
    }
  }
  const broken = moments.some((tensors) => [...tensors.values()].some(({ data }) => firstNonFinite(data) >= 0));
  if (broken) return Infinity;
  return peak >= DOUBTFUL_WEIGHT ? peak : 0;
}

/** @throws NonFiniteError, in the words of every engine */
export function refuseLogits(adapter: AdapterId | null, row: number, position: number, what: string): never {
  const [who, advice] =
    adapter === null
      ? ['the base model', 'its weights may be damaged or too large for this format: try f32 weights (dtype)']
      : [`adapter ${adapter}`, 'its weights are too large or damaged: train it again with a lower learning rate (lr)'];
  throw new NonFiniteError(`${who}, row ${row}: ${what}; ${advice}`, { adapter, row, position });
}
