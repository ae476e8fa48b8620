/**
 * Folders that were chosen in place, kept as handles across visits where the browser has such (Chromium): a later visit opens
 * them with one click instead of a search. The files stay where they are; the browser asks for permission again.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { FileError } from '../engine/errors';
import { LOST_CONNECTION } from './lostConnection';
import { ModelStorageFullError, ModelStorageUnavailableError } from './errors';
import { folderFromHandle, type ModelFolder } from './folder';

export interface KeptFolder {
  /** The model's folder: the handle's own, or one within. */
  name: string;
  handle: FileSystemDirectoryHandle;
  /** Keys of its config.json that the visitor chose to ignore; absent in folders of older versions. */
  ignore?: readonly string[];
}

/** Why a folder cannot be read, by the exception's name. */
const GONE: Readonly<Record<string, string>> = {
  NotFoundError: 'the folder is not where it was',
  InvalidStateError: 'the folder was changed while it was read',
  NotReadableError: 'the folder cannot be read; another program may hold it',
  NotAllowedError: 'reading the folder is not allowed any more',
};

/** Not of every browser, so missing from TypeScript's library. */
interface WithPermission {
  requestPermission?(descriptor: { mode: 'read' }): Promise<PermissionState>;
}

interface Schema extends DBSchema {
  folders: { key: string; value: KeptFolder };
}

/** Also where site data was cleared between opening the database and using it: its list of folders is gone. */
const LOST = new Set([...LOST_CONNECTION, 'NotFoundError']);

/** Every call opens the database anew; one whose connection breaks off is done once more. Each may be done twice without harm. */
async function withDatabase<T>(doing: string, work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  try {
    return await once(work).catch((error: unknown) => {
      if (!LOST.has(nameOf(error))) throw error;
      return once(work);
    });
  } catch (cause) {
    if (nameOf(cause) === 'QuotaExceededError') throw new ModelStorageFullError(null, null, { cause });
    // What is wrong with the folder's record itself.
    if (nameOf(cause) === 'DataCloneError' || nameOf(cause) === 'DataError') throw cause;
    throw new ModelStorageUnavailableError(
      `The browser's list of opened folders cannot be used (while ${doing}: ${String(cause)}). The folders are not touched: ` +
        'choose yours anew. If that list is to work again, reload the page or restart the browser.',
      { cause },
    );
  }
}

async function once<T>(work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  const db = await openDB<Schema>('polylogue-folders', 1, {
    upgrade: (fresh) => void fresh.createObjectStore('folders', { keyPath: 'name' }),
  });
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

function nameOf(error: unknown): string {
  return (error as { name?: string } | null)?.name ?? '';
}

/** Keeps a folder's handle, over one of the same name. @throws ModelStorageFullError, ModelStorageUnavailableError */
export async function keepFolder(folder: KeptFolder): Promise<void> {
  await withDatabase('keeping a folder', (db) => db.put('folders', folder));
}

/** All that are kept, by name. @throws ModelStorageFullError, ModelStorageUnavailableError */
export async function keptFolders(): Promise<KeptFolder[]> {
  return withDatabase('reading it', (db) => db.getAll('folders'));
}

/** Lets go of a handle; the folder is not touched. @throws ModelStorageFullError, ModelStorageUnavailableError */
export async function forgetFolder(name: string): Promise<void> {
  await withDatabase('forgetting a folder', (db) => db.delete('folders', name));
}

/**
 * Opens a kept folder again; the browser may ask the visitor, so call it on a click.
 *
 * @throws FileError when reading is not allowed or the folder is gone; UnsupportedModelError when its model is
 */
export async function reopenFolder({ name, handle }: KeptFolder): Promise<ModelFolder> {
  const permission = await (handle as WithPermission).requestPermission?.({ mode: 'read' }).catch((cause: unknown) => {
    throw new FileError(name, 'the browser has lost track of the folder. Choose it anew', { cause });
  });
  if (permission !== undefined && permission !== 'granted') {
    throw new FileError(name, 'reading the folder was not allowed. Open it again and allow it, or choose it anew');
  }
  try {
    return await folderFromHandle(handle);
  } catch (cause) {
    const why = GONE[nameOf(cause)];
    if (why === undefined) throw cause;
    throw new FileError(name, `${why}. Choose it anew`, { cause });
  }
}

/** The one directory that was dropped, as a handle to keep; null where there is none. Call it inside the drop event. */
export async function droppedDirectory(items: DataTransferItemList): Promise<FileSystemDirectoryHandle | null> {
  type Item = DataTransferItem & { getAsFileSystemHandle?(): Promise<FileSystemHandle | null> };
  // Asked of all at once: browsers empty the list after the event.
  const handles = await Promise.all(
    Array.from(items, (item: Item) => item.getAsFileSystemHandle?.().catch(() => null) ?? null),
  );
  const [only, second] = handles.filter((handle) => handle !== null);
  return only?.kind === 'directory' && !second ? (only as FileSystemDirectoryHandle) : null;
}
