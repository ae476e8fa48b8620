/** The tokenizer of a model folder on disk. */
import { loadTokenizer, type ChatTokenizer } from '../../src/backends/tokenizer';
import { folderSource } from '../../src/engine/loader-node';

/** Errors: FileError when tokenizer.json or tokenizer_config.json is missing or not a tokenizer. */
export function openTokenizer(dir: string): Promise<ChatTokenizer> {
  return loadTokenizer(folderSource(dir));
}
