/** A society played by a language model: an engine, its tokenizer and the run's sampling settings. */
import type { ChatTokenizer } from '../backends/tokenizer';
import { RequestError } from '../engine/errors';
import type {
  AdapterConfig,
  Engine,
  GenerateRequest,
  GenerateResult,
  OptimiserSettings,
  SamplingSettings,
  TrainExample,
  TrainStepEvent,
} from '../engine/types';
import { hashAdapter } from '../log/digest';
import { accumulationFor } from './accumulation';
import type { ExperimentConfig } from './config';
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
  /** Longest sequence of the engine (`EngineOptions.maxLength`); default the model's positions. */
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

export class ModelSociety implements Society {
  private readonly stopIds: number[];
  /** Ends a completion in training. */
  private readonly eosId: number;

  /** @throws RequestError when neither tokenizer nor model name an end token. */
  constructor(private readonly options: ModelSocietyOptions) {
    const { engine, tokenizer, model } = options;
    const eosId = tokenizer.eosId ?? engine.info.config.eosTokenIds[0];
    if (eosId === undefined)
      throw new RequestError(`${model.name}: neither tokenizer nor config.json name an end token`);
    this.eosId = eosId;
    this.stopIds = [...new Set([eosId, ...engine.info.config.eosTokenIds])];
  }

  /** @throws RequestError when a prompt leaves no room for a response. */
  async ask(questions: Question[]): Promise<ModelResponse[]> {
    const { engine, signal, onText, onResponse, onTokens } = this.options;
    const requests = questions.map((question) => this.request(question));
    const sofar: number[][] = questions.map(() => []);
    const results = await engine.generate(requests, {
      signal,
      onTokens: (row, ids) => {
        onTokens?.(ids.length);
        if (!onText || asksForSummary(questions[row] as Question)) return;
        (sofar[row] as number[]).push(...ids);
        onText(questions[row] as Question, this.text(sofar[row] as number[]));
      },
      onRow: (row, result) => {
        const question = questions[row] as Question;
        if (!asksForSummary(question)) onResponse?.(question, this.response(result));
      },
    });
    return results.map((result) => this.response(result));
  }

  async *finetune(tracks: FinetuneTrack[], optimiser: OptimiserSettings): AsyncGenerator<TrainStepEvent, void, void> {
    const trained = tracks.filter((track) => track.batches.length > 0);
    if (trained.length === 0) return;
    const rendered = trained.map(({ adapter, examples, batches }) => ({
      adapter,
      examples: examples.map((example) => this.example(example)),
      batches,
    }));
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
    const { kind, device } = this.options.engine.info;
    return { model: this.options.model, engine: `${kind}: ${device}` };
  }

  private request({ adapter, messages, name }: Question): GenerateRequest {
    const { tokenizer, config } = this.options;
    const ids = tokenizer.encodeChat(messages, true);
    return { ids, adapter, sampling: this.sampling(ids.length), key: { seed: config.seed, ...name } };
  }

  private sampling(promptLength: number): SamplingSettings {
    const { temperature, topK, topP, maxTokens } = this.options.config.sampling;
    const { engine, maxLength } = this.options;
    const room = (maxLength ?? engine.info.config.maxPositions) - promptLength;
    if (room < 1) {
      throw new RequestError(
        `a prompt of ${promptLength} tokens leaves the model no room for a response; lower sampling.maxTokens or agents`,
      );
    }
    return { temperature, topK, topP, maxTokens: Math.min(maxTokens, room), stopIds: this.stopIds };
  }

  private response(result: GenerateResult): ModelResponse {
    const { ids, logprobs, margins, finish } = result;
    return { text: this.text(ids), finish, tokens: ids.length, logprobs, margins };
  }

  private text(ids: readonly number[]): string {
    const last = ids.at(-1);
    return this.options.tokenizer.decode(last !== undefined && this.stopIds.includes(last) ? ids.slice(0, -1) : ids);
  }

  /** Prompt ids, completion ids and the end token; weight 1 on completion and end, 0 on the prompt. */
  private example({ messages, completion }: FinetuneExample): TrainExample {
    const { tokenizer } = this.options;
    const prompt = tokenizer.encodeChat(messages, true);
    const answer = [...tokenizer.encode(completion), this.eosId];
    return { ids: [...prompt, ...answer], weights: [...prompt.map(() => 0), ...answer.map(() => 1)] };
  }
}
