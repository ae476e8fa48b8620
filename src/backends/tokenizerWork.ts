/** The worker's side: tokenizers that can be ended. `workers/tokenizer.ts` and the command line's thread serve it. */
import type { Pulse } from '../supervision';
import { LocalChat, type ChatFiles } from './tokenizer/chat';

/** What can be asked; the answers are those of `LocalChat`. */
export type Question =
  | { ask: 'encodeChat'; given: Parameters<LocalChat['encodeChat']> }
  | { ask: 'encodeTurn'; given: Parameters<LocalChat['encodeTurn']> }
  | { ask: 'encodeContinuation'; given: Parameters<LocalChat['encodeContinuation']> }
  | { ask: 'encode'; given: [text: string] }
  | { ask: 'encodeDocument'; given: [text: string] }
  | { ask: 'unknownIn'; given: [text: string] };

/** An answer, or what was wrong with the question: file and problem of a FileError. */
export type Answer = { value: unknown } | { file: string; message: string };

/** What the asking side needs to decode, and to know before it asks. */
export interface Opened {
  hasChatTemplate: boolean;
  eosId: number | null;
  ids: Int32Array;
  /** Tokens of these ids. */
  tokens: string[];
  special: number[];
  /** The decoder's part of tokenizer.json. */
  decoder: unknown;
}

export interface TokenizerApi {
  /** Opens a tokenizer from its files' bytes under a key of the asking side's. */
  open(key: number, files: FileBytes): Promise<Opened | { file: string; message: string }>;
  /** Answers in order; null where this worker has not, or no longer, the tokenizer. */
  answer(key: number, questions: readonly Question[]): Promise<Answer[] | null>;
}

/** Files as bytes; parsing them is work too. */
export interface FileBytes {
  tokenizer: Uint8Array;
  config: Uint8Array;
  /** A chat_template.jinja, which goes before the configuration's. */
  template: Uint8Array | null;
  names: ChatFiles['names'];
}

/** Tokenizers that are kept open: a run has one. */
const KEPT = 2;

export function createTokenizerWork(
  open: (files: FileBytes) => LocalChat,
  problemOf: (error: unknown) => { file: string; message: string },
  pulse: Pulse,
): TokenizerApi {
  const kept = new Map<number, LocalChat>();
  return {
    async open(key, files) {
      try {
        const chat = open(files);
        kept.set(key, chat);
        const [oldest] = kept.keys();
        if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
        const { hasChatTemplate, eosId, text } = chat;
        const ids = Int32Array.from(text.vocabulary.keys());
        const special = text.added.filter((token) => token.special).map(({ id }) => id);
        return {
          hasChatTemplate,
          eosId,
          ids,
          tokens: [...text.vocabulary.values()],
          special,
          decoder: text.decoderFields,
        };
      } catch (error) {
        return problemOf(error);
      }
    },
    async answer(key, questions) {
      const chat = kept.get(key);
      if (!chat) return null;
      // The last used stays longest.
      kept.delete(key);
      kept.set(key, chat);
      return questions.map((question) => {
        try {
          const value = (chat[question.ask] as (...given: unknown[]) => unknown)(...question.given);
          pulse.worked();
          return { value };
        } catch (error) {
          return problemOf(error);
        }
      });
    },
  };
}
