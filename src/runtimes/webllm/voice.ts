/** web-llm as a runtime of the lab: one question at a time, its own tokenizer and sampler, seeds by the name of the call. */
import { transfer } from 'comlink';
import type { RuntimeRecord } from '../../events';
import type { Supervised } from '../../supervision';
import { VoiceModelError } from '../errors';
import { seedOf } from '../seedOf';
import {
  givenNames,
  NOTHING_GIVEN,
  type Answer,
  type Question,
  type RuntimeCapabilities,
  type Sampling,
  type Voice,
} from '../types';
import { deviceLost, webLlmError } from './problems';
import type {
  OpenedWebLlm,
  WebLlmAnswer,
  WebLlmApi,
  WebLlmModel,
  WebLlmQuestion,
  WebLlmRecord,
  WebLlmSetup,
} from './work';

export interface WebLlmVoiceOptions {
  /** As the setting `seats` names it. */
  name: string;
  model: WebLlmModel;
  worker: Pick<Supervised<WebLlmApi>, 'call' | 'end'>;
  /** Downloads and checks the files of a record. @returns what the worker opens */
  store(record: WebLlmRecord): Promise<WebLlmSetup>;
  config: { seed: number; sampling: Sampling };
  signal: AbortSignal;
  onText?: ((question: Question, text: string) => void) | undefined;
  onResponse?: ((question: Question, response: Answer) => void) | undefined;
}

/** Times that a device may be lost in one call. */
const TRIES = 3;
/** Milliseconds that a call may take, whatever its progress: shaders of a large model are compiled while it opens. */
export const TIME = { look: 120_000, open: 1_800_000, ask: 3_600_000 };

/** @throws VoiceError and its kinds */
export async function openWebLlm(options: WebLlmVoiceOptions): Promise<Voice> {
  const { name, model, worker, store, config } = options;
  if (config.sampling.topK > 0)
    throw new VoiceModelError(
      name,
      `it cannot sample from the ${config.sampling.topK} most probable tokens. Set top-k to 0.`,
    );
  try {
    const record = await worker.call((api) => api.look(model), TIME.look);
    const setup = await store(record);
    const opened = await again(options, () => worker.call((api) => api.open(setup), TIME.open));
    return new WebLlmVoice(options, setup, opened);
  } catch (error) {
    worker.end();
    options.signal.throwIfAborted();
    throw webLlmError(name, error);
  }
}

/** After a lost device it is asked again of a new worker. */
async function again<T>(
  { name, worker, signal }: Pick<WebLlmVoiceOptions, 'name' | 'worker' | 'signal'>,
  work: () => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (tried === TRIES || !deviceLost(error)) throw webLlmError(name, error);
      worker.end();
    }
  }
}

class WebLlmVoice implements Voice {
  readonly can: RuntimeCapabilities;

  constructor(
    private readonly options: WebLlmVoiceOptions,
    private readonly setup: WebLlmSetup,
    private readonly opened: OpenedWebLlm,
  ) {
    const { logprobs, repeats } = opened;
    this.can = { ...NOTHING_GIVEN, logprobs, repeats };
  }

  async ask(questions: Question[]): Promise<Answer[]> {
    const { config, signal, onResponse } = this.options;
    const answers: Answer[] = [];
    for (const question of questions) {
      signal.throwIfAborted();
      const seed = seedOf(config.seed, question.draw);
      const sampling = { ...config.sampling, ...question.sampling };
      const asked: WebLlmQuestion = { messages: question.messages, sampling, seed };
      const { logprobs, ...said } = await again(this.options, () => this.#once(question, asked));
      const answer: Answer = { ...said, ...(logprobs && { logprobs }), seed };
      onResponse?.(question, answer);
      answers.push(answer);
    }
    return answers;
  }

  describe(): RuntimeRecord {
    const { name, model } = this.options;
    const { engine, hash, files, device } = this.opened;
    const title = 'id' in model ? model.id : model.model;
    return { name, engine, model: { name: title, hash }, files, device, gives: givenNames(this.can) };
  }

  close(): Promise<void> {
    this.options.worker.end();
    return Promise.resolve();
  }

  #once(question: Question, asked: WebLlmQuestion): Promise<WebLlmAnswer> {
    const { worker, signal, onText } = this.options;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<string>) => onText?.(question, data);
    const stop = (): void => port1.postMessage('stop');
    signal.addEventListener('abort', stop);
    const done = worker.call((api) => api.ask(this.setup, asked, transfer(port2, [port2])), TIME.ask);
    return done.finally(() => {
      signal.removeEventListener('abort', stop);
      port1.close();
    });
  }
}
