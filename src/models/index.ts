/**
 * Models from the Hugging Face hub or a folder, kept in the browser:
 *
 *     const store = await openOpfsStore();
 *     const manifest = await resolveHubModel('Qwen/Qwen2.5-0.5B-Instruct', 'main', { token });
 *     await downloadModel(manifest, { store, transport: hubTransport({ token }), signal, onProgress });
 *     const files = await openStoredModel(store, manifest.id); // a FileSource for openModelStream and loadTokenizer
 */
export { CATALOGUE, type CatalogueEntry } from './catalogue';
export { downloadModel, type DownloadOptions } from './download';
export * from './errors';
export {
  folderFromDrop,
  folderFromFiles,
  folderFromHandle,
  folderTransport,
  openFolder,
  resolveFolder,
  type ModelFolder,
} from './folder';
export { HUB, hubTransport, resolveHubModel, type HubOptions } from './hub';
export { deleteStoredModel, listStoredModels, openStoredModel, type ModelFiles, type StoredModel } from './library';
export { totalBytes, type ModelFile, type ModelManifest } from './manifest';
export { openOpfsStore, OpfsChunkStore } from './opfs';
export type { DownloadProgress } from './progress';
export { MemoryChunkStore, type ChunkStore } from './store';
export { folderAddress, modelAddress, modelReference, modelTitle, storedAddress } from './address';
export { addFolder, openModel } from './source';
