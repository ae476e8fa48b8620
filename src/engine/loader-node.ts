/** Model folders on disk, for the command line and the tests. Kept apart so that the browser never sees node:fs. */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from './errors';
import { label, type FileSource } from './loader';

/** Files of a folder on disk; a missing or unreadable one is a FileError that names it. */
export function folderSource(dir: string): FileSource {
  const source: FileSource = {
    name: dir,
    async read(path) {
      try {
        return await readFile(join(dir, path));
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        const problem = code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? String(cause)})`;
        throw new FileError(label(source, path), problem, { cause });
      }
    },
    async exists(path) {
      return access(join(dir, path)).then(
        () => true,
        () => false,
      );
    },
  };
  return source;
}
