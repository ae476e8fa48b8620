/** The runtime of the lab: an engine with a tokenizer, and the run's sampling settings. */
import type { ChatTokenizer, Turn as TokenizedTurn } from '../backends/tokenizer';
import { arithmeticOf, describeEngine } from '../engine/describe';
import { RequestError } from '../engine/errors';
import { givesGrams } from '../engine/grams';
import { mergeAdapters } from '../engine/merge/rules';
import { resolveMaxLength } from '../engine/requests';
import {
  PROJECTIONS,
  type AdapterConfig,
  type AdapterWeights,
  type Engine,
  type GenerateOptions,
  type GenerateRequest,
  type GenerateResult,
  type Grams,
  type Objective,
  type Projection,
  type TrainExample,
  type TrainStepEvent,
  type TrainTrack,
} from '../engine/types';
import { callName, type ObjectiveName, type Shortened } from '../events';
import { hashAdapter } from '../log/digest';
import { dissimilarities } from '../society/dissimilarity';
import { accumulationFor } from './accumulation';
import { ENGINE_CAPABILITIES } from './capabilities';
import { endTokens, responseText } from './endTokens';
import { fitPrompt } from './fitting';
import { readGiven } from './given';
import { trainExample } from './trainExample';
import type {
  Answer,
  FinetuneExample,
  FinetuneTrack,
  MergedAdapter,
  MergeJob,
  Question,
  Runtime,
  RuntimeCapabilities,
  RuntimeIdentity,
  Sampling,
  ScoreQuestion,
  TrainingJob,
} from './types';

export interface EngineRuntimeOptions {
  engine: Engine;
  tokenizer: ChatTokenizer;
  /** Name and sha-256 of the weights, for the log. */
  model: { name: string; hash: string };
  /** The same of the second base model, where the engine holds two (src/engine/paired.ts). */
  secondModel?: { name: string; hash: string } | undefined;
  config: { seed: number; sampling: Sampling };
  /** Longest sequence of the engine (`EngineOptions.maxLength`); its default when left out. */
  maxLength?: number;
  /** Tokens that a training step takes to the device at once, about; default all of its batch. The result is the same. */
  trainTokens?: number;
  /** Stops generation and training at the next step (the call rejects or ends as the engine says). */
  signal?: AbortSignal;
  /** A response grows: all of its text so far. */
  onText?: (question: Question, text: string) => void;
  /** A response is complete. */
  onResponse?: (question: Question, response: Answer) => void;
  /** Tokens were sampled, in any response. */
  onTokens?: (count: number) => void;
}

/** A question as the engine is asked it. */
interface Asked {
  question: Question;
  request: GenerateRequest;
  shortened: Shortened | undefined;
}

/** Prompt and completion of each text as one sequence. */
function requestsOf(
  questions: readonly ScoreQuestion[],
  examples: readonly TrainExample[],
): { ids: ArrayLike<number>; adapter: string | null }[] {
  return examples.map(({ ids }, index) => ({ ids, adapter: questions[index]?.adapter ?? null }));
}

/** Stands for a response to a question that leaves no room for one: a long run does not end over one text. */
const UNASKED: Readonly<Answer> = { text: '', finish: 'length', tokens: 0, ids: [], logprobs: [], margins: [] };

export class EngineRuntime implements Runtime {
  readonly can: RuntimeCapabilities;
  private readonly stopIds: number[];
  /** Ends a completion in training. */
  private readonly eosId: number;

  /** Tokens of prompt and response together at most. */
  private readonly maxLength: number;

  /** @throws RequestError when neither tokenizer nor model name an end token. */
  constructor(private readonly options: EngineRuntimeOptions) {
    const { engine, tokenizer, model } = options;
    this.can = { ...ENGINE_CAPABILITIES, grams: givesGrams(engine.info) };
    const { end, stopIds } = endTokens(tokenizer, engine.info.config, model.name);
    if (end === null) throw new RequestError(`${model.name}: neither tokenizer nor config.json name an end token`);
    this.eosId = end;
    this.stopIds = stopIds;
    const { maxLength } = options;
    this.maxLength = resolveMaxLength(engine.info.config, maxLength === undefined ? {} : { maxLength });
  }

  /**
   * Texts that a prompt quotes are shortened where they leave too little room (`fitPrompt`). A question that has no room even so
   * is not asked: its response is empty, with 0 tokens.
   */
  async ask(questions: Question[]): Promise<Answer[]> {
    const read = await this.read(questions.filter(({ given }) => given !== undefined));
    if (read.length === questions.length) return read;
    const sampled = await this.sample(questions.filter(({ given }) => given === undefined));
    const [given, rest] = [read.values(), sampled.values()];
    return questions.map((question) => (question.given === undefined ? rest : given).next().value as Answer);
  }

  /** Responses that are given: what each token's probability is. */
  private async read(questions: Question[]): Promise<Answer[]> {
    const { engine, tokenizer, config, onResponse, signal } = this.options;
    const asked = await Promise.all(
      questions.map(async ({ messages, given = '', adapter, mixture, draw }) => {
        if (mixture) throw new RequestError('a given response is read by one adapter at a time; ask once for each');
        const prompt = await tokenizer.encodeChat(messages, true);
        const { completion } = await tokenizer.encodeTurn(messages, given);
        const ids = [...prompt, ...completion, this.eosId].slice(0, this.maxLength);
        const cut = ids.length < prompt.length + completion.length + 1;
        return { ids, start: prompt.length, cut, text: given, adapter, key: { seed: config.seed, ...draw } };
      }),
    );
    const answers = await readGiven(engine, asked, signal);
    answers.forEach((answer, at) => onResponse?.(questions[at] as Question, answer));
    return answers;
  }

  private async sample(questions: Question[]): Promise<Answer[]> {
    const { engine, signal, onText, onResponse, onTokens } = this.options;
    const fitted = await Promise.all(questions.map((question) => this.fit(question)));
    const asked = fitted.filter((one) => one !== null);
    const sofar: number[][] = asked.map(() => []);
    const options: GenerateOptions = {
      signal,
      onTokens: (row, ids) => {
        onTokens?.(ids.length);
        if (!onText) return;
        const { question } = asked[row] as Asked;
        (sofar[row] as number[]).push(...ids);
        onText(question, this.text(sofar[row] as number[]));
      },
      onRow: (row, result) => {
        const { question, shortened } = asked[row] as Asked;
        onResponse?.(question, this.answer(result, shortened));
      },
    };
    const requests = asked.map(({ request }) => request);
    const results = requests.length > 0 ? await engine.generate(requests, options) : [];
    const rows = results.values();
    return fitted.map((one, index) => {
      if (one) return this.answer(rows.next().value as GenerateResult, one.shortened);
      const answer = structuredClone(UNASKED);
      onResponse?.(questions[index] as Question, answer);
      return answer;
    });
  }

  async *train({ objective, tracks, optimiser }: TrainingJob): AsyncGenerator<TrainStepEvent, void, void> {
    const trained = tracks.filter((track) => track.batches.length > 0);
    if (trained.length === 0) return;
    const rendered = await Promise.all(trained.map((track) => this.track(track)));
    for (const track of rendered) await this.fixReference(track);
    const { trainTokens, engine, signal } = this.options;
    const parts = trainTokens === undefined || objective.kind !== 'sft' ? 1 : accumulationFor(rendered, trainTokens);
    yield* engine.train({
      objective: engineObjective(objective),
      tracks: rendered,
      optimiser: { ...optimiser, accumulation: Math.max(optimiser.accumulation, parts) },
      signal,
    });
  }

  async createAdapter(name: string, config: AdapterConfig, seed: number): Promise<void> {
    const { engine } = this.options;
    if (engine.adapters().includes(name)) await engine.deleteAdapter(name);
    await engine.createAdapter(name, config, seed);
  }

  async adapterHash(name: string): Promise<string> {
    return hashAdapter(await this.options.engine.exportAdapter(name));
  }

  async merge({ name, adapters, rule, texts = [] }: MergeJob): Promise<MergedAdapter> {
    const { engine } = this.options;
    const parts: AdapterWeights[] = [];
    for (const adapter of adapters) parts.push(await engine.exportAdapter(adapter));
    const projections = targetsOf(parts);
    const { adapter: merged, lost } = await mergeAdapters(parts, rule, (index) =>
      this.grams(adapters[index] as string, projections, texts[index] ?? []),
    );
    if (engine.adapters().includes(name)) await engine.deleteAdapter(name);
    await engine.importAdapter(name, merged);
    return { hash: await this.adapterHash(name), lost };
  }

  /** Of what layers read in an adapter's texts, with the adapter on. */
  private async grams(
    adapter: string,
    projections: readonly Projection[],
    texts: readonly FinetuneExample[],
  ): Promise<Grams> {
    const examples = await this.examples(texts);
    return this.options.engine.grams(
      examples.map(({ ids }) => ({ ids, adapter })),
      projections,
    );
  }

  async score(questions: ScoreQuestion[]): Promise<number[]> {
    const examples = await this.examples(questions);
    const scored = await this.options.engine.score(requestsOf(questions, examples));
    return scored.map((logprobs, index) => {
      const example = examples[index] as TrainExample;
      const sum = sumOf(logprobs, example);
      return questions[index]?.mean ? sum / Math.max(1, tokensOf(example)) : sum;
    });
  }

  async dissimilarity(questions: ScoreQuestion[]): Promise<number[]> {
    const embeddings = await this.options.engine.embed(requestsOf(questions, await this.examples(questions)));
    const problems = questions.map(({ of }, at) => (of ? callName(of.at, '') : `alone ${at}`));
    return dissimilarities(embeddings, problems);
  }

  async reward(questions: ScoreQuestion[]): Promise<number[]> {
    return [...(await this.options.engine.reward(requestsOf(questions, await this.examples(questions))))];
  }

  private examples(texts: readonly FinetuneExample[]): Promise<TrainExample[]> {
    return Promise.all(texts.map((text) => this.example(text)));
  }

  describe(): RuntimeIdentity {
    const { model, secondModel, engine } = this.options;
    const computed = { engine: describeEngine(engine.info), arithmetic: arithmeticOf(engine.info) };
    return { model, ...(secondModel && { secondModel }), ...computed };
  }

  /** null when there is no room for a response. */
  private async fit(question: Question): Promise<Asked | null> {
    const { tokenizer, config } = this.options;
    const { temperature, topK, topP, maxTokens } = { ...config.sampling, ...question.sampling };
    const { ids, shortened } = await fitPrompt(question, tokenizer, this.maxLength, maxTokens);
    const room = this.maxLength - ids.length;
    if (room < 1) return null;
    const sampling = { temperature, topK, topP, maxTokens: Math.min(maxTokens, room), stopIds: this.stopIds };
    const key = { seed: config.seed, ...question.draw };
    const { adapter, mixture } = question;
    return { question, shortened, request: { ids, adapter, sampling, key, ...(mixture && { mixture }) } };
  }

  private answer(result: GenerateResult, shortened: Shortened | undefined): Answer {
    const { ids, logprobs, margins, finish } = result;
    const answer = { text: this.text(ids), finish, tokens: ids.length, ids, logprobs, margins };
    return shortened ? { ...answer, shortened } : answer;
  }

  private text(ids: readonly number[]): string {
    return responseText(this.options.tokenizer, { stopIds: this.stopIds }, ids);
  }

  private async track({ adapter, examples, batches, pairs, reference }: FinetuneTrack): Promise<TrainTrack> {
    return {
      adapter,
      examples: await this.examples(examples),
      batches,
      ...(pairs && { pairs }),
      ...(reference !== undefined && { reference }),
    };
  }

  /** Where an adapter is its own reference: the log-probabilities that its examples have before the job. */
  private async fixReference(track: TrainTrack): Promise<void> {
    const { adapter, examples } = track;
    if (track.reference !== adapter) return;
    const scored = await this.options.engine.score(examples.map(({ ids }) => ({ ids, adapter })));
    track.examples = examples.map((example, index) => ({
      ...example,
      reference: sumOf(scored[index] as Float32Array, example),
    }));
    delete track.reference;
  }

  /** As it is learnt: the sampled ids behind their own prompt, or the ids that the turn has in the template. */
  private async example(example: FinetuneExample): Promise<TrainExample> {
    const { messages, completion, ids, cut, weight = 1, tokenWeights, desirable } = example;
    const { tokenizer } = this.options;
    const sampled = ids && ids.length > 0;
    const turn: TokenizedTurn = sampled
      ? { prompt: await tokenizer.encodeChat(messages, true), completion: ids }
      : await tokenizer.encodeTurn(messages, completion);
    const learnt = trainExample(turn, sampled || cut ? null : this.eosId, this.maxLength);
    const weights = Array.from(learnt.weights, (one) => one * weight);
    if (tokenWeights)
      weighTokens(weights, learnt.ids.length - Math.min(turn.prompt.length, learnt.ids.length), tokenWeights);
    return { ids: learnt.ids, weights, ...(desirable !== undefined && { desirable }) };
  }
}

/** Projections that any of the adapters adapts. */
function targetsOf(adapters: readonly AdapterWeights[]): Projection[] {
  return PROJECTIONS.filter((one) => adapters.some(({ config }) => config.targets.includes(one)));
}

function engineObjective({ kind, beta = 0.1, margin = 0 }: ObjectiveName): Objective {
  switch (kind) {
    case 'sft':
      return 'sft';
    case 'dpo':
      return { kind, beta };
    case 'kto':
      return { kind, beta, desirable: 1, undesirable: 1 };
    case 'rank':
      return { kind, margin };
  }
}

/** Multiplies the weights of a sequence's last tokens, those of the response, in place. @throws RequestError */
function weighTokens(weights: number[], response: number, tokenWeights: readonly number[]): void {
  if (tokenWeights.length !== response)
    throw new RequestError(
      `an example has ${tokenWeights.length} weights of tokens, and its response has ${response} tokens`,
    );
  tokenWeights.forEach((weight, at) => {
    const place = weights.length - response + at;
    weights[place] = (weights[place] as number) * weight;
  });
}

/** Tokens of the completion. */
function tokensOf({ weights }: TrainExample): number {
  return Array.from(weights).filter((weight, t) => t > 0 && weight !== 0).length;
}

/** Σ w · log p over the tokens that count; logprobs[t] is that of ids[t + 1]. */
function sumOf(logprobs: ArrayLike<number>, { weights }: TrainExample): number {
  let sum = 0;
  for (let t = 1; t < weights.length; t++)
    if (weights[t] !== 0) sum += (weights[t] as number) * (logprobs[t - 1] as number);
  return sum;
}
