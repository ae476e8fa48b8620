/**
 * The model worker's side: looks models up, downloads or copies them into this browser, lists and deletes them. Hashing a
 * gigabyte would hold the page, and some browsers write files in workers only.
 */
import type { ModelConfig } from '../engine/types';
import { readConfig } from '../engine/stream';
import { downloadModel } from './download';
import { ModelAccessError } from './errors';
import { folderTransport, openFolder, resolveFolder, type ModelFolder } from './folder';
import { hubTransport, inspectHubModel, type HubOptions } from './hub';
import { deleteStoredModel, listStoredModels, openStoredModel, type StoredModel } from './library';
import { totalBytes, type ModelManifest } from './manifest';
import { openOpfsStore } from './opfs';
import type { DownloadProgress } from './progress';
import { storedParts, type ChunkStore } from './store';

/** The hub to ask, and as whom. The token is held in memory only. */
export type HubLogin = Required<Pick<HubOptions, 'endpoint' | 'token'>>;

/** A model that can be downloaded: what it takes is known before the first byte of its weights. */
export interface ModelOffer {
  manifest: ModelManifest;
  config: ModelConfig;
  bytes: number;
  /** Of those, stored by an earlier download that was interrupted. */
  storedBytes: number;
  complete: boolean;
}

/** An offer, or why there is none, in words for people. */
export type Answer =
  { offer: ModelOffer } | { problem: string; /** A (better) token would help. */ needsToken: boolean };

export interface ModelShelf {
  models: StoredModel[];
  /** Bytes of this browser's storage, for everything; null when it does not say. */
  storage: { usedBytes: number; quotaBytes: number } | null;
}

/** To the port of a download. */
export type TransferMessage = DownloadProgress;

/** Somebody waits for the answer, and can ask again. */
const ASK_ATTEMPTS = 3;

/** Calls over Comlink; they reject with errors whose messages are for people. */
export interface ModelServiceApi {
  shelf(): Promise<ModelShelf>;
  ask(repo: string, revision: string, login: HubLogin): Promise<Answer>;
  /**
   * Downloads what is missing of a model; a message on the port cancels.
   * @param port is told of the progress (`TransferMessage`)
   * @returns whether it is complete; false = cancelled
   */
  download(manifest: ModelManifest, login: HubLogin, port: MessagePort): Promise<boolean>;
  /** Copies a chosen folder into this browser's storage; as `download`, resolves with the model's id, null = cancelled. */
  copyFolder(folder: ModelFolder, port: MessagePort): Promise<string | null>;
  remove(id: string): Promise<void>;
  /** Shape of a stored model. */
  config(id: string): Promise<ModelConfig>;
  /** Shape and bytes of a chosen folder's model. @throws UnsupportedModelError */
  look(folder: ModelFolder): Promise<{ config: ModelConfig; bytes: number }>;
}

/** @param openStore of the models; @param worked called when a part of a transfer is done */
export function createModelService(
  openStore: () => Promise<ChunkStore> = openOpfsStore,
  worked: () => void = () => {},
): ModelServiceApi {
  const cancellable = cancellableWith(worked);
  return {
    async shelf() {
      const store = await openStore();
      return { models: await listStoredModels(store), storage: await store.estimate() };
    },

    async ask(repo, revision, login) {
      try {
        const { manifest, config } = await inspectHubModel(repo, revision, { ...login, attempts: ASK_ATTEMPTS });
        // A browser without storage says so when the download is asked for.
        const store = await openStore().catch(() => null);
        const parts = store && (await storedParts(store, manifest));
        const storedBytes = parts?.bytes ?? 0;
        const complete = parts?.complete ?? false;
        return { offer: { manifest, config, bytes: totalBytes(manifest), storedBytes, complete } };
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        return { problem, needsToken: error instanceof ModelAccessError && error.problem !== 'disabled' };
      }
    },

    download: (manifest, login, port) =>
      cancellable(port, async (signal, onProgress) => {
        const store = await openStore();
        await downloadModel(manifest, { store, transport: hubTransport(login), signal, onProgress });
        return true;
      }).then((done) => done ?? false),

    copyFolder: (folder, port) =>
      cancellable(port, async (signal, onProgress) => {
        const store = await openStore();
        const manifest = await resolveFolder(folder, {
          signal,
          onProgress: (doneBytes, totalBytes) =>
            onProgress({ phase: 'verify', doneBytes, totalBytes, bytesPerSecond: null, secondsLeft: null }),
        });
        await downloadModel(manifest, { store, transport: folderTransport(folder), signal, onProgress });
        return manifest.id;
      }),

    async remove(id) {
      await deleteStoredModel(await openStore(), id);
    },

    async config(id) {
      return readConfig(await openStoredModel(await openStore(), id));
    },

    async look(folder) {
      const files = await openFolder(folder);
      const sizes = await Promise.all(files.paths.map((path) => files.size(path)));
      return { config: await readConfig(files), bytes: sizes.reduce((sum, size) => sum + size, 0) };
    },
  };
}

type TransferWork<T> = (signal: AbortSignal, onProgress: (progress: DownloadProgress) => void) => Promise<T>;

/** What runs a transfer that ends quietly when a message comes on the port; null = it was cancelled. */
function cancellableWith(worked: () => void) {
  return async <T>(port: MessagePort, work: TransferWork<T>): Promise<T | null> => {
    const abort = new AbortController();
    port.onmessage = () => abort.abort();
    try {
      return await work(abort.signal, (progress) => {
        worked();
        port.postMessage(progress satisfies TransferMessage);
      });
    } catch (error) {
      if (abort.signal.aborted) return null;
      throw error;
    } finally {
      port.close();
    }
  };
}
