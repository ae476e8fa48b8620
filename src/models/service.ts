/**
 * The model worker's side: looks models up, downloads or copies them into this browser, lists and deletes them. Hashing a
 * gigabyte would hold the page, and some browsers write files in workers only.
 */
import { UnknownKeysError } from '../engine/errors';
import type { ModelConfig } from '../engine/types';
import { readConfig } from '../engine/stream';
import { downloadModel } from './download';
import { ModelAccessError, UnsupportedModelError } from './errors';
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
export type Answer = { offer: ModelOffer } | (Refused & { /** A (better) token would help. */ needsToken: boolean });

/** Shape and bytes of a model, or why it cannot be run as it is. */
export type Looked = { config: ModelConfig; bytes: number } | Refused;

/** Why a model cannot be run. */
export interface Refused {
  problem: string;
  /** Keys of config.json without which it could be loaded all the same; none when nothing would help. */
  keys: readonly string[];
}

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
  /** @param ignore keys of config.json to be left out, on the visitor's word */
  ask(repo: string, revision: string, login: HubLogin, ignore?: readonly string[]): Promise<Answer>;
  /**
   * Downloads what is missing of a model; a message on the port cancels.
   * @param port hears of the progress (`TransferMessage`)
   * @returns whether it is complete; false = cancelled
   */
  download(manifest: ModelManifest, login: HubLogin, port: MessagePort): Promise<boolean>;
  /** Copies a chosen folder into this browser's storage; as `download`, resolves with the model's id, null = cancelled. */
  copyFolder(folder: ModelFolder, port: MessagePort, ignore?: readonly string[]): Promise<string | null>;
  /** Copies a chosen folder's files in ONNX, in one format, for seats on transformers.js; as `copyFolder`. */
  copyOnnx(folder: ModelFolder, format: string, port: MessagePort): Promise<string | null>;
  remove(id: string): Promise<void>;
  /** Shape of a stored model. */
  config(id: string): Promise<ModelConfig>;
  /** Why a stored model cannot be run with these keys left out; null when it can. */
  check(id: string, ignore: readonly string[]): Promise<Refused | null>;
  /** Shape and bytes of a chosen folder's model. @throws UnsupportedModelError when no choice would help */
  look(folder: ModelFolder, ignore?: readonly string[]): Promise<Looked>;
}

/** @param openStore of the models; @param worked called when a part of a transfer is done */
export function createModelService(
  openStore: () => Promise<ChunkStore> = openOpfsStore,
  worked: () => void = () => {},
): ModelServiceApi {
  const cancellable = cancellableWith(worked);
  const copied = (folder: ModelFolder, port: MessagePort, which: { ignore?: readonly string[]; onnx?: string }) =>
    cancellable(port, async (signal, onProgress) => {
      const store = await openStore();
      const manifest = await resolveFolder(folder, {
        ...which,
        signal,
        onProgress: (doneBytes, totalBytes) =>
          onProgress({ phase: 'verify', doneBytes, totalBytes, bytesPerSecond: null, secondsLeft: null }),
      });
      await downloadModel(manifest, { store, transport: folderTransport(folder), signal, onProgress });
      return manifest.id;
    });
  return {
    async shelf() {
      const store = await openStore();
      return { models: await listStoredModels(store), storage: await store.estimate() };
    },

    async ask(repo, revision, login, ignore = []) {
      try {
        const { manifest, config } = await inspectHubModel(repo, revision, {
          ...login,
          attempts: ASK_ATTEMPTS,
          ignore,
        });
        // A browser without storage says so when the download is asked for.
        const store = await openStore().catch(() => null);
        const parts = store && (await storedParts(store, manifest));
        const storedBytes = parts?.bytes ?? 0;
        const complete = parts?.complete ?? false;
        return { offer: { manifest, config, bytes: totalBytes(manifest), storedBytes, complete } };
      } catch (error) {
        return { ...refused(error), needsToken: error instanceof ModelAccessError && error.problem !== 'disabled' };
      }
    },

    download: (manifest, login, port) =>
      cancellable(port, async (signal, onProgress) => {
        const store = await openStore();
        await downloadModel(manifest, { store, transport: hubTransport(login), signal, onProgress });
        return true;
      }).then((done) => done ?? false),

    copyFolder: (folder, port, ignore = []) => copied(folder, port, { ignore }),

    copyOnnx: (folder, onnx, port) => copied(folder, port, { onnx }),

    async remove(id) {
      await deleteStoredModel(await openStore(), id);
    },

    async config(id) {
      const files = await openStoredModel(await openStore(), id);
      return readConfig(files, { ignore: files.manifest.ignore ?? [] });
    },

    async check(id, ignore) {
      try {
        await readConfig(await openStoredModel(await openStore(), id), { ignore });
        return null;
      } catch (error) {
        return refused(error);
      }
    },

    async look(folder, ignore = []) {
      try {
        const files = await openFolder(folder, { ignore });
        const sizes = await Promise.all(files.paths.map((path) => files.size(path)));
        return { config: await readConfig(files, { ignore }), bytes: sizes.reduce((sum, size) => sum + size, 0) };
      } catch (error) {
        const found = refused(error);
        if (found.keys.length > 0) return found;
        throw error;
      }
    },
  };
}

/** An error in words, and the choice that it leaves. Errors lose what they know on their way between workers. */
function refused(error: unknown): Refused {
  const known = error instanceof UnsupportedModelError || error instanceof UnknownKeysError;
  return { problem: error instanceof Error ? error.message : String(error), keys: known ? error.keys : [] };
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
