/** The tokenizer of a model folder on disk. */
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';

/** Errors: FileError when tokenizer.json or tokenizer_config.json is missing or not a tokenizer. */
export function openTokenizer(dir: string): Promise<ChatTokenizer> {
  return loadTokenizer({ folder: dir });
}
