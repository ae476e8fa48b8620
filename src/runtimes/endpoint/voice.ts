/** A server that speaks the protocol of OpenAI's chat completions, as a runtime: vLLM, llama-server, Ollama and their like. */
import type { RuntimeRecord } from '../../events';
import { OtherModelError } from '../errors';
import { seedOf } from '../seedOf';
import {
  NOTHING_GIVEN,
  givenNames,
  type Answer,
  type Question,
  type RuntimeCapabilities,
  type Sampling,
  type Voice,
} from '../types';
import { EndpointRefusedError } from '../errors';
import { complete, type ClientOptions } from './client';
import { isAsked, type ChatRequest, type Completion } from './protocol';

export interface EndpointOptions extends ClientOptions {
  /** Of the server: adapters that it has loaded are models too. */
  model: string;
  config: { seed: number; sampling: Sampling };
  /** Questions at once. */
  rows?: number;
  /** A response grows: all of its text so far. */
  onText?: (question: Question, text: string) => void;
}

/** Questions at once; a server puts them into one batch, or lets them wait. */
const ROWS = 8;
const PROBE: Pick<ChatRequest, 'messages' | 'sampling' | 'seed'> = {
  messages: [{ role: 'user', content: '1+1=' }],
  sampling: { temperature: 0, topK: 0, topP: 1, maxTokens: 1 },
  seed: 1,
};

/**
 * Asks the server one question, which says whether it answers, with which model, and whether it gives log-probabilities.
 * @throws VoiceError and its kinds
 */
export async function openEndpoint(options: EndpointOptions): Promise<Voice> {
  const { model } = options;
  let found: Completion;
  try {
    found = await complete(options, { ...PROBE, model, logprobs: true });
  } catch (error) {
    // Some servers refuse what they do not know.
    if (!(error instanceof EndpointRefusedError) || !/logprob/i.test(error.message)) throw error;
    found = await complete(options, { ...PROBE, model, logprobs: false });
  }
  return new EndpointVoice(options, found);
}

class EndpointVoice implements Voice {
  readonly can: RuntimeCapabilities;

  constructor(
    private readonly options: EndpointOptions,
    private readonly found: Completion,
  ) {
    this.#requireAsked(found);
    this.can = { ...NOTHING_GIVEN, logprobs: found.logprobs !== null };
  }

  async ask(questions: Question[]): Promise<Answer[]> {
    const answers: Answer[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let at = next++; at < questions.length; at = next++) {
        try {
          answers[at] = await this.#answer(questions[at] as Question);
        } catch (error) {
          // Nobody begins another question behind one that failed.
          next = questions.length;
          throw error;
        }
      }
    };
    const { rows = ROWS } = this.options;
    const done = await Promise.allSettled(Array.from({ length: Math.min(rows, questions.length) }, work));
    for (const one of done) if (one.status === 'rejected') throw one.reason;
    return answers;
  }

  describe(): RuntimeRecord {
    const { name, model } = this.options;
    const { fingerprint } = this.found;
    return {
      name,
      engine: 'OpenAI chat completions',
      model: { name: this.found.model ?? model, hash: '' },
      ...(fingerprint !== null && { fingerprint }),
      gives: givenNames(this.can),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #answer(question: Question): Promise<Answer> {
    const { config, model, onText } = this.options;
    const seed = seedOf(config.seed, question.draw);
    const sampling = { ...config.sampling, ...question.sampling };
    const request = { model, messages: question.messages, sampling, seed, logprobs: this.can.logprobs };
    const made = await complete(this.options, request, onText && ((text) => onText(question, text)));
    this.#requireAsked(made);
    const { text, finish, logprobs, tokens, parts } = made;
    return {
      text,
      finish: finish ?? 'length',
      // A server that counts nothing has its log-probabilities counted, or else the pieces in which its text came.
      tokens: tokens ?? logprobs?.length ?? parts,
      ...(this.can.logprobs && logprobs && { logprobs }),
      seed,
    };
  }

  #requireAsked({ model: answered }: Completion): void {
    const { name, model } = this.options;
    const first = this.found.model;
    if (answered === null || (isAsked(model, answered) && (first === null || first === answered))) return;
    throw new OtherModelError(
      name,
      `"${answered}" answered, and "${isAsked(model, answered) ? first : model}" was asked. Name the model as the server lists it under /v1/models.`,
    );
  }
}
