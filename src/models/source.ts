/** A model's address, as settings and workers pass it around, to its files. */
import { urlSource, type FileSource } from '../engine/loader';
import { openStoredModel } from './library';
import { openOpfsStore } from './opfs';

/** Before the id of a model in this browser's storage; everything else is a web address. */
const STORED = 'stored:';

/** Address of a stored model. */
export function storedAddress(id: string): string {
  return `${STORED}${id}`;
}

/**
 * Files of the model at an address; works on the page and in workers.
 *
 * @throws StoredModelError when a stored model is missing or incomplete; ModelStorageUnavailableError
 */
export async function openModel(address: string): Promise<FileSource> {
  if (!address.startsWith(STORED)) return urlSource(address);
  return openStoredModel(await openOpfsStore(), address.slice(STORED.length));
}
