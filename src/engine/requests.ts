/** Checks that every engine makes on what it is asked, so that all refuse the same requests with the same words. */
import { RequestError } from './errors';
import { MOST_PARTS } from './mixture';
import { checkObjective } from './objectiveChecks';
import { comparesPairs, readsRewards, scoredSequences, sequencesOf } from './objectives';
import { weightSum } from './tokenWeights';
import { PROJECTIONS } from './types';
import type {
  AdapterConfig,
  AdapterId,
  EngineOptions,
  GenerateRequest,
  ModelConfig,
  Objective,
  OptimiserSettings,
  Projection,
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
  /** Rows decoded together; absent = any number. */
  maxRows?: number;
  adapters: { has(id: AdapterId): boolean; get?(id: AdapterId): { config: AdapterConfig } | undefined };
}

/** Longest sequence of an engine: asked for, or the model's maxPositions but at most 1024. */
export function resolveMaxLength(config: ModelConfig, options: EngineOptions): number {
  const maxLength = options.maxLength ?? Math.min(config.maxPositions, 1024);
  if (!Number.isInteger(maxLength) || maxLength < 2)
    throw new RequestError(
      `the longest sequence is set to ${counted(maxLength)}; it needs a whole number of at least 2`,
    );
  if (maxLength > config.maxPositions) {
    throw new RequestError(
      `the longest sequence is set to ${maxLength} tokens, and the model reads ${config.maxPositions} at most; ask for that or less`,
    );
  }
  return maxLength;
}

/** @throws RequestError naming the row, before anything is computed */
export function checkGenerate(requests: readonly GenerateRequest[], limits: Limits): void {
  requests.forEach((request, row) => {
    const where = sequenceName(row);
    checkIds(request.ids, 1, limits, where);
    checkAdapterId(request.adapter, limits, where);
    checkMixture(request, limits, where);
    checkSampling(request, limits, where);
    checkKey(request.key, where);
  });
}

function checkMixture({ adapter, mixture }: GenerateRequest, limits: Limits, where: string): void {
  if (mixture === undefined) return;
  const most = Math.min(MOST_PARTS, limits.maxRows ?? MOST_PARTS);
  if (adapter !== null) throw new RequestError(`${where}: it names a mixture and adapter ${adapter}; name one of them`);
  if (mixture.length === 0) throw new RequestError(`${where}: its mixture has no part`);
  if (mixture.length > most)
    throw new RequestError(
      `${where}: its mixture has ${mixture.length} parts, each a row of its own, and ${most} go together (maxRows); take fewer`,
    );
  mixture.forEach((part, k) => {
    checkAdapterId(part.adapter, limits, `${where}, part ${k + 1}`);
    if (!(Number.isFinite(part.weight) && part.weight > 0))
      throw new RequestError(`${where}, part ${k + 1}: the weight is ${part.weight}, not a number above 0`);
  });
}

/** @throws RequestError naming the row */
export function checkScore(requests: readonly ScoreRequest[], limits: Limits): void {
  requests.forEach((request, row) => {
    checkIds(request.ids, 2, limits, sequenceName(row));
    checkAdapterId(request.adapter, limits, sequenceName(row));
  });
}

/** For `logits`: one id is enough. @throws RequestError */
export function checkLogits(request: ScoreRequest, limits: Limits, where = 'the sequence'): void {
  checkIds(request.ids, 1, limits, where);
  checkAdapterId(request.adapter, limits, where);
}

/** For `embed`: one id is enough. @throws RequestError naming the row */
export function checkEmbed(requests: readonly ScoreRequest[], limits: Limits): void {
  requests.forEach((request, row) => checkLogits(request, limits, sequenceName(row)));
}

/** For `grams`: one id is enough, and there is something to look at. @throws RequestError naming the row */
export function checkGrams(
  requests: readonly ScoreRequest[],
  projections: readonly Projection[],
  limits: Limits,
): void {
  if (projections.length === 0)
    throw new RequestError('Gram matrices are asked for of no projection; name at least one');
  const unknown = projections.find((one) => !PROJECTIONS.includes(one));
  if (unknown !== undefined)
    throw new RequestError(`there is no projection ${unknown}; known: ${PROJECTIONS.join(', ')}`);
  checkEmbed(requests, limits);
}

/** For `reward`: one id is enough, and the adapter carries a head. @throws RequestError naming the row */
export function checkReward(requests: readonly ScoreRequest[], limits: Limits): void {
  requests.forEach((request, row) => {
    checkLogits(request, limits, sequenceName(row));
    checkHead(request.adapter, limits, sequenceName(row));
  });
}

function checkHead(id: AdapterId | null, limits: Limits, where: string): void {
  if (id === null)
    throw new RequestError(`${where}: the base has no head that gives a reward; name an adapter that has`);
  if (limits.adapters.get?.(id)?.config.head !== true)
    throw new RequestError(`${where}: adapter ${id} has no head that gives a reward; create it with one (head)`);
}

/** @throws RequestError naming the track and the example */
export function checkTrack(track: TrainTrack, limits: Limits, objective: Objective = 'sft'): void {
  const where = trainingOf(track.adapter);
  checkAdapterId(track.adapter, limits, where);
  track.examples.forEach((example, index) => checkExample(example, limits, `${where}, example ${index + 1}`));
  checkSettings(objective);
  checkObjective(objective, track);
  checkAdapterId(track.reference ?? null, limits, `${where}, reference`);
  if (readsRewards(objective)) checkHead(track.adapter, limits, where);
  const entries = comparesPairs(objective) ? (track.pairs ?? []) : track.examples;
  const name = entries === track.pairs ? 'pair' : 'example';
  track.batches.forEach((batch, step) => {
    if (batch.length === 0) throw new RequestError(`${where}: step ${step + 1} has no examples`);
    for (const index of batch) {
      if (entries[index] === undefined)
        throw new RequestError(
          `${where}: step ${step + 1} asks for ${name} ${index + 1}, and there are ${entries.length}`,
        );
    }
    checkWeights(objective, track, step, where);
  });
}

/**
 * A step needs something to learn: SFT one token with a weight in its batch, others one in every sequence that they score. What reads
 * rewards has no weights.
 */
function checkWeights(objective: Objective, track: TrainTrack, step: number, where: string): void {
  const mass = (index: number): number => weightSum(track.examples[index] as TrainExample);
  if (objective === 'sft') {
    const total = sequencesOf(objective, track, step).reduce((sum, index) => sum + mass(index), 0);
    if (!(total > 0))
      throw new RequestError(
        `${where}: step ${step + 1} has no token with a weight, so there is nothing to learn; leave out examples without a completion`,
      );
    return;
  }
  if (readsRewards(objective)) return;
  const empty = scoredSequences(objective, track, step).find((index) => !(mass(index) > 0));
  if (empty !== undefined)
    throw new RequestError(`${where}: example ${empty + 1} has no token with a weight; leave it out`);
}

/** Settings of the objectives beside `sft`. */
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  dpo: ['beta'],
  kto: ['beta', 'desirable', 'undesirable'],
  rank: ['margin'],
};

function checkSettings(objective: Objective): void {
  if (objective === 'sft') return;
  const kind: string = objective?.kind;
  const known = SETTINGS[kind];
  if (known === undefined)
    throw new RequestError(
      `objective ${JSON.stringify(objective)} is not known; known are sft, ${Object.keys(SETTINGS).join(', ')}`,
    );
  for (const name of Object.keys(objective)) {
    if (name === 'kind') continue;
    if (!known.includes(name)) throw new RequestError(`objective ${kind}: ${name} is not known`);
  }
  for (const name of known) {
    const value: unknown = objective[name as keyof Objective];
    const least = name === 'margin' ? 'of at least 0' : 'above 0';
    if (!(typeof value === 'number' && Number.isFinite(value) && (value > 0 || (name === 'margin' && value === 0))))
      throw new RequestError(`objective ${kind}: ${name} is ${String(value)}, not a number ${least}`);
  }
}

/** @throws RequestError */
export function checkJob(job: TrainJob, limits: Limits): void {
  const seen = new Set<AdapterId>();
  for (const track of job.tracks) {
    if (seen.has(track.adapter)) throw new RequestError(`adapter ${track.adapter} is to be trained twice in one job`);
    seen.add(track.adapter);
    checkTrack(track, limits, job.objective);
  }
  for (const { adapter, reference } of job.tracks) {
    if (reference != null && seen.has(reference))
      throw new RequestError(
        `${trainingOf(adapter)}: its reference ${reference} is trained in the same job; train it in another one`,
      );
  }
  checkOptimiser(job.optimiser);
  if (job.resume && !isCount(job.resume.step))
    throw new RequestError(
      `training is to go on behind step ${job.resume.step}, which is no whole number of at least 0`,
    );
}

/** @throws RequestError when the adapter does not fit the engine's options */
export function checkCapacity(
  id: AdapterId,
  config: AdapterConfig,
  present: { has(id: AdapterId): boolean; size: number },
  options: EngineOptions,
): void {
  if (options.maxRank !== undefined && config.rank > options.maxRank) {
    throw new RequestError(
      `adapter ${id} has rank ${config.rank}, and memory was set aside for ranks up to ${options.maxRank} (maxRank); ` +
        'take an adapter of a smaller rank, or load the model with more',
    );
  }
  if (options.maxAdapters !== undefined && !present.has(id) && present.size >= options.maxAdapters) {
    throw new RequestError(
      `adapter ${id}: memory was set aside for ${options.maxAdapters} adapters (maxAdapters), and as many are loaded; ` +
        'delete one, or load the model with room for more',
    );
  }
}

/** @throws RequestError when the engine has no such adapter */
export function checkAdapterId(id: AdapterId | null, limits: Pick<Limits, 'adapters'>, where: string): void {
  if (id !== null && !limits.adapters.has(id))
    throw new RequestError(`${where}: there is no adapter ${id}; load or create it first`);
}

function checkIds(ids: ArrayLike<number>, least: number, limits: Limits, where: string): void {
  if (ids.length < least) {
    throw new RequestError(
      `${where} has ${counted(ids.length)}, and at least ${least} ${least === 1 ? 'is' : 'are'} needed`,
    );
  }
  if (ids.length > limits.maxLength) {
    throw new RequestError(`${where} has ${counted(ids.length)}, and ${longest(limits)}; shorten the text`);
  }
  for (let t = 0; t < ids.length; t++) {
    const id = ids[t];
    if (!Number.isInteger(id) || id < 0 || id >= limits.vocabSize) {
      throw new RequestError(`${where}: token ${t + 1} has the id ${id}, ${outside(limits)}`);
    }
  }
}

function checkSampling({ ids, sampling }: GenerateRequest, limits: Limits, where: string): void {
  const { temperature, topK, topP, maxTokens, stopIds } = sampling;
  if (!Number.isFinite(temperature) || temperature < 0) {
    throw new RequestError(`${where}: temperature is ${temperature}, not a number of at least 0`);
  }
  if (!isCount(topK)) throw new RequestError(`${where}: top-k is ${topK}, not a whole number of at least 0`);
  if (!(topP > 0 && topP <= 1)) throw new RequestError(`${where}: top-p is ${topP}, not above 0 and up to 1`);
  if (!isCount(maxTokens) || maxTokens === 0) {
    throw new RequestError(`${where}: ${maxTokens} tokens are asked for, not a whole number of at least 1`);
  }
  if (ids.length + maxTokens > limits.maxLength) {
    throw new RequestError(
      `${where} has ${counted(ids.length)} and is to get ${maxTokens} more, and ${longest(limits)}; shorten the prompt or ask for fewer`,
    );
  }
  for (const id of stopIds) {
    if (!isCount(id) || id >= limits.vocabSize)
      throw new RequestError(`${where}: a token that ends it has the id ${id}, ${outside(limits)}`);
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
      throw new RequestError(
        `${where}: the ${name} of its random numbers is ${value}, not a whole number from 0 to ${bound - 1}`,
      );
  }
}

function checkExample(example: TrainExample, limits: Limits, where: string): void {
  checkIds(example.ids, 2, limits, where);
  if (example.weights.length !== example.ids.length) {
    throw new RequestError(`${where} has ${example.weights.length} weights for ${counted(example.ids.length)}`);
  }
  for (let t = 1; t < example.weights.length; t++) {
    const weight = example.weights[t];
    if (!Number.isFinite(weight))
      throw new RequestError(`${where}: token ${t + 1} has the weight ${weight}, not a finite number`);
  }
}

function checkOptimiser(settings: OptimiserSettings): void {
  const { lr, beta1, beta2, eps, weightDecay, schedule, warmupSteps, clip, accumulation } = settings;
  const refuse = (name: string, value: unknown, wanted: string): never => {
    throw new RequestError(`training: ${name} is ${String(value)}, not ${wanted}`);
  };
  const least = 'a finite number of at least 0';
  const share = 'at least 0 and below 1';
  if (!(Number.isFinite(lr) && lr >= 0)) refuse('the learning rate (lr)', lr, least);
  if (!(beta1 >= 0 && beta1 < 1)) refuse('beta1', beta1, share);
  if (!(beta2 >= 0 && beta2 < 1)) refuse('beta2', beta2, share);
  if (!(Number.isFinite(eps) && eps >= 0)) refuse('eps', eps, least);
  if (!(Number.isFinite(weightDecay) && weightDecay >= 0)) refuse('the weight decay', weightDecay, least);
  if (!SCHEDULES.includes(schedule)) refuse('the schedule', schedule, `one of ${SCHEDULES.join(', ')}`);
  if (!isCount(warmupSteps)) refuse('the number of warm-up steps', warmupSteps, 'a whole number of at least 0');
  if (clip !== null && !(Number.isFinite(clip) && clip > 0))
    refuse('the largest gradient norm (clip)', clip, 'a finite number above 0');
  if (!isCount(accumulation) || accumulation === 0)
    refuse('the number of parts of a batch (accumulation)', accumulation, 'a whole number of at least 1');
}

const SCHEDULES: readonly string[] = ['constant', 'linear', 'cosine'];

/** A row of a request, as people count. */
function sequenceName(row: number): string {
  return `sequence ${row + 1}`;
}

/** Whose training a message speaks of. */
function trainingOf(adapter: AdapterId): string {
  return `training of adapter ${adapter}`;
}

function counted(tokens: number): string {
  return `${tokens} ${tokens === 1 ? 'token' : 'tokens'}`;
}

function longest({ maxLength }: Limits): string {
  return `the longest sequence has ${maxLength}`;
}

function outside({ vocabSize }: Limits): string {
  return `which the model's vocabulary of ${vocabSize} (0 to ${vocabSize - 1}) has not; take the tokenizer files that belong to these weights`;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
