/** Checks that every engine makes on what it is asked, so that all refuse the same requests with the same words. */
import { RequestError } from './errors';
import { checkObjective, scoredSequences, sequencesOf } from './objectives';
import type {
  AdapterConfig,
  AdapterId,
  EngineOptions,
  GenerateRequest,
  ModelConfig,
  Objective,
  OptimiserSettings,
  ScoreRequest,
  StreamKey,
  TrainExample,
  TrainJob,
  TrainTrack,
} from './types';

/** What requests are checked against. */
export interface Limits {
  vocabSize: number;
  /** Longest sequence, prompt and completion together. */
  maxLength: number;
  adapters: { has(id: AdapterId): boolean };
}

/** Longest sequence of an engine: asked for, or the model's maxPositions but at most 1024. */
export function resolveMaxLength(config: ModelConfig, options: EngineOptions): number {
  const maxLength = options.maxLength ?? Math.min(config.maxPositions, 1024);
  if (!Number.isInteger(maxLength) || maxLength < 2)
    throw new RequestError(`maxLength is ${maxLength}, not at least 2`);
  if (maxLength > config.maxPositions) {
    throw new RequestError(`maxLength ${maxLength} is above the model's ${config.maxPositions} positions`);
  }
  return maxLength;
}

/** @throws RequestError naming the row, before anything is computed */
export function checkGenerate(requests: readonly GenerateRequest[], limits: Limits): void {
  requests.forEach((request, row) => {
    const where = `request ${row}`;
    checkIds(request.ids, 1, limits, where);
    checkAdapterId(request.adapter, limits, where);
    checkSampling(request, limits, where);
    checkKey(request.key, where);
  });
}

/** @throws RequestError naming the row */
export function checkScore(requests: readonly ScoreRequest[], limits: Limits): void {
  requests.forEach((request, row) => {
    checkIds(request.ids, 2, limits, `request ${row}`);
    checkAdapterId(request.adapter, limits, `request ${row}`);
  });
}

/** For `logits`: one id is enough. @throws RequestError */
export function checkLogits(request: ScoreRequest, limits: Limits, where = 'request'): void {
  checkIds(request.ids, 1, limits, where);
  checkAdapterId(request.adapter, limits, where);
}

/** For `embed`: one id is enough. @throws RequestError naming the row */
export function checkEmbed(requests: readonly ScoreRequest[], limits: Limits): void {
  requests.forEach((request, row) => checkLogits(request, limits, `request ${row}`));
}

/** @throws RequestError naming the track and the example */
export function checkTrack(track: TrainTrack, limits: Limits, objective: Objective = 'sft'): void {
  const where = `track ${track.adapter}`;
  checkAdapterId(track.adapter, limits, where);
  track.examples.forEach((example, index) => checkExample(example, limits, `${where}, example ${index}`));
  checkSettings(objective);
  checkObjective(objective, track);
  checkAdapterId(track.reference ?? null, limits, `${where}, reference`);
  const entries = objective !== 'sft' && objective.kind === 'dpo' ? (track.pairs ?? []) : track.examples;
  const name = entries === track.pairs ? 'pair' : 'example';
  track.batches.forEach((batch, step) => {
    if (batch.length === 0) throw new RequestError(`${where}: batch ${step} is empty`);
    for (const index of batch) {
      if (entries[index] === undefined)
        throw new RequestError(`${where}: batch ${step} names ${name} ${index}, there is none`);
    }
    checkWeights(objective, track, step, where);
  });
}

/** A step needs something to learn: SFT one token with a weight in its batch, the others one in every sequence that they score. */
function checkWeights(objective: Objective, track: TrainTrack, step: number, where: string): void {
  const mass = (index: number): number => weightSum(track.examples[index] as TrainExample);
  if (objective === 'sft') {
    const total = sequencesOf(objective, track, step).reduce((sum, index) => sum + mass(index), 0);
    if (!(total > 0)) throw new RequestError(`${where}: batch ${step} has no token with a weight`);
    return;
  }
  const empty = scoredSequences(objective, track, step).find((index) => !(mass(index) > 0));
  if (empty !== undefined) throw new RequestError(`${where}: example ${empty} has no token with a weight`);
}

function checkSettings(objective: Objective): void {
  if (objective === 'sft') return;
  const kind: string | undefined = objective?.kind;
  if (kind !== 'dpo' && kind !== 'kto')
    throw new RequestError(`objective ${JSON.stringify(objective)} is not known; known are sft, dpo and kto`);
  const known = kind === 'dpo' ? ['beta'] : ['beta', 'desirable', 'undesirable'];
  for (const name of Object.keys(objective)) {
    if (name === 'kind') continue;
    if (!known.includes(name)) throw new RequestError(`objective ${kind}: ${name} is not known`);
  }
  for (const name of known) {
    const value: unknown = objective[name as keyof Objective];
    if (!(typeof value === 'number' && Number.isFinite(value) && value > 0))
      throw new RequestError(`objective ${kind}: ${name} is ${String(value)}, not a number above 0`);
  }
}

/** @throws RequestError */
export function checkJob(job: TrainJob, limits: Limits): void {
  const seen = new Set<AdapterId>();
  for (const track of job.tracks) {
    if (seen.has(track.adapter)) throw new RequestError(`adapter ${track.adapter} has two tracks`);
    seen.add(track.adapter);
    checkTrack(track, limits, job.objective);
  }
  for (const { adapter, reference } of job.tracks) {
    if (reference != null && seen.has(reference))
      throw new RequestError(`track ${adapter}: its reference ${reference} is trained in the same job`);
  }
  checkOptimiser(job.optimiser);
  if (job.resume && !isCount(job.resume.step)) throw new RequestError(`resume.step is ${job.resume.step}`);
}

/** @throws RequestError when the adapter does not fit the engine's options */
export function checkCapacity(
  id: AdapterId,
  config: AdapterConfig,
  present: { has(id: AdapterId): boolean; size: number },
  options: EngineOptions,
): void {
  if (options.maxRank !== undefined && config.rank > options.maxRank) {
    throw new RequestError(`adapter ${id}: rank ${config.rank} is above the engine's maxRank ${options.maxRank}`);
  }
  if (options.maxAdapters !== undefined && !present.has(id) && present.size >= options.maxAdapters) {
    throw new RequestError(`adapter ${id}: the engine has room for ${options.maxAdapters} adapters (maxAdapters)`);
  }
}

/** @throws RequestError when the engine has no such adapter */
export function checkAdapterId(id: AdapterId | null, limits: Pick<Limits, 'adapters'>, where: string): void {
  if (id !== null && !limits.adapters.has(id)) throw new RequestError(`${where}: there is no adapter ${id}`);
}

/** How many tokens of the examples have a weight; the first of a sequence never counts, since nothing predicts it. */
export function weightedTokens(examples: readonly TrainExample[]): number {
  let tokens = 0;
  for (const { weights } of examples) for (let t = 1; t < weights.length; t++) if (weights[t] !== 0) tokens++;
  return tokens;
}

/** Σ |w| of the weights that count (all but the first). */
export function weightSum(example: TrainExample): number {
  let sum = 0;
  for (let t = 1; t < example.weights.length; t++) sum += Math.abs(example.weights[t]);
  return sum;
}

function checkIds(ids: ArrayLike<number>, least: number, limits: Limits, where: string): void {
  if (ids.length < least) {
    throw new RequestError(`${where}: ${ids.length} ids, at least ${least} ${least === 1 ? 'is' : 'are'} needed`);
  }
  if (ids.length > limits.maxLength) {
    throw new RequestError(`${where}: ${ids.length} ids are more than the engine's maxLength ${limits.maxLength}`);
  }
  for (let t = 0; t < ids.length; t++) {
    const id = ids[t];
    if (!Number.isInteger(id) || id < 0 || id >= limits.vocabSize) {
      throw new RequestError(`${where}: id ${id} at position ${t} is outside the vocabulary of ${limits.vocabSize}`);
    }
  }
}

function checkSampling({ ids, sampling }: GenerateRequest, limits: Limits, where: string): void {
  const { temperature, topK, topP, maxTokens, stopIds } = sampling;
  if (!Number.isFinite(temperature) || temperature < 0) {
    throw new RequestError(`${where}: temperature is ${temperature}, not a number of at least 0`);
  }
  if (!isCount(topK)) throw new RequestError(`${where}: topK is ${topK}, not a whole number of at least 0`);
  if (!(topP > 0 && topP <= 1)) throw new RequestError(`${where}: topP is ${topP}, not in (0, 1]`);
  if (!isCount(maxTokens) || maxTokens === 0) {
    throw new RequestError(`${where}: maxTokens is ${maxTokens}, not a whole number of at least 1`);
  }
  if (ids.length + maxTokens > limits.maxLength) {
    throw new RequestError(
      `${where}: ${ids.length} ids and ${maxTokens} new tokens are more than the engine's maxLength ${limits.maxLength}`,
    );
  }
  for (const id of stopIds) {
    if (!isCount(id) || id >= limits.vocabSize)
      throw new RequestError(`${where}: stop id ${id} is outside the vocabulary`);
  }
}

function checkKey(key: StreamKey, where: string): void {
  const bounds = {
    seed: 2 ** 53,
    stream: 2 ** 16,
    iteration: 2 ** 16,
    agent: 2 ** 16,
    problem: 2 ** 32,
    round: 2 ** 16,
  };
  for (const [name, bound] of Object.entries(bounds)) {
    const value = key[name as keyof StreamKey];
    if (!isCount(value) || value >= bound)
      throw new RequestError(`${where}: key.${name} is ${value}, not in 0..${bound - 1}`);
  }
}

function checkExample(example: TrainExample, limits: Limits, where: string): void {
  checkIds(example.ids, 2, limits, where);
  if (example.weights.length !== example.ids.length) {
    throw new RequestError(`${where}: ${example.weights.length} weights for ${example.ids.length} ids`);
  }
  for (let t = 1; t < example.weights.length; t++) {
    const weight = example.weights[t];
    if (!Number.isFinite(weight)) throw new RequestError(`${where}: weight ${weight} at position ${t}`);
  }
}

function checkOptimiser(settings: OptimiserSettings): void {
  const { lr, beta1, beta2, eps, weightDecay, schedule, warmupSteps, clip, accumulation } = settings;
  const refuse = (name: string, value: unknown): never => {
    throw new RequestError(`optimiser: ${name} is ${String(value)}`);
  };
  if (!(Number.isFinite(lr) && lr >= 0)) refuse('lr', lr);
  if (!(beta1 >= 0 && beta1 < 1)) refuse('beta1', beta1);
  if (!(beta2 >= 0 && beta2 < 1)) refuse('beta2', beta2);
  if (!(Number.isFinite(eps) && eps >= 0)) refuse('eps', eps);
  if (!(Number.isFinite(weightDecay) && weightDecay >= 0)) refuse('weightDecay', weightDecay);
  if (!['constant', 'linear', 'cosine'].includes(schedule)) refuse('schedule', schedule);
  if (!isCount(warmupSteps)) refuse('warmupSteps', warmupSteps);
  if (clip !== null && !(Number.isFinite(clip) && clip > 0)) refuse('clip', clip);
  if (!isCount(accumulation) || accumulation === 0) refuse('accumulation', accumulation);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
