/** Models of a hub that seats name: downloaded, checked and kept on this computer as the page keeps them in a browser. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { folderSource } from '../../src/engine/loader-node';
import type { FileSource } from '../../src/engine/source';
import { modelReference } from '../../src/models/address';
import { openStoredModel } from '../../src/models/library';
import { FolderChunkStore } from '../../src/models/store-node';

/** Variable of the environment that names the folder of these models. */
export const MODELS_VARIABLE = 'POLYLOGUE_MODELS';

export function modelsFolder(): string {
  const { [MODELS_VARIABLE]: own, XDG_CACHE_HOME: cache } = process.env;
  return own || join(cache || join(homedir(), '.cache'), 'polylogue', 'models');
}

export function modelStore(): FolderChunkStore {
  return new FolderChunkStore(modelsFolder());
}

/** Files of a seat's model: `stored:<id>` of that folder, or a folder of one's own. @throws StoredModelError, FileError */
export async function openSeatModel(address: string): Promise<FileSource> {
  const reference = modelReference(address);
  return reference.kind === 'stored' ? openStoredModel(modelStore(), reference.id) : folderSource(address);
}
