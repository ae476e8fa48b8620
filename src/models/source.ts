/** A model's address, as settings and workers pass it around, to its files. */
import type { FileSource } from '../engine/source';
import { urlSource } from '../engine/urlSource';
import { folderAddress, modelReference } from './address';
import { FolderNotChosenError } from './errors';
import { openFolder, type ModelFolder } from './folder';
import { openStoredModel } from './library';
import { openOpfsStore } from './opfs';

/** Folders that were chosen in this visit, by name. Each worker has its own list: files can be posted to it. */
const folders = new Map<string, ModelFolder>();

/**
 * Makes a chosen folder known where it is called, until the page is reloaded. A folder of the same name is replaced.
 *
 * @returns its address
 */
export function addFolder(folder: ModelFolder): string {
  folders.set(folder.name, folder);
  return folderAddress(folder.name);
}

/**
 * Files of the model at an address: `stored:<id>`, `folder:<name>` or a web address (`modelAddress`). Works on the page and in
 * workers.
 *
 * @throws StoredModelError when a stored model is missing or incomplete; ModelStorageUnavailableError; FolderNotChosenError;
 *   UnsupportedModelError for a folder without a model
 */
export async function openModel(address: string): Promise<FileSource> {
  const reference = modelReference(address);
  if (reference.kind === 'stored') return openStoredModel(await openOpfsStore(), reference.id);
  if (reference.kind === 'served') return urlSource(address);
  const folder = folders.get(reference.name);
  if (!folder) throw new FolderNotChosenError(reference.name);
  // Whoever opens it reads its configuration, with the keys that the visitor chose to ignore.
  return openFolder(folder, null);
}
