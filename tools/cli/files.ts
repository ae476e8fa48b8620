/** Files of the command line. */
import { existsSync, readdirSync } from 'node:fs';
import { lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileError } from '../../src/engine/errors';
import { diskProblem, readRegular } from '../../src/engine/regularFile-node';

/** What went wrong with a file, in words. */
export { diskProblem as problem } from '../../src/engine/regularFile-node';

/** Paths below a folder: parts of letters, digits, hyphens, underscores and dots, none of them hidden or upwards. */
const SAFE_PATH = /^\w[\w.-]*(\/\w[\w.-]*)*$/;

/**
 * Writes files into a folder that is new or empty: what lay there before would be taken for a part of them.
 * @param files by their path below it, with slashes
 * @throws FileError
 */
export async function writeFolder(dir: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  requireEmpty(dir);
  for (const [path, content] of Object.entries(files)) {
    if (!SAFE_PATH.test(path)) throw new FileError(dir, `cannot hold a file named ${JSON.stringify(path)}`);
    const place = join(dir, path);
    try {
      await mkdir(dirname(place), { recursive: true });
      await writeFile(place, content);
    } catch (error) {
      throw new FileError(place, `cannot be written (${diskProblem(error)})`);
    }
  }
}

/** @throws FileError */
export async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new FileError(file, `cannot be written (${diskProblem(error)})`);
  }
}

/**
 * Writes a file beside its place and moves it there: an interruption leaves the file as it was before. What is no plain file, such as a
 * device or a link, is written to where it is.
 */
export async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const there = await lstat(file).catch(() => null);
  if (there && !there.isFile()) return writeFile(file, bytes);
  const beside = `${file}.part`;
  try {
    await writeFile(beside, bytes);
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    // A file may be writable in a folder that is not.
    if (there && (error as NodeJS.ErrnoException).code === 'EACCES') return writeFile(file, bytes);
    throw error;
  }
}

/**
 * Keeps the bytes of a line that a log ends in the middle of, in a file beside it.
 * @returns its path: FILE.cut, or the first of FILE.cut-2, FILE.cut-3 that is free or holds the same bytes
 * @throws FileError
 */
export async function keepCut(file: string, bytes: Uint8Array): Promise<string> {
  for (let count = 1; ; count++) {
    const place = count === 1 ? `${file}.cut` : `${file}.cut-${count}`;
    try {
      await writeFile(place, bytes, { flag: 'wx' });
      return place;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new FileError(
          place,
          `cannot be written (${diskProblem(error)}), and keeps the unfinished line of ${file}; copy the log to another folder`,
        );
    }
    if (Buffer.compare(bytes, await readRegular(place)) === 0) return place;
  }
}

/** @throws FileError for a folder that holds something */
export function requireEmpty(dir: string): void {
  if (!existsSync(dir)) return;
  let found: string[];
  try {
    found = readdirSync(dir);
  } catch (error) {
    throw new FileError(dir, `cannot be used as a folder (${diskProblem(error)})`);
  }
  if (found.length > 0) throw new FileError(dir, 'is not empty; give a new folder');
}
