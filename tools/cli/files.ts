/** Files of the command line. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileError } from '../../src/engine/errors';
import { diskProblem } from '../../src/engine/loader-node';

/** What went wrong with a file, in words. */
export { diskProblem as problem } from '../../src/engine/loader-node';

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
