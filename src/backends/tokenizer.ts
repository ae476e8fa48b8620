/**
 * A model's tokenizer and chat template, from the files of any `FileSource` (a folder, a web address, a browser's storage). Text is text:
 * what stands in a message, a problem or a file never becomes a token that only a template may write.
 */
import { FileError } from '../engine/errors';
import { label, parseJson, type FileSource } from '../engine/source';
import type { ChatMessage } from '../tasks/types';
import { LocalChat, type Turn } from './tokenizer/chat';
import type { FileBytes } from './tokenizerWork';

export type { Turn };

export interface ChatTokenizer {
  hasChatTemplate: boolean;
  /** End of an assistant's turn in the chat template, else of a text; null when the tokenizer names none. */
  eosId: number | null;
  /**
   * Ids of the messages under the model's chat template; with `addGenerationPrompt` up to where the assistant's text begins.
   * @throws FileError when there is no chat template or it refuses the messages.
   */
  encodeChat(messages: readonly ChatMessage[], addGenerationPrompt: boolean): Promise<number[]>;
  /**
   * An assistant's turn as it is learnt: the ids of `encodeChat(messages, true)`, and the ids that `completion` has behind them, without the
   * end token. Both together are the template's own turn up to its end, wherever the template writes `completion` as it is right
   * behind the generation prompt and no token reaches over the border.
   * @throws FileError as `encodeChat`
   */
  encodeTurn(messages: readonly ChatMessage[], completion: string): Promise<Turn>;
  /** The same for a prompt without template: the ids of `encodeDocument(prompt)`, and those that `completion` has behind them. */
  encodeContinuation(prompt: string, completion: string): Promise<Turn>;
  /** Ids of the text as it is, no special tokens added. */
  encode(text: string): Promise<number[]>;
  /** Ids of a text that stands alone: before it what the tokenizer begins texts with (Llama's BOS; most have nothing). */
  encodeDocument(text: string): Promise<number[]>;
  /** Characters of a text that the tokenizer lacks, as often as they stand there: they become its unknown token, or nothing. */
  unknownIn(text: string): Promise<string[]>;
  /** Text of the ids, special tokens left out. */
  decode(ids: readonly number[]): string;
  /** A token as the tokenizer's files name it, special ones too: for messages. */
  tokenText(id: number): string;
}

const TOKENIZER = 'tokenizer.json';
const CONFIG = 'tokenizer_config.json';
/** Newer repositories keep the template beside the configuration instead of in it. */
const TEMPLATE = 'chat_template.jinja';

/** Bytes of tokenizer.json and of the other two at most; the largest in use have some 35 MB. */
const MOST_BYTES = 100_000_000;
const MOST_CONFIG_BYTES = 10_000_000;

/**
 * A tokenizer in this thread, for tests and tools: files from outside belong where they can be ended (`tokenizersIn`).
 * @throws FileError when tokenizer.json or tokenizer_config.json is missing, or asks for what this lab cannot follow exactly.
 */
export async function loadTokenizer(source: FileSource): Promise<ChatTokenizer> {
  const chat = openChat(await readFiles(source));
  return {
    hasChatTemplate: chat.hasChatTemplate,
    eosId: chat.eosId,
    encodeChat: async (messages, addGenerationPrompt) => chat.encodeChat(messages, addGenerationPrompt),
    encodeTurn: async (messages, completion) => chat.encodeTurn(messages, completion),
    encodeContinuation: async (prompt, completion) => chat.encodeContinuation(prompt, completion),
    encode: async (text) => chat.encode(text),
    encodeDocument: async (text) => chat.encodeDocument(text),
    unknownIn: async (text) => chat.unknownIn(text),
    decode: (ids) => chat.text.decode(ids),
    tokenText: (id) => (chat.text.isSpecial(id) ? (chat.text.vocabulary.get(id) ?? '') : chat.text.decode([id])),
  };
}

/** Parses files and makes their tokenizer. @throws FileError that names file and field */
export function openChat({ tokenizer, config, template, names }: FileBytes): LocalChat {
  const settings = parseJson(config, names.config) as object;
  const told = template ? { ...settings, chat_template: new TextDecoder().decode(template) } : settings;
  try {
    return new LocalChat({ tokenizer: parseJson(tokenizer, names.tokenizer), config: told, names });
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    throw new FileError(names.tokenizer, `is not a tokenizer that can be used (${problemOf(cause).message})`, {
      cause,
    });
  }
}

/** An error in parts that can be sent to another thread. */
export function problemOf(error: unknown): { file: string; message: string } {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof FileError)) return { file: TOKENIZER, message };
  return {
    file: error.file,
    message: message.startsWith(`${error.file}: `) ? message.slice(error.file.length + 2) : message,
  };
}

/** Reads a tokenizer's files. @throws FileError where one is missing or too large */
export async function readFiles(source: FileSource): Promise<FileBytes> {
  const names = { tokenizer: label(source, TOKENIZER), config: label(source, CONFIG) };
  // Where both fail, the error is that of the first, whichever answers sooner.
  const reads = [source.read(TOKENIZER), source.read(CONFIG)] as const;
  await Promise.allSettled(reads);
  const [tokenizer, config] = [await reads[0], await reads[1]];
  checkSize(tokenizer, MOST_BYTES, names.tokenizer);
  checkSize(config, MOST_CONFIG_BYTES, names.config);
  return { tokenizer, config, template: await readTemplate(source, config, names.config), names };
}

function checkSize(bytes: Uint8Array, most: number, file: string): void {
  if (bytes.length > most) throw new FileError(file, `has ${bytes.length} bytes, and at most ${most} are read`);
}

/** The template's own file, which goes before the configuration's as it does in transformers. */
async function readTemplate(source: FileSource, config: Uint8Array, file: string): Promise<Uint8Array | null> {
  // Served models are spared a request for a file that they hardly ever have beside a template in the configuration.
  const known =
    source.remote && Boolean((parseJson(config, file) as { chat_template?: unknown } | null)?.chat_template);
  if (known || !(await source.exists?.(TEMPLATE))) return null;
  const bytes = await source.read(TEMPLATE);
  checkSize(bytes, MOST_CONFIG_BYTES, label(source, TEMPLATE));
  return bytes;
}
