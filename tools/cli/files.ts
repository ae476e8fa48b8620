/** Files of the command line. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileError } from '../../src/engine/errors';

/** What went wrong with a file, in words. */
export function problem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'is a folder, not a file';
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'is a file, not a folder';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}

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
      throw new FileError(place, `cannot be written (${problem(error)})`);
    }
  }
}

/** @throws FileError */
export async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new FileError(file, `cannot be written (${problem(error)})`);
  }
}

/** @throws FileError for a folder that holds something */
export function requireEmpty(dir: string): void {
  if (!existsSync(dir)) return;
  let found: string[];
  try {
    found = readdirSync(dir);
  } catch (error) {
    throw new FileError(dir, `cannot be used as a folder (${problem(error)})`);
  }
  if (found.length > 0) throw new FileError(dir, 'is not empty; give a new folder');
}
