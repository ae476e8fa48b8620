/**
 * Objectives of training beyond plain cross-entropy, as pure functions.
 *
 * Every objective here depends on a sequence y only through one number π(y): its weighted log-probability Σ w_t · log p(y_t | y_<t),
 * or for `rank` its reward. So a step runs in two sweeps. The first finds π of the step's sequences. The functions below turn them
 * into the loss and into one coefficient per sequence, c(y) = −∂loss/∂π(y). The second sweep is the cross-entropy of supervised
 * finetuning with the weights c(y) · w_t, or a pull at the reward; its gradient is that of the loss. SFT needs no first sweep.
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

/** Its batches name pairs of examples. */
export function comparesPairs(objective: Objective): boolean {
  return objective !== 'sft' && (objective.kind === 'dpo' || objective.kind === 'rank');
}

/** π of a sequence is its reward. */
export function readsRewards(objective: Objective): boolean {
  return objective !== 'sft' && objective.kind === 'rank';
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
  if (objective.kind === 'kto') return ktoLoss(objective, track, step, scores);
  if (objective.kind === 'rank') return rankLoss(objective.margin, track, step, scores.policy);
  return dpoLoss(objective.beta, track, step, scores);
}

/**
 * Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, equation 7):
 * loss = −log σ(β · ((π(chosen) − ref(chosen)) − (π(rejected) − ref(rejected)))).
 */
function dpoLoss(beta: number, track: TrainTrack, step: number, scores: SequenceScores): SequenceLoss {
  const lead = (chosen: number, rejected: number): number =>
    beta * (logRatio(scores, chosen) - logRatio(scores, rejected));
  return pairLoss(track, step, beta, lead);
}

/**
 * Margin ranking of a reward model (Bradley-Terry with a margin; Touvron et al. 2023, arXiv 2307.09288, equation 2):
 * loss = −log σ(r(chosen) − r(rejected) − margin).
 */
function rankLoss(margin: number, track: TrainTrack, step: number, rewards: ReadonlyMap<number, number>): SequenceLoss {
  const reward = (index: number): number => rewards.get(index) as number;
  return pairLoss(track, step, 1, (chosen, rejected) => reward(chosen) - reward(rejected) - margin);
}

/** Mean over the pairs of a batch of −log σ(lead), where ∂lead/∂π(chosen) = slope = −∂lead/∂π(rejected). */
function pairLoss(
  track: TrainTrack,
  step: number,
  slope: number,
  leadOf: (chosen: number, rejected: number) => number,
): SequenceLoss {
  const batch = track.batches[step] ?? [];
  const coefficients = new Map<number, number>();
  let loss = 0;
  for (const index of batch) {
    const [chosen, rejected] = pairOf(track, index);
    const lead = leadOf(chosen, rejected);
    loss += softplus(-lead) / batch.length;
    const pull = (slope * logistic(-lead)) / batch.length;
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

/** How an engine finds π of sequences with the adapters as they are. */
export interface Scorers {
  score(requests: ScoreRequest[]): Promise<Float32Array[]>;
  reward(requests: ScoreRequest[]): Promise<Float32Array>;
}

/** Loss and second sweep of one step of a track. */
export interface Sweep {
  loss: number;
  /** With the weights of the second sweep, in the order of `sequencesOf`. */
  rows: TrainExample[];
}

/** The first sweep. @param reference π under the reference by the example's index */
export async function firstSweep(
  objective: SequenceObjective,
  track: TrainTrack,
  step: number,
  reference: ReadonlyMap<number, number>,
  scorers: Scorers,
): Promise<Sweep> {
  const scored = scoredSequences(objective, track, step);
  const policy = readsRewards(objective)
    ? await rewardExamples(scorers, track, scored)
    : await scoreExamples(scorers.score, track, scored, track.adapter);
  const { loss, coefficients } = sequenceLoss(objective, track, step, { policy, reference });
  const rows = sequencesOf(objective, track, step).map((index) => {
    const example = track.examples[index] as TrainExample;
    const coefficient = coefficients.get(index) ?? 0;
    return readsRewards(objective) ? rewardRow(example, coefficient) : weighted(example, coefficient);
  });
  return { loss, rows };
}

async function rewardExamples(
  { reward }: Scorers,
  track: TrainTrack,
  indices: readonly number[],
): Promise<Map<number, number>> {
  const ids = indices.map((index) => (track.examples[index] as TrainExample).ids);
  const rewards = await reward(ids.map((sequence) => ({ ids: sequence, adapter: track.adapter })));
  return new Map(indices.map((index, i) => [index, rewards[i] as number]));
}

/**
 * The example for a second sweep that pulls at its reward: the coefficient is the weight of one more id, which is never read. So the
 * reward stands where the prediction of the next token would, after the last token.
 */
export function rewardRow({ ids }: TrainExample, coefficient: number): TrainExample {
  const weights = new Array<number>(ids.length).fill(0);
  return { ids: [...Array.from(ids), 0], weights: [...weights, coefficient] };
}

/** The example with the weights of the second sweep. */
function weighted(example: TrainExample, coefficient: number): TrainExample {
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
  if (objective === 'sft' || readsRewards(objective)) return new Map();
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
