/**
 * Objectives of training beyond plain cross-entropy, as pure functions.
 *
 * Every objective here depends on a sequence y only through its weighted log-probability π(y) = Σ w_t · log p(y_t | y_<t). So
 * a step runs in two sweeps. The first scores the step's sequences. The functions below turn the scores into the loss and into
 * one coefficient per sequence, c(y) = −∂loss/∂π(y). The second sweep is the cross-entropy of supervised finetuning with the
 * weights c(y) · w_t, whose gradient is that of the loss. SFT needs no first sweep.
 *
 * exp and log are those of ./math, so a host computes the same coefficients in every JavaScript engine.
 */
import { RequestError } from './errors';
import { exp32, log32 } from './math';
import type { AdapterId, Objective, ScoreRequest, TrainExample, TrainTrack } from './types';

/** Objectives that need the scores of whole sequences. */
export type SequenceObjective = Exclude<Objective, 'sft'>;

/** What one step of a track minimises. */
export interface SequenceLoss {
  /** Mean over the pairs (DPO) or the examples (KTO) of the batch. */
  loss: number;
  /** −∂loss/∂π by the example's index in the track. */
  coefficients: Map<number, number>;
}

/** π and its value under the reference, by the example's index in the track. */
export interface SequenceScores {
  policy: ReadonlyMap<number, number>;
  reference: ReadonlyMap<number, number>;
}

/**
 * Indices of the sequences whose gradient one batch needs, each once and in order of appearance.
 * SFT's batch names the sequences themselves and may name one twice.
 */
export function sequencesOf(objective: Objective, track: TrainTrack, step: number): number[] {
  const batch = track.batches[step] ?? [];
  if (objective === 'sft') return batch;
  if (objective.kind === 'kto') return [...new Set(batch)];
  return [...new Set(batch.flatMap((pair) => pairOf(track, pair)))];
}

/** Indices of the sequences that the first sweep scores: those of `sequencesOf` and KTO's mismatched ones. */
export function scoredSequences(objective: SequenceObjective, track: TrainTrack, step: number): number[] {
  const mismatched = objective.kind === 'kto' ? (track.mismatched?.[step] ?? []) : [];
  return [...new Set([...sequencesOf(objective, track, step), ...mismatched])];
}

/** Loss and coefficients of one batch. */
export function sequenceLoss(
  objective: SequenceObjective,
  track: TrainTrack,
  step: number,
  scores: SequenceScores,
): SequenceLoss {
  return objective.kind === 'dpo'
    ? dpoLoss(objective.beta, track, step, scores)
    : ktoLoss(objective, track, step, scores);
}

/**
 * Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, equation 7):
 * loss = −log σ(β · ((π(chosen) − ref(chosen)) − (π(rejected) − ref(rejected)))).
 */
function dpoLoss(beta: number, track: TrainTrack, step: number, scores: SequenceScores): SequenceLoss {
  const batch = track.batches[step] ?? [];
  const coefficients = new Map<number, number>();
  let loss = 0;
  for (const index of batch) {
    const [chosen, rejected] = pairOf(track, index);
    const margin = beta * (logRatio(scores, chosen) - logRatio(scores, rejected));
    loss += softplus(-margin) / batch.length;
    const pull = (beta * logistic(-margin)) / batch.length;
    coefficients.set(chosen, (coefficients.get(chosen) ?? 0) + pull);
    coefficients.set(rejected, (coefficients.get(rejected) ?? 0) - pull);
  }
  return { loss, coefficients };
}

/**
 * Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306, equation 8) in the form of TRL's KTOTrainer:
 * loss = λ_D · (1 − σ(β · (r − z))) for a desirable example and λ_U · (1 − σ(β · (z − r))) for an undesirable one, where
 * r = π − ref and z = max(0, mean r over the mismatched examples). z has no gradient. Without mismatched examples z is 0.
 */
function ktoLoss(
  { beta, desirable, undesirable }: Extract<Objective, { kind: 'kto' }>,
  track: TrainTrack,
  step: number,
  scores: SequenceScores,
): SequenceLoss {
  const batch = track.batches[step] ?? [];
  const mismatched = track.mismatched?.[step] ?? [];
  const drift = mismatched.reduce((sum, index) => sum + logRatio(scores, index), 0) / Math.max(1, mismatched.length);
  const z = Math.max(0, drift);
  const coefficients = new Map<number, number>();
  let loss = 0;
  for (const index of batch) {
    const wanted = track.examples[index]?.desirable === true;
    const scale = (wanted ? desirable : undesirable) / batch.length;
    const sign = wanted ? 1 : -1;
    const value = logistic(sign * beta * (logRatio(scores, index) - z));
    loss += scale * (1 - value);
    const pull = sign * scale * beta * value * (1 - value);
    coefficients.set(index, (coefficients.get(index) ?? 0) + pull);
  }
  return { loss, coefficients };
}

/** The example with the weights of the second sweep. */
export function weighted(example: TrainExample, coefficient: number): TrainExample {
  return { ids: example.ids, weights: Array.from(example.weights, (weight) => coefficient * weight) };
}

/** π of an example from its log-probabilities [T − 1], which begin with that of ids[1]. */
export function weightedLogProbability(example: TrainExample, logprobs: ArrayLike<number>): number {
  let sum = 0;
  for (let t = 1; t < example.ids.length; t++) {
    const weight = example.weights[t] as number;
    if (weight !== 0) sum += weight * (logprobs[t - 1] as number);
  }
  return sum;
}

/** π of the named examples, by an engine's `score`; `adapter` null is the base. */
export async function scoreExamples(
  score: (requests: ScoreRequest[]) => Promise<Float32Array[]>,
  track: TrainTrack,
  indices: readonly number[],
  adapter: AdapterId | null,
): Promise<Map<number, number>> {
  const examples = indices.map((index) => track.examples[index] as TrainExample);
  const scores = await score(examples.map(({ ids }) => ({ ids, adapter })));
  return new Map(
    indices.map((index, i) => [index, weightedLogProbability(examples[i] as TrainExample, scores[i] as Float32Array)]),
  );
}

/**
 * π under the reference of every example that the steps from `first` on score: given with the example, else by the track's
 * reference adapter, else by the base. Scored once, when a job begins.
 */
export async function referenceScores(
  objective: Objective,
  track: TrainTrack,
  first: number,
  score: (requests: ScoreRequest[]) => Promise<Float32Array[]>,
): Promise<Map<number, number>> {
  if (objective === 'sft') return new Map();
  const needed = new Set<number>();
  for (let step = first; step < track.batches.length; step++)
    for (const index of scoredSequences(objective, track, step)) needed.add(index);
  const given = new Map<number, number>();
  for (const index of needed) {
    const value = track.examples[index]?.reference;
    if (value !== undefined) given.set(index, value);
  }
  const missing = [...needed].filter((index) => !given.has(index));
  const scored = await scoreExamples(score, track, missing, track.reference ?? null);
  return new Map([...given, ...scored]);
}

/**
 * Checks what an objective needs of a track beyond what supervised finetuning does.
 * @throws RequestError naming the track and the pair, example or setting
 */
export function checkObjective(objective: Objective, track: TrainTrack): void {
  const where = `training of adapter ${track.adapter}`;
  const refuse = (what: string): never => {
    throw new RequestError(`${where}: ${what}`);
  };
  if (objective === 'sft') {
    if (track.pairs) refuse('pairs belong to the objective dpo');
    if (track.mismatched) refuse('mismatched examples belong to the objective kto');
    return;
  }
  if (track.reference === track.adapter) refuse('an adapter that is being trained cannot be its own reference');
  if (objective.kind === 'kto') return checkKto(track, refuse);
  const pairs = track.pairs ?? refuse('the objective dpo needs pairs');
  pairs.forEach(({ chosen, rejected }, index) => {
    for (const [name, example] of Object.entries({ chosen, rejected }))
      if (!track.examples[example])
        refuse(`pair ${index + 1} has example ${example + 1} as ${name}, and there are ${track.examples.length}`);
    if (chosen === rejected) refuse(`pair ${index + 1} has one example as chosen and as rejected`);
  });
}

function checkKto(track: TrainTrack, refuse: (what: string) => never): void {
  if (track.pairs) refuse('pairs belong to the objective dpo');
  for (const index of new Set(track.batches.flat())) {
    if (typeof track.examples[index]?.desirable !== 'boolean')
      refuse(`example ${index + 1} does not say whether it is desirable, which the objective kto needs`);
  }
  if (!track.mismatched) return;
  if (track.mismatched.length !== track.batches.length)
    refuse(`${track.mismatched.length} lists of mismatched examples for ${track.batches.length} batches`);
  for (const index of track.mismatched.flat())
    if (!track.examples[index]) refuse(`a mismatched example is ${index + 1}, and there are ${track.examples.length}`);
}

function pairOf(track: TrainTrack, pair: number): [chosen: number, rejected: number] {
  const found = track.pairs?.[pair];
  if (!found) throw new RequestError(`training of adapter ${track.adapter}: there is no pair ${pair + 1}`);
  return [found.chosen, found.rejected];
}

function logRatio({ policy, reference }: SequenceScores, index: number): number {
  return (policy.get(index) as number) - (reference.get(index) as number);
}

/** 1 / (1 + e⁻ˣ) without overflow. */
function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + exp32(-x));
  const e = exp32(x);
  return e / (1 + e);
}

/** log(1 + eˣ) without overflow. */
function softplus(x: number): number {
  return x > 0 ? x + log32(1 + exp32(-x)) : log32(1 + exp32(x));
}
