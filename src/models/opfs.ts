/** Stored models in the browser's origin private file system. Works on the page and in workers. */
import { PolylogueError } from '../engine/errors';
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
  const open = async () => (await storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
  try {
    return new OpfsChunkStore(await open(), storage, globalThis.navigator.locks, open);
  } catch (cause) {
    throw new ModelStorageUnavailableError(
      'The browser refuses to keep files for this page, as some do in private windows. Models can be used for one visit only.',
      { cause },
    );
  }
}

/**
 * Names of exceptions that may pass when the directory is opened again: the site's data was cleared under a handle, or another
 * tab holds the file for a moment.
 */
const PASSING = new Set([
  'InvalidStateError',
  'NotFoundError',
  'UnknownError',
  'AbortError',
  'NoModificationAllowedError',
]);
/** Milliseconds before the second try. */
const WAIT = 30;

export class OpfsChunkStore implements ChunkStore {
  private readonly busy = new Set<string>();

  /**
   * @param root directory that holds one directory per model
   * @param storage for `estimate`
   * @param locks keeps other tabs from working on the same model; without it only this context is kept from it
   * @param reopen gives the directory anew: a handle is of no use once the visitor has cleared the site's data
   */
  constructor(
    private root: FileSystemDirectoryHandle,
    private readonly storage?: Pick<StorageManager, 'estimate'>,
    private readonly locks?: LockManager,
    private readonly reopen?: () => Promise<FileSystemDirectoryHandle>,
  ) {}

  async models(): Promise<string[]> {
    try {
      return await this.twice(async (root) => {
        const names: string[] = [];
        for await (const [name, handle] of root.entries()) {
          const model = handle.kind === 'directory' ? modelOfFolder(name) : null;
          if (model !== null) names.push(model);
        }
        return names;
      });
    } catch (error) {
      throw storageError(error);
    }
  }

  async list(model: string): Promise<{ name: string; size: number }[]> {
    const folder = await this.folder(model);
    if (!folder) return [];
    const files: { name: string; size: number }[] = [];
    try {
      for await (const [name, handle] of folder.entries()) {
        // Chromium keeps what is being written beside the file, under this ending, and may show it.
        if (handle.kind !== 'file' || name.endsWith('.crswap')) continue;
        const file = await (handle as FileSystemFileHandle).getFile().catch((error: unknown) => ignoreMissing(error));
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
      await this.twice(async (root) => {
        const folder = await root.getDirectoryHandle(folderName(model), { create: true });
        const handle = await folder.getFileHandle(name, { create: true });
        await writeWhole(handle, bytes).catch(async (cause: unknown) => {
          // The entry was made empty before the content was written; nobody should meet it.
          await folder.removeEntry(name).catch(() => {});
          throw cause;
        });
      });
    } catch (cause) {
      throw storageError(cause, model);
    }
  }

  async read(model: string, name: string, from = 0, to?: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await this.twice(async (root) => {
        const folder = await root.getDirectoryHandle(folderName(model));
        const file = await (await folder.getFileHandle(name)).getFile();
        return new Uint8Array(await file.slice(from, to ?? file.size).arrayBuffer());
      });
    } catch (cause) {
      throw nameOf(cause) === 'NotFoundError' ? missing(model, name, { cause }) : storageError(cause, model);
    }
  }

  async remove(model: string, name: string): Promise<void> {
    const gone = async (root: FileSystemDirectoryHandle) =>
      (await root.getDirectoryHandle(folderName(model))).removeEntry(name);
    await this.twice(gone).catch((error: unknown) => ignoreMissing(error, model));
  }

  async removeModel(model: string): Promise<void> {
    const gone = (root: FileSystemDirectoryHandle) => root.removeEntry(folderName(model), { recursive: true });
    await this.twice(gone).catch((error: unknown) => ignoreMissing(error, model));
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
      return await this.twice((root) => root.getDirectoryHandle(folderName(model)));
    } catch (error) {
      ignoreMissing(error, model);
      return null;
    }
  }

  /** Does work that may be done twice; a second time on a directory that is opened anew, where that may help. */
  private async twice<T>(work: (root: FileSystemDirectoryHandle) => Promise<T>): Promise<T> {
    try {
      return await work(this.root);
    } catch (error) {
      if (!PASSING.has(nameOf(error))) throw error;
      if (nameOf(error) === 'NoModificationAllowedError') await new Promise((resolve) => setTimeout(resolve, WAIT));
      else if (this.reopen) this.root = await this.reopen();
      return work(this.root);
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

/** What the browser threw, in words. @param model where one alone is concerned */
function storageError(cause: unknown, model?: string): unknown {
  if (cause instanceof PolylogueError) return cause;
  const name = nameOf(cause);
  if (name === 'NoModificationAllowedError' && model !== undefined) return new ModelBusyError(model);
  if (name === 'QuotaExceededError') return new ModelStorageFullError(null, null, { cause });
  return new ModelStorageUnavailableError(
    `The browser's storage of models refuses its work (${String(cause)}). Reload the page, and close its other tabs.`,
    { cause },
  );
}

function ignoreMissing(error: unknown, model?: string): undefined {
  if (nameOf(error) !== 'NotFoundError') throw storageError(error, model);
}

function nameOf(error: unknown): string {
  return (error as { name?: string } | null)?.name ?? '';
}
