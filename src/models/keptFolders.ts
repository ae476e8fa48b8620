/**
 * Folders that were chosen in place, kept as handles across visits where the browser has such (Chromium): a later visit opens
 * them with one click instead of a search. The files stay where they are; the browser asks for permission again.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { FileError } from '../engine/errors';
import { folderFromHandle, type ModelFolder } from './folder';

export interface KeptFolder {
  /** The model's folder: the handle's own, or one within. */
  name: string;
  handle: FileSystemDirectoryHandle;
  /** Keys of its config.json that the visitor chose to ignore; absent in folders of older versions. */
  ignore?: readonly string[];
}

/** Not of every browser, so missing from TypeScript's library. */
interface WithPermission {
  requestPermission?(descriptor: { mode: 'read' }): Promise<PermissionState>;
}

interface Schema extends DBSchema {
  folders: { key: string; value: KeptFolder };
}

async function withDatabase<T>(work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  const db = await openDB<Schema>('polylogue-folders', 1, {
    upgrade: (fresh) => void fresh.createObjectStore('folders', { keyPath: 'name' }),
  });
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

/** Keeps a folder's handle, over one of the same name. @throws what the browser's database throws */
export async function keepFolder(folder: KeptFolder): Promise<void> {
  await withDatabase((db) => db.put('folders', folder));
}

/** All that are kept, by name. @throws what the browser's database throws */
export async function keptFolders(): Promise<KeptFolder[]> {
  return withDatabase((db) => db.getAll('folders'));
}

/** Lets go of a handle; the folder is not touched. @throws what the browser's database throws */
export async function forgetFolder(name: string): Promise<void> {
  await withDatabase((db) => db.delete('folders', name));
}

/**
 * Opens a kept folder again; the browser may ask the visitor, so call it on a click.
 *
 * @throws FileError when reading is not allowed or the folder is gone; UnsupportedModelError when its model is
 */
export async function reopenFolder({ name, handle }: KeptFolder): Promise<ModelFolder> {
  const permission = await (handle as WithPermission).requestPermission?.({ mode: 'read' });
  if (permission !== undefined && permission !== 'granted') {
    throw new FileError(name, 'reading the folder was not allowed. Open it again and allow it, or choose it anew');
  }
  try {
    return await folderFromHandle(handle);
  } catch (cause) {
    if ((cause as { name?: string }).name !== 'NotFoundError') throw cause;
    throw new FileError(name, 'the folder is not where it was. Choose it anew', { cause });
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
