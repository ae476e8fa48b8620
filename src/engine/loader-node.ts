/** Model folders on disk, for the command line and the tests. Kept apart so that the browser never sees node:fs. */
import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { named, openRegular, readAt, readRegular, type RegularFile } from './regularFile-node';
import { byOpening, label, type FileSource, type OpenFile } from './source';

/** Files of a folder on disk; a missing or unreadable one, or what is no regular file, is a FileError that names it. */
export function folderSource(dir: string): FileSource {
  const source = { name: dir };
  return {
    ...source,
    read: (path) => readRegular(join(dir, path), label(source, path)),
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
  #opened: Promise<RegularFile> | null = null;

  constructor(
    private readonly path: string,
    private readonly file: string,
  ) {}

  async size(): Promise<number> {
    return (await this.#open()).size;
  }

  /** Fewer bytes when the file ends before. */
  async read(from: number, to: number): Promise<Uint8Array> {
    const { handle } = await this.#open();
    return named(this.file, () => readAt(handle, from, to));
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    // When it could not be opened, whoever asked has heard so.
    await (await opened?.catch(() => null))?.handle.close();
  }

  #open(): Promise<RegularFile> {
    return (this.#opened ??= openRegular(this.path, this.file));
  }
}
