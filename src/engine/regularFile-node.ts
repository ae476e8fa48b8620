/**
 * Files on disk that a person named, opened in one way by all who read them. A pipe, a device or a file of /proc may never end and has no
 * size to go by, so only a regular file is read, and no further than its size. Kept apart so that the browser never sees node:fs.
 */
import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { FileError, IrregularFileError } from './errors';
import { checkLimit, DISK_LIMITS } from './limits';

/** A file that is open for reading. */
export interface RegularFile {
  handle: FileHandle;
  /** Bytes, when it was opened. */
  size: number;
}

/** Enough for files of /proc that give whole entries only. */
const PROBE_BYTES = 4096;

/**
 * Opens a regular file for reading; whoever asks closes its handle.
 * @param file its name, for messages
 * @throws IrregularFileError for a folder, a pipe, a socket, a device, and a file that has content and no size, as in /proc; FileError
 */
export async function openRegular(path: string, file = path): Promise<RegularFile> {
  return named(file, async () => {
    // Before it is opened: opening a pipe waits for its writer, and opening a device may set it to work.
    requireRegular(await stat(path), file);
    // What was put in its place meanwhile does not wait either.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      return { handle, size: await sizeOf(handle, file) };
    } catch (error) {
      await handle.close();
      throw error;
    }
  });
}

/**
 * All bytes of a regular file, as many as it had when it was opened.
 * @param file its name, for messages
 * @throws as `openRegular`, and FileError for a file that is too large to be read as a whole
 */
export async function readRegular(path: string, file = path): Promise<Uint8Array<ArrayBuffer>> {
  const { handle, size } = await openRegular(path, file);
  try {
    checkLimit(size, DISK_LIMITS.wholeFile, (problem) => new FileError(file, problem));
    return await named(file, () => readAt(handle, 0, size));
  } finally {
    await handle.close();
  }
}

/** Bytes in [from, to) of an open file; fewer when it ends before. */
export async function readAt(handle: FileHandle, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(to - from);
  let got = 0;
  while (got < bytes.length) {
    const { bytesRead } = await handle.read(bytes, got, bytes.length - got, from + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return bytes.subarray(0, got);
}

/** Passes errors on as a FileError that names the file. */
export async function named<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
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

function requireRegular(there: Stats, file: string): void {
  if (there.isFile()) return;
  if (there.isDirectory()) throw new IrregularFileError(file, 'is a folder, not a file; give a file in its place');
  const kind = there.isFIFO() ? 'a pipe' : there.isSocket() ? 'a socket' : 'a device';
  throw new IrregularFileError(file, `is ${kind}, not a regular file; ${COPY}`);
}

const COPY = 'write what it gives into a file, and give that file';

async function sizeOf(handle: FileHandle, file: string): Promise<number> {
  const there = await handle.stat();
  requireRegular(there, file);
  if (there.size > 0) return there.size;
  const { bytesRead } = await handle.read(new Uint8Array(PROBE_BYTES), 0, PROBE_BYTES, 0);
  if (bytesRead === 0) return 0;
  // It may have been empty until now.
  const { size } = await handle.stat();
  if (size === 0)
    throw new IrregularFileError(file, `has content and no size, so it is not a regular file of a disk; ${COPY}`);
  return size;
}
