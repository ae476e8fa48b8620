/** Model folders on disk, for the command line and the tests. Kept apart so that the browser never sees node:fs. */
import { createHash } from 'node:crypto';
import { access, open as openHandle, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from './errors';
import { byOpening, label, type FileSource, type OpenFile } from './source';

/** Files of a folder on disk; a missing or unreadable one is a FileError that names it. */
export function folderSource(dir: string): FileSource {
  const source = { name: dir };
  return {
    ...source,
    read: (path) => named(label(source, path), () => readFile(join(dir, path))),
    async exists(path) {
      return access(join(dir, path)).then(
        () => true,
        () => false,
      );
    },
    ...byOpening((path) => new DiskFile(join(dir, path), label(source, path))),
    createSha256() {
      const hash = createHash('sha256');
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
    },
  };
}

class DiskFile implements OpenFile {
  #handle: Promise<FileHandle> | null = null;

  constructor(
    private readonly path: string,
    private readonly file: string,
  ) {}

  size(): Promise<number> {
    return named(this.file, async () => (await (await this.#open()).stat()).size);
  }

  /** Fewer bytes when the file ends before. */
  read(from: number, to: number): Promise<Uint8Array> {
    return named(this.file, async () => {
      const handle = await this.#open();
      const bytes = new Uint8Array(to - from);
      let got = 0;
      while (got < bytes.length) {
        const { bytesRead } = await handle.read(bytes, got, bytes.length - got, from + got);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      return bytes.subarray(0, got);
    });
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    // When it could not be opened, whoever asked has heard so.
    await (await handle?.catch(() => null))?.close();
  }

  #open(): Promise<FileHandle> {
    return (this.#handle ??= openHandle(this.path));
  }
}

async function named<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new FileError(file, diskProblem(cause), { cause });
  }
}

/** What went wrong with a file or folder on disk, in words. */
export function diskProblem(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'is a folder, not a file';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a file stands where a folder should be';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full';
  if (code === 'EROFS') return 'the disk is read-only';
  return error instanceof Error ? error.message : String(error);
}
