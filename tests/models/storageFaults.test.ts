/** Faults of the browser's storage of models: handles that went stale, files that are held, no room. */
import 'fake-indexeddb/auto';
import { forceCloseDatabase, IDBDatabase, IDBFactory } from 'fake-indexeddb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  ModelBusyError,
  ModelStorageFullError,
  ModelStorageUnavailableError,
  StoredModelError,
} from '../../src/models/errors';
import { forgetFolder, keepFolder, keptFolders, reopenFolder } from '../../src/models/keptFolders';
import { OpfsChunkStore } from '../../src/models/opfs';

type Handle = FileSystemDirectoryHandle;

/** A directory in memory of which calls fail with these exceptions, one each. */
function directory(files: Map<string, Uint8Array<ArrayBuffer>>, faults: string[] = []): Handle {
  const fail = () => {
    const name = faults.shift();
    if (name !== undefined) throw new DOMException('', name);
  };
  const file = (name: string) => ({
    kind: 'file',
    getFile: async () => new File([files.get(name)!], name),
    createWritable: async () => ({
      write: async (bytes: Uint8Array<ArrayBuffer>) => {
        fail();
        files.set(name, bytes);
      },
      abort: async () => {},
      close: async () => {},
    }),
  });
  const folder = {
    kind: 'directory',
    getFileHandle: async (name: string, { create = false } = {}) => {
      if (!create && !files.has(name)) throw new DOMException('', 'NotFoundError');
      return file(name);
    },
    removeEntry: async (name: string) => {
      if (!files.delete(name)) throw new DOMException('', 'NotFoundError');
    },
    async *entries() {
      for (const name of files.keys()) yield [name, file(name)];
    },
  };
  return {
    getDirectoryHandle: async () => {
      fail();
      return folder;
    },
    removeEntry: async () => fail(),
    async *entries() {
      fail();
      yield* [];
    },
  } as unknown as Handle;
}

const bytes = Uint8Array.of(1, 2, 3);

describe('the store of models', () => {
  const work: [string, (store: OpfsChunkStore) => Promise<unknown>][] = [
    ['models', (store) => store.models()],
    ['list', (store) => store.list('m@1')],
    ['write', (store) => store.write('m@1', 'b', bytes)],
    ['read', (store) => store.read('m@1', 'a')],
    ['remove', (store) => store.remove('m@1', 'a')],
    ['removeModel', (store) => store.removeModel('m@1')],
  ];

  it.each(work)('%s opens the directory again where its handle went stale', async (_name, call) => {
    for (const fault of ['InvalidStateError', 'NotFoundError', 'UnknownError']) {
      const files = new Map([['a', bytes]]);
      let opened = 0;
      const reopen = async () => {
        opened++;
        return directory(files);
      };
      await call(new OpfsChunkStore(directory(files, [fault]), undefined, undefined, reopen));
      expect(opened).toBe(1);
    }
  });

  it.each(work)('%s says what to do where the fault stays', async (name, call) => {
    const store = (fault: string) => {
      const broken = directory(new Map([['a', bytes]]), Array<string>(9).fill(fault));
      return new OpfsChunkStore(broken, undefined, undefined, async () => broken);
    };
    await expect(call(store('InvalidStateError'))).rejects.toThrow(ModelStorageUnavailableError);
    await expect(call(store('InvalidStateError'))).rejects.toThrow(/Reload the page/);
    await expect(call(store('QuotaExceededError'))).rejects.toThrow(ModelStorageFullError);
    if (name !== 'models') await expect(call(store('NoModificationAllowedError'))).rejects.toThrow(ModelBusyError);
  });

  it('tries a file once more that another tab held for a moment', async () => {
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    await new OpfsChunkStore(directory(files, ['NoModificationAllowedError'])).write('m@1', 'a', bytes);
    expect(files.get('a')).toEqual(bytes);
  });

  it('calls missing only what is not there', async () => {
    await expect(new OpfsChunkStore(directory(new Map())).read('m@1', 'a')).rejects.toThrow(StoredModelError);
    const held = new OpfsChunkStore(directory(new Map([['a', bytes]]), ['NotReadableError']));
    await expect(held.read('m@1', 'a')).rejects.toThrow(ModelStorageUnavailableError);
  });
});

describe('the list of opened folders', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const folder = { name: 'a', handle: { name: 'a' } as unknown as Handle };

  it('is opened again where its connection is lost at work, and says what to do where it stays lost', async () => {
    const { transaction } = IDBDatabase.prototype;
    let faults = 1;
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
      // As a browser does when the visitor clears the site's data.
      if (args[1] !== 'versionchange' && faults-- > 0) {
        forceCloseDatabase(this as never);
        globalThis.indexedDB = new IDBFactory();
      }
      return transaction.apply(this, args);
    });
    for (const call of [() => keepFolder(folder), () => keptFolders(), () => forgetFolder('a')]) {
      faults = 1;
      await call();
      faults = 99;
      await expect(call()).rejects.toThrow(ModelStorageUnavailableError);
      await expect(call()).rejects.toThrow(/folders are not touched: choose yours anew/);
    }
  });

  it('says of a full disk and a browser without a database what they are', async () => {
    const { transaction } = IDBDatabase.prototype;
    globalThis.indexedDB = new IDBFactory();
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
      if (args[1] === 'versionchange') return transaction.apply(this, args);
      throw new DOMException('', 'QuotaExceededError');
    });
    await expect(keepFolder(folder)).rejects.toThrow(ModelStorageFullError);
    vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(() => {
      throw new DOMException('denied', 'SecurityError');
    });
    await expect(keptFolders()).rejects.toThrow(ModelStorageUnavailableError);
  });

  it.each(['InvalidStateError', 'NotReadableError', 'NotAllowedError', 'NotFoundError'])(
    'asks to choose a folder anew that cannot be read (%s)',
    async (name) => {
      const handle = {
        kind: 'directory',
        name: 'a',
        // eslint-disable-next-line require-yield
        async *entries() {
          throw new DOMException('', name);
        },
      } as unknown as Handle;
      await expect(reopenFolder({ name: 'mine', handle })).rejects.toThrow(/^mine: .*Choose it anew$/);
    },
  );
});
