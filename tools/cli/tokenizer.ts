/** The tokenizer of a model folder on disk. */
import { Worker } from 'node:worker_threads';
import type { ChatTokenizer } from '../../src/backends/tokenizer';
import { tokenizersIn } from '../../src/backends/tokenizerRemote';
import { folderSource } from '../../src/engine/loader-node';
import { threadBody, type Body } from '../../src/supervision';
import { UsageError } from './args';
import type { OpenedModel } from './session';

/** A thread for tokenizers. */
export function tokenizerThread(): Body {
  const worker = new Worker(new URL('./tokenizerThread.mjs', import.meta.url));
  return threadBody(worker as unknown as Parameters<typeof threadBody>[0]);
}

/** Opens the tokenizer of any files. Errors: FileError */
export const tokenizerIn = tokenizersIn(tokenizerThread);

/** Errors: FileError when tokenizer.json or tokenizer_config.json is missing, not a tokenizer, or never ends. */
export function openTokenizer(dir: string): Promise<ChatTokenizer> {
  return tokenizerIn(folderSource(dir));
}

/** Characters shown of those that a tokenizer lacks. */
const SHOWN = 12;

/** Characters that a tokenizer lacks, for people: each once, the first of them by name. */
export function namedCharacters(characters: readonly string[]): string {
  const different = [...new Set(characters)];
  const more = different.length - SHOWN;
  const shown = different.slice(0, SHOWN).map((character) => JSON.stringify(character));
  return `${shown.join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** What is said of a text with characters that the tokenizer lacks; null where it has them all. @param what the text, for people */
export async function lackingNote(
  what: string,
  content: string,
  tokenizer: Pick<ChatTokenizer, 'unknownIn'>,
): Promise<string | null> {
  const unknown = await tokenizer.unknownIn(content);
  if (unknown.length === 0) return null;
  const count = unknown.length === 1 ? '1 character' : `${unknown.length} characters`;
  return `${what} has ${count} that the tokenizer lacks (${namedCharacters(unknown)}); the model reads its unknown token in their place, or nothing.`;
}

/**
 * Refuses ids that the model's embedding lacks, by name where there is a tokenizer.
 * @throws UsageError
 */
export function checkTokens(
  ids: readonly number[],
  { dir, config }: Pick<OpenedModel, 'dir' | 'config'>,
  tokenizer: Pick<ChatTokenizer, 'tokenText'> | null,
): void {
  const { vocabSize } = config;
  const at = ids.findIndex((id) => id >= vocabSize);
  if (at < 0) return;
  const id = ids[at] as number;
  const name = tokenizer ? ` (${JSON.stringify(tokenizer.tokenText(id))})` : '';
  throw new UsageError(
    `token ${id}${name}, number ${at + 1} of the prompt or text, is not in ${dir}: its embedding has ${vocabSize} tokens, 0 to ${vocabSize - 1}`,
  );
}
