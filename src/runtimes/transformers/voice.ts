/** transformers.js as a runtime of the lab: prompts and texts by the lab's own tokenizer, logits by ONNX Runtime, draws by the lab's names. */
import { transfer, type Remote } from 'comlink';
import type { ChatTokenizer } from '../../backends/tokenizer';
import type { GenerateRequest, GenerateResult } from '../../engine/types';
import type { RuntimeRecord } from '../../events';
import type { Supervised } from '../../supervision';
import { endTokens, responseText } from '../endTokens';
import { fitPrompt } from '../fitting';
import { SMALLEST_MARGIN } from '../given';
import {
  givenNames,
  NOTHING_GIVEN,
  type Answer,
  type Question,
  type RuntimeCapabilities,
  type Sampling,
  type Voice,
} from '../types';
import { deviceLost, onnxError } from './problems';
import type { OnnxApi, OnnxMessage, OnnxSetup, OpenedOnnx } from './work';

export interface OnnxVoiceOptions {
  /** As the setting `seats` names it. */
  name: string;
  setup: OnnxSetup;
  /** The model's name for people. */
  title: string;
  tokenizer: ChatTokenizer;
  worker: Pick<Supervised<OnnxApi>, 'call' | 'end'>;
  config: { seed: number; sampling: Sampling };
  signal: AbortSignal;
  /** Rows of a batch. */
  rows?: number;
  onText?: ((question: Question, text: string) => void) | undefined;
  onResponse?: ((question: Question, response: Answer) => void) | undefined;
}

const ROWS = 24;
/** Longest sequence, prompt and response together: keys and values of a whole batch are held. */
const MOST_LENGTH = 4096;
/** Times that a device may be lost in one batch. */
const TRIES = 3;

/** @throws VoiceError and its kinds */
export async function openOnnx(options: OnnxVoiceOptions): Promise<Voice> {
  const { name, setup, worker } = options;
  try {
    return new OnnxVoice(options, await worker.call((api) => api.open(setup)));
  } catch (error) {
    worker.end();
    throw onnxError(name, setup, error);
  }
}

interface Asked {
  question: Question;
  request: GenerateRequest;
  shortened: Answer['shortened'];
}

class OnnxVoice implements Voice {
  readonly can: RuntimeCapabilities;
  readonly #stopIds: number[];
  /** Ends a response that is given; null where nothing does. */
  readonly #endId: number | null;
  readonly #maxLength: number;

  constructor(
    private readonly options: OnnxVoiceOptions,
    private readonly opened: OpenedOnnx,
  ) {
    const { vocabSize, eosIds, maxPositions, repeats } = opened;
    const config = { eosTokenIds: eosIds, vocabSize };
    const { end, stopIds } = endTokens(options.tokenizer, config, options.title);
    this.#endId = end;
    this.#stopIds = stopIds;
    this.#maxLength = Math.min(maxPositions, MOST_LENGTH);
    this.can = { ...NOTHING_GIVEN, ids: true, logprobs: true, margins: true, scores: true, repeats };
  }

  async ask(questions: Question[]): Promise<Answer[]> {
    const sampled = (await this.#sample(questions.filter(({ given }) => given === undefined))).values();
    const answers: Answer[] = [];
    for (const question of questions)
      answers.push(question.given === undefined ? (sampled.next().value as Answer) : await this.#read(question));
    return answers;
  }

  /** A response that is given, with the token that ends it: what the model makes of each of its tokens. */
  async #read(question: Question): Promise<Answer> {
    const { tokenizer, setup } = this.options;
    const { messages, given = '' } = question;
    const prompt = await tokenizer.encodeChat(messages, true);
    const { completion } = await tokenizer.encodeTurn(messages, given);
    const whole = [...prompt, ...completion, ...(this.#endId === null ? [] : [this.#endId])];
    const ids = whole.slice(0, this.#maxLength);
    const own = ids.slice(prompt.length);
    const read =
      own.length > 0 && prompt.length > 0
        ? await this.#retried((api) => api.read(setup, ids, prompt.length))
        : { logprobs: [], margins: [] };
    const answer: Answer = {
      text: own.length > 0 ? given : '',
      finish: ids.length < whole.length ? 'length' : 'stop',
      tokens: own.length,
      ids: own,
      logprobs: read.logprobs,
      // What the log shows of a margin below 0 is not to be read as 0.
      margins: read.margins.map((margin) => (margin < 0 ? Math.min(SMALLEST_MARGIN, margin) : 0)),
    };
    this.options.onResponse?.(question, answer);
    return answer;
  }

  async #sample(questions: Question[]): Promise<Answer[]> {
    const fitted = await Promise.all(questions.map((question) => this.#fit(question)));
    const asked = fitted.filter((one) => one !== null);
    const answers: Answer[] = [];
    const { rows = ROWS } = this.options;
    for (let from = 0; from < asked.length; from += rows) {
      const batch = asked.slice(from, from + rows);
      const results = await this.#generate(batch);
      results.forEach((result, at) => answers.push(this.#answer(batch[at] as Asked, result)));
    }
    const given = answers.values();
    // A question without room for a response is not asked: its response is empty.
    return fitted.map((one) =>
      one
        ? (given.next().value as Answer)
        : { text: '', finish: 'length', tokens: 0, ids: [], logprobs: [], margins: [] },
    );
  }

  describe(): RuntimeRecord {
    const { name, title, setup } = this.options;
    const { engine, hash, files } = this.opened;
    const { dtype, device } = setup;
    return { name, engine, model: { name: title, hash }, files, dtype, device, gives: givenNames(this.can) };
  }

  close(): Promise<void> {
    this.options.worker.end();
    return Promise.resolve();
  }

  async #fit(question: Question): Promise<Asked | null> {
    const { tokenizer, config } = this.options;
    const sampling = { ...config.sampling, ...question.sampling };
    const { ids, shortened } = await fitPrompt(question, tokenizer, this.#maxLength, sampling.maxTokens);
    const room = this.#maxLength - ids.length;
    if (room < 1) return null;
    const maxTokens = Math.min(sampling.maxTokens, room);
    const key = { seed: config.seed, ...question.draw };
    return {
      question,
      shortened,
      request: { ids, adapter: null, sampling: { ...sampling, maxTokens, stopIds: this.#stopIds }, key },
    };
  }

  #generate(batch: readonly Asked[]): Promise<GenerateResult[]> {
    return this.#retried((api) => this.#once(api, batch));
  }

  /** After a lost device it is asked again of a new worker. */
  async #retried<T>(work: (api: Remote<OnnxApi>) => Promise<T>): Promise<T> {
    const { name, setup, worker, signal } = this.options;
    for (let tried = 1; ; tried++) {
      try {
        return await worker.call(work);
      } catch (error) {
        signal.throwIfAborted();
        if (tried === TRIES || !deviceLost(setup, error)) throw onnxError(name, setup, error);
        worker.end();
      }
    }
  }

  async #once(api: Remote<OnnxApi>, batch: readonly Asked[]): Promise<GenerateResult[]> {
    const { setup, signal, onText } = this.options;
    signal.throwIfAborted();
    const { port1, port2 } = new MessageChannel();
    const sofar: number[][] = batch.map(() => []);
    port1.onmessage = ({ data: { row, id } }: MessageEvent<OnnxMessage>) => {
      (sofar[row] as number[]).push(id);
      onText?.((batch[row] as Asked).question, this.#text(sofar[row] as number[]));
    };
    const stop = (): void => port1.postMessage('stop');
    signal.addEventListener('abort', stop);
    try {
      const requests = batch.map(({ request }) => request);
      return await api.generate(setup, requests, transfer(port2, [port2]));
    } finally {
      signal.removeEventListener('abort', stop);
      port1.close();
    }
  }

  #answer({ question, shortened }: Asked, { ids, logprobs, margins, finish }: GenerateResult): Answer {
    const answer = { text: this.#text(ids), finish, tokens: ids.length, ids, logprobs, margins };
    const made = shortened ? { ...answer, shortened } : answer;
    this.options.onResponse?.(question, made);
    return made;
  }

  #text(ids: readonly number[]): string {
    return responseText(this.options.tokenizer, { stopIds: this.#stopIds }, ids);
  }
}
