/** Handles of folders that are kept for later visits. */
import 'fake-indexeddb/auto';
import { expect, it } from 'vitest';
import { FileError } from '../../src/engine/errors';
import { UnsupportedModelError } from '../../src/models/errors';
import { droppedDirectory, forgetFolder, keepFolder, keptFolders, reopenFolder } from '../../src/models/keptFolders';

type Handle = FileSystemDirectoryHandle;
/** Handles can be stored in IndexedDB; of these, what can be is their data. */
const stored = (name: string, more = 0) => ({ kind: 'directory', name, more }) as unknown as Handle;

/** A directory with these files, and what the visitor says when asked. */
function directory(files: string[], permission?: PermissionState | Error): Handle {
  return {
    kind: 'directory',
    name: 'root',
    async *entries() {
      for (const name of files) yield [name, { kind: 'file', getFile: async () => new File(['x'], name) }];
      if (permission instanceof Error) throw permission;
    },
    ...(typeof permission === 'string' ? { requestPermission: async () => permission } : {}),
  } as unknown as Handle;
}

it('keeps handles by name, over those of the same name, until they are forgotten', async () => {
  expect(await keptFolders()).toEqual([]);
  await keepFolder({ name: 'b', handle: stored('b') });
  await keepFolder({ name: 'a', handle: stored('a') });
  await keepFolder({ name: 'b', handle: stored('b', 1) });
  expect(await keptFolders()).toEqual([
    { name: 'a', handle: stored('a') },
    { name: 'b', handle: stored('b', 1) },
  ]);
  await forgetFolder('a');
  await forgetFolder('never there');
  expect((await keptFolders()).map(({ name }) => name)).toEqual(['b']);
});

it('opens a folder again when it may, and says why not', async () => {
  const open = (handle: Handle) => reopenFolder({ name: 'mine', handle });
  expect([...(await open(directory(['config.json', 'x'], 'granted'))).files.keys()]).toEqual(['config.json', 'x']);
  // Where permissions are not asked for.
  expect((await open(directory(['config.json']))).name).toBe('root');
  for (const answer of ['denied', 'prompt'] as const) {
    await expect(open(directory(['config.json'], answer))).rejects.toThrow(/mine: reading the folder was not allowed/);
  }
  const gone = open(directory([], new DOMException('', 'NotFoundError')));
  await expect(gone).rejects.toThrow(FileError);
  await expect(gone).rejects.toThrow(/mine: the folder is not where it was/);
  await expect(open(directory(['notes.txt'], 'granted'))).rejects.toThrow(UnsupportedModelError);
});

it('keeps a dropped folder, and nothing of files or of a browser without handles', async () => {
  const drop = (...items: object[]) => droppedDirectory(items as unknown as DataTransferItemList);
  const item = (kind: string) => ({ getAsFileSystemHandle: async () => ({ kind, name: kind }) });
  expect(await drop(item('directory'))).toMatchObject({ kind: 'directory' });
  expect(await drop(item('directory'), { getAsFileSystemHandle: async () => null })).not.toBeNull();
  expect(await drop(item('file'))).toBeNull();
  expect(await drop(item('directory'), item('directory'))).toBeNull();
  expect(await drop({})).toBeNull();
  expect(await drop({ getAsFileSystemHandle: () => Promise.reject(new Error('no')) })).toBeNull();
});
