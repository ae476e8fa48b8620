/** The tokenizer of a model folder on disk. */
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';
import { UsageError } from './args';
import type { OpenedModel } from './session';

/** Errors: FileError when tokenizer.json or tokenizer_config.json is missing or not a tokenizer. */
export function openTokenizer(dir: string): Promise<ChatTokenizer> {
  return loadTokenizer(folderSource(dir));
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
