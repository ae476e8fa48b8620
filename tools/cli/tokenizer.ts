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
