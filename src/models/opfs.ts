/** Stored models in the browser's origin private file system. Works on the page and in workers. */
import { ModelBusyError, ModelStorageFullError, ModelStorageUnavailableError } from './errors';
import { exclusively, folderName, missing, modelOfFolder, type ChunkStore } from './store';

const ROOT = 'models';

/** In workers only, and older than createWritable in Safari; missing from TypeScript's library for pages. */
interface SyncAccess {
  createSyncAccessHandle?(): Promise<FileSystemSyncAccessHandle>;
}

/**
 * Opens the browser's model storage.
 *
 * @throws ModelStorageUnavailableError where there is none: a private window, an insecure address, an old browser;
 *   `MemoryChunkStore` then still serves for one visit
 */
export async function openOpfsStore(): Promise<OpfsChunkStore> {
  const storage = globalThis.navigator?.storage as StorageManager | undefined;
  if (typeof storage?.getDirectory !== 'function') {
    throw new ModelStorageUnavailableError(
      'This browser keeps no files for this page (it needs https or localhost). Models can be used for one visit only.',
    );
  }
  try {
    const root = await (await storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
    return new OpfsChunkStore(root, storage, globalThis.navigator.locks);
  } catch (cause) {
    throw new ModelStorageUnavailableError(
      'The browser refuses to keep files for this page, as some do in private windows. Models can be used for one visit only.',
      { cause },
    );
  }
}

export class OpfsChunkStore implements ChunkStore {
  private readonly busy = new Set<string>();

  /**
   * @param root directory that holds one directory per model
   * @param storage for `estimate`
   * @param locks keeps other tabs from working on the same model; without it only this context is kept from it
   */
  constructor(
    private readonly root: FileSystemDirectoryHandle,
    private readonly storage?: Pick<StorageManager, 'estimate'>,
    private readonly locks?: LockManager,
  ) {}

  async models(): Promise<string[]> {
    const names: string[] = [];
    for await (const [name, handle] of this.root.entries()) {
      const model = handle.kind === 'directory' ? modelOfFolder(name) : null;
      if (model !== null) names.push(model);
    }
    return names;
  }

  async list(model: string): Promise<{ name: string; size: number }[]> {
    const folder = await this.folder(model);
    if (!folder) return [];
    const files: { name: string; size: number }[] = [];
    try {
      for await (const [name, handle] of folder.entries()) {
        // Chromium keeps what is being written beside the file, under this ending, and may show it.
        if (handle.kind !== 'file' || name.endsWith('.crswap')) continue;
        const file = await (handle as FileSystemFileHandle).getFile().catch(ignoreMissing);
        if (file) files.push({ name, size: file.size });
      }
    } catch (error) {
      // Another tab deletes the model meanwhile: what it has left is what is there.
      ignoreMissing(error);
    }
    return files;
  }

  async write(model: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      const folder = await this.root.getDirectoryHandle(folderName(model), { create: true });
      const handle = await folder.getFileHandle(name, { create: true });
      await writeWhole(handle, bytes).catch(async (cause: unknown) => {
        // The entry was made empty before the content was written; nobody should meet it.
        await folder.removeEntry(name).catch(() => {});
        throw cause;
      });
    } catch (cause) {
      throw storageError(cause);
    }
  }

  async read(model: string, name: string, from = 0, to?: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const folder = await this.root.getDirectoryHandle(folderName(model));
      const file = await (await folder.getFileHandle(name)).getFile();
      return new Uint8Array(await file.slice(from, to ?? file.size).arrayBuffer());
    } catch (cause) {
      throw missing(model, name, { cause });
    }
  }

  async remove(model: string, name: string): Promise<void> {
    const folder = await this.folder(model);
    await folder?.removeEntry(name).catch(ignoreMissing);
  }

  async removeModel(model: string): Promise<void> {
    await this.root.removeEntry(folderName(model), { recursive: true }).catch((error: unknown) => {
      if ((error as { name?: string }).name === 'NoModificationAllowedError') throw new ModelBusyError(model);
      ignoreMissing(error);
    });
  }

  async estimate(): Promise<{ usedBytes: number; quotaBytes: number } | null> {
    const estimate = await this.storage?.estimate().catch(() => null);
    if (estimate?.usage === undefined || estimate.quota === undefined) return null;
    return { usedBytes: estimate.usage, quotaBytes: estimate.quota };
  }

  exclusive<T>(model: string, work: () => Promise<T>): Promise<T> {
    if (!this.locks) return exclusively(this.busy, model, work);
    return this.locks.request(`polylogue-model ${model}`, { ifAvailable: true }, (lock) => {
      if (lock === null) throw new ModelBusyError(model);
      return work();
    }) as Promise<T>;
  }

  private async folder(model: string): Promise<FileSystemDirectoryHandle | null> {
    try {
      return await this.root.getDirectoryHandle(folderName(model));
    } catch (error) {
      ignoreMissing(error);
      return null;
    }
  }
}

/**
 * createWritable commits on close, so the file appears whole or stays empty. Where only the synchronous handle is
 * offered, a file cut short is recognised by its length.
 */
async function writeWhole(handle: FileSystemFileHandle, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  if (typeof handle.createWritable === 'function') {
    const writable = await handle.createWritable();
    try {
      await writable.write(bytes);
    } catch (error) {
      await writable.abort().catch(() => {});
      throw error;
    }
    await writable.close();
    return;
  }
  const sync = await (handle as SyncAccess).createSyncAccessHandle?.();
  if (!sync) {
    throw new ModelStorageUnavailableError(
      'This browser can write stored files in workers only; load the model there.',
    );
  }
  try {
    sync.truncate(0);
    if (sync.write(bytes, { at: 0 }) !== bytes.length) throw new ModelStorageFullError(null, null);
    sync.flush();
  } finally {
    sync.close();
  }
}

function storageError(cause: unknown): unknown {
  if (cause instanceof ModelStorageFullError || cause instanceof ModelStorageUnavailableError) return cause;
  const { name } = cause as { name?: string };
  if (name === 'QuotaExceededError') return new ModelStorageFullError(null, null, { cause });
  return new ModelStorageUnavailableError(
    `The browser's storage of models refuses its work (${String(cause)}). Reload the page, and close its other tabs.`,
    { cause },
  );
}

function ignoreMissing(error: unknown): undefined {
  if ((error as { name?: string }).name !== 'NotFoundError') throw storageError(error);
}
