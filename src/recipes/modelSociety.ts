/** A society played by a language model: an engine, its tokenizer and the run's sampling settings. */
import type { ChatTokenizer } from '../backends/tokenizer';
import { describeEngine } from '../engine/describe';
import { RequestError } from '../engine/errors';
import { resolveMaxLength } from '../engine/requests';
import type {
  AdapterConfig,
  Engine,
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  OptimiserSettings,
  TrainExample,
  TrainStepEvent,
} from '../engine/types';
import type { Shortened } from '../events';
import { hashAdapter } from '../log/digest';
import { accumulationFor } from './accumulation';
import type { ExperimentConfig } from './config';
import { endTokens, responseText } from './endTokens';
import { fitPrompt } from './fitting';
import { trainExample } from './trainExample';
import {
  asksForSummary,
  type FinetuneExample,
  type FinetuneTrack,
  type ModelResponse,
  type Question,
  type Society,
} from './types';

export interface ModelSocietyOptions {
  engine: Engine;
  tokenizer: ChatTokenizer;
  /** Name and sha-256 of the weights, for the log. */
  model: { name: string; hash: string };
  config: Pick<ExperimentConfig, 'seed' | 'sampling'>;
  /** Longest sequence of the engine (`EngineOptions.maxLength`); its default when left out. */
  maxLength?: number;
  /** Tokens that a training step takes to the device at once, about; default all of its batch. The result is the same. */
  trainTokens?: number;
  /** Stops generation and training at the next step (the call rejects or ends as the engine says). */
  signal?: AbortSignal;
  /** A response grows: all of its text so far. Neither this nor `onResponse` is told of summaries. */
  onText?: (question: Question, text: string) => void;
  /** A response is complete. */
  onResponse?: (question: Question, response: ModelResponse) => void;
  /** Tokens were sampled, in any response. */
  onTokens?: (count: number) => void;
}

/** A question as the engine is asked it. */
interface Asked {
  question: Question;
  request: GenerateRequest;
  shortened: Shortened | undefined;
}

/** Stands for a response to a question that leaves no room for one: a long run does not end over one text. */
const UNASKED: Readonly<ModelResponse> = { text: '', finish: 'length', tokens: 0, logprobs: [], margins: [] };

export class ModelSociety implements Society {
  private readonly stopIds: number[];
  /** Ends a completion in training. */
  private readonly eosId: number;

  /** Tokens of prompt and response together at most. */
  private readonly maxLength: number;

  /** @throws RequestError when neither tokenizer nor model name an end token. */
  constructor(private readonly options: ModelSocietyOptions) {
    const { engine, tokenizer, model } = options;
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
  async ask(questions: Question[]): Promise<ModelResponse[]> {
    const { engine, signal, onText, onResponse, onTokens } = this.options;
    const fitted = await Promise.all(questions.map((question) => this.fit(question)));
    const asked = fitted.filter((one) => one !== null);
    const sofar: number[][] = asked.map(() => []);
    const options: GenerateOptions = {
      signal,
      onTokens: (row, ids) => {
        onTokens?.(ids.length);
        const { question } = asked[row] as Asked;
        if (!onText || asksForSummary(question)) return;
        (sofar[row] as number[]).push(...ids);
        onText(question, this.text(sofar[row] as number[]));
      },
      onRow: (row, result) => {
        const { question, shortened } = asked[row] as Asked;
        if (!asksForSummary(question)) onResponse?.(question, this.response(result, shortened));
      },
    };
    const requests = asked.map(({ request }) => request);
    const results = requests.length > 0 ? await engine.generate(requests, options) : [];
    const rows = results.values();
    return fitted.map((one, index) => {
      if (one) return this.response(rows.next().value as GenerateResult, one.shortened);
      const question = questions[index] as Question;
      const response = structuredClone(UNASKED);
      if (!asksForSummary(question)) onResponse?.(question, response);
      return response;
    });
  }

  async *finetune(tracks: FinetuneTrack[], optimiser: OptimiserSettings): AsyncGenerator<TrainStepEvent, void, void> {
    const trained = tracks.filter((track) => track.batches.length > 0);
    if (trained.length === 0) return;
    const rendered = await Promise.all(
      trained.map(async ({ adapter, examples, batches }) => ({
        adapter,
        examples: await Promise.all(examples.map((example) => this.example(example))),
        batches,
      })),
    );
    const { trainTokens } = this.options;
    const parts = trainTokens === undefined ? 1 : accumulationFor(rendered, trainTokens);
    yield* this.options.engine.train({
      objective: 'sft',
      tracks: rendered,
      optimiser: { ...optimiser, accumulation: Math.max(optimiser.accumulation, parts) },
      signal: this.options.signal,
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

  describe(): { model: { name: string; hash: string }; engine: string } {
    return { model: this.options.model, engine: describeEngine(this.options.engine.info) };
  }

  /** null when there is no room for a response. */
  private async fit(question: Question): Promise<Asked | null> {
    const { tokenizer, config } = this.options;
    const { temperature, topK, topP, maxTokens } = config.sampling;
    const { ids, shortened } = await fitPrompt(question, tokenizer, this.maxLength, maxTokens);
    const room = this.maxLength - ids.length;
    if (room < 1) return null;
    const sampling = { temperature, topK, topP, maxTokens: Math.min(maxTokens, room), stopIds: this.stopIds };
    const key = { seed: config.seed, ...question.name };
    return { question, shortened, request: { ids, adapter: question.adapter, sampling, key } };
  }

  private response(result: GenerateResult, shortened: Shortened | undefined): ModelResponse {
    const { ids, logprobs, margins, finish } = result;
    const response = { text: this.text(ids), finish, tokens: ids.length, logprobs, margins };
    return shortened ? { ...response, shortened } : response;
  }

  private text(ids: readonly number[]): string {
    return responseText(this.options.tokenizer, { stopIds: this.stopIds }, ids);
  }

  /** As it is learnt: the ids that its turn has in the prompt's own text. */
  private async example({ messages, completion, cut }: FinetuneExample): Promise<TrainExample> {
    const { tokenizer } = this.options;
    const turn = await tokenizer.encodeTurn(messages, completion);
    return trainExample(turn, cut ? null : this.eosId, this.maxLength);
  }
}
