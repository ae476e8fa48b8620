/**
 * Tokenizers in a worker: a file or a template that never ends is ended, and refused by name. Questions that are asked together go in one
 * message; decoding, which is linear in its input, stays where texts are shown.
 */
import { FileError } from '../engine/errors';
import { label, type FileSource } from '../engine/source';
import { Supervised, WorkerFailedError, type Body, type SupervisorClock } from '../supervision';
import { readFiles, type ChatTokenizer } from './tokenizer';
import { decoder } from './tokenizer/decoders';
import { decodeWith } from './tokenizer/textTokenizer';
import type { Answer, Opened, Question, TokenizerApi } from './tokenizerWork';

/** Milliseconds of counted time. */
export interface TokenizerLimits {
  /** To read a tokenizer's files; the largest take two seconds. */
  open: number;
  /** For the questions of one message. */
  answer: number;
}

const LIMITS: TokenizerLimits = { open: 30_000, answer: 10_000 };

/**
 * How often the same is asked when its worker fails. One that was ended from outside is not to be told from one that a file holds up, but by
 * asking again: only a file holds up every worker.
 */
const MOST_TRIES = 2;

/** Questions of one message, and characters of their texts, about: each message must be answered within its limit. */
const MOST_QUESTIONS = 256;
const MOST_CHARACTERS = 1_000_000;

interface Waiting {
  question: Question;
  size: number;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/**
 * Opens tokenizers in one worker, which is started when it is needed.
 * @returns what `loadTokenizer` is in one thread; it and all calls throw FileError that names the file which took too long
 */
export function tokenizersIn(
  start: () => Body,
  { limits = LIMITS, clock }: { limits?: TokenizerLimits; clock?: SupervisorClock } = {},
): (source: FileSource) => Promise<ChatTokenizer> {
  const worker = new Supervised<TokenizerApi>({
    name: 'tokenizer',
    start,
    // Its work is in one piece, so it cannot answer meanwhile.
    limits: { silent: limits.open + limits.answer, stalled: limits.open + limits.answer },
    ...(clock && { clock }),
  });
  let opened = 0;
  return async (source) => {
    const key = opened++;
    const open = (): Promise<Opened> => openIn(worker, key, source, limits.open);
    return remote(await open(), (questions) => ask(worker, key, source, open, questions, limits.answer));
  };
}

async function openIn(
  worker: Supervised<TokenizerApi>,
  key: number,
  source: FileSource,
  limit: number,
): Promise<Opened> {
  const files = await readFiles(source);
  const answer = await again(
    worker,
    (api) => api.open(key, files) as Promise<Opened | { file: string; message: string }>,
    limit,
  ).catch((error: unknown) => tooLong(error, files.names.tokenizer, 'It, or its chat template, may never end.'));
  if ('message' in answer) throw new FileError(answer.file, answer.message);
  return answer;
}

async function ask(
  worker: Supervised<TokenizerApi>,
  key: number,
  source: FileSource,
  open: () => Promise<Opened>,
  questions: Question[],
  limit: number,
): Promise<Answer[]> {
  const file = label(source, 'tokenizer.json');
  let failures = 0;
  for (let tried = 0; tried < 3 + failures; tried++) {
    const answers = await worker
      .call((api) => api.answer(key, questions) as Promise<Answer[] | null>, limit)
      .catch((error: unknown) => {
        if (error instanceof WorkerFailedError && ++failures < MOST_TRIES) return null;
        return tooLong(error, file, 'Its pre_tokenizer or the chat template may never end on such a text.');
      });
    if (answers) return answers;
    // The worker was ended, for this tokenizer or for another one, or many tokenizers are open.
    await open();
  }
  throw new FileError(file, 'the tokenizer was closed again and again while a text waited; try again');
}

/** Asks, and asks again when the worker fails. @throws WorkerFailedError */
async function again<T>(
  worker: Supervised<TokenizerApi>,
  work: Parameters<typeof worker.call<T>>[0],
  limit: number,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await worker.call(work, limit);
    } catch (error) {
      if (!(error instanceof WorkerFailedError) || tried === MOST_TRIES) throw error;
    }
  }
}

/** @throws FileError for a worker that had to be ended, else the error itself */
function tooLong(error: unknown, file: string, why: string): never {
  if (!(error instanceof WorkerFailedError)) throw error;
  const never = error.fault === 'late' || error.fault === 'silent' || error.fault === 'stalled';
  throw new FileError(file, never ? `${error.message} It was ended. ${why}` : error.message, { cause: error });
}

const sizeOf = ({ given }: Question): number =>
  given.reduce<number>((sum, one) => {
    if (typeof one === 'string') return sum + one.length;
    return Array.isArray(one) ? sum + one.reduce((all, { content }) => all + content.length, 0) : sum;
  }, 0);

function remote(opened: Opened, ask: (questions: Question[]) => Promise<Answer[]>): ChatTokenizer {
  let waiting: Waiting[] = [];
  let sending: Promise<void> | null = null;
  const send = async (): Promise<void> => {
    // Whatever is asked in the same turn goes along.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = takeBatch(waiting);
      waiting = waiting.slice(batch.length);
      try {
        const answers = await ask(batch.map(({ question }) => question));
        batch.forEach(({ resolve, reject }, i) => settle(answers[i] as Answer, resolve, reject));
      } catch (error) {
        batch.forEach(({ reject }) => reject(error));
      }
    }
    sending = null;
  };
  const call = <T>(question: Question): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ question, size: sizeOf(question), resolve: resolve as (value: unknown) => void, reject });
      sending ??= send();
    });
  const tokens = new Map(opened.tokens.map((token, i) => [opened.ids[i] as number, token]));
  const special = new Set(opened.special);
  const decode = decoder(opened.decoder, { file: 'tokenizer.json', path: 'decoder' });
  const textOf = (ids: readonly number[]): string => decodeWith(ids, tokens, special, decode);
  return {
    hasChatTemplate: opened.hasChatTemplate,
    eosId: opened.eosId,
    encodeChat: (messages, addGenerationPrompt) => call({ ask: 'encodeChat', given: [messages, addGenerationPrompt] }),
    encodeTurn: (messages, completion) => call({ ask: 'encodeTurn', given: [messages, completion] }),
    encodeContinuation: (prompt, completion) => call({ ask: 'encodeContinuation', given: [prompt, completion] }),
    encode: (text) => call({ ask: 'encode', given: [text] }),
    encodeDocument: (text) => call({ ask: 'encodeDocument', given: [text] }),
    unknownIn: (text) => call({ ask: 'unknownIn', given: [text] }),
    decode: textOf,
    tokenText: (id) => (special.has(id) ? (tokens.get(id) ?? '') : textOf([id])),
  };
}

function takeBatch(waiting: readonly Waiting[]): Waiting[] {
  let characters = 0;
  const end = waiting.findIndex(
    ({ size }, i) => i >= MOST_QUESTIONS || ((characters += size) > MOST_CHARACTERS && i > 0),
  );
  return waiting.slice(0, end < 0 ? waiting.length : end);
}

function settle(answer: Answer, resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
  if ('value' in answer) resolve(answer.value);
  else reject(new FileError(answer.file, answer.message));
}
