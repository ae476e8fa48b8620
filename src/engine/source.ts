/** Where files of models and adapters come from, and how they are read in parts. */
import { ConfigError, FileError } from './errors';
import { readJson } from './json';

/** A model's (or an adapter's) files: a folder, a web address, a browser's storage. All methods throw FileError. */
export interface FileSource {
  /** Put before file names in messages. */
  name: string;
  /** Whole contents of a file. */
  read(path: string): Promise<Uint8Array>;
  /** Without it, `read` alone decides, and sharded models are not looked for. */
  exists?(path: string): Promise<boolean>;
  /** Every question goes over the network: what need not be known is not asked. */
  remote?: true;
  /** Bytes of a file. */
  size?(path: string): Promise<number>;
  /** Bytes in [from, to) of a file. With `size` it is what reading in parts needs. */
  readRange?(path: string, from: number, to: number): Promise<Uint8Array>;
  /** Reading in parts where something is held meanwhile (a handle, a connection); preferred over `readRange`. */
  open?(path: string): OpenFile;
  /** SHA-256 (hex) of a file whose content was checked against it before, so that nobody need hash it again. */
  sha256?(path: string): Promise<string | null>;
  /** A faster SHA-256 than the portable one. */
  createSha256?(): Sha256;
}

/** A file being read in parts. Nothing is opened before the first call, and reading may go on after `close`. */
export interface OpenFile {
  /** Bytes. */
  size(): Promise<number>;
  /** Bytes in [from, to), all of them; `to` is at most the size. Ascending ranges may be much cheaper than others. */
  read(from: number, to: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Lets go of what is held. */
  close(): Promise<void>;
}

/** A hash that takes its input in pieces, in order. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** Hex; ends the hash. */
  digest(): string;
}

/** A source's file for reading in parts, whatever the source can do; at worst it reads all of it. */
export function openFile(source: FileSource, path: string): OpenFile {
  if (source.open) return source.open(path);
  const { size, readRange } = source;
  if (size && readRange) {
    return {
      size: () => size.call(source, path),
      read: (from, to) => readRange.call(source, path, from, to),
      close: async () => {},
    };
  }
  let whole: Promise<Uint8Array> | null = null;
  const content = () => (whole ??= source.read(path));
  return {
    size: async () => (await content()).length,
    read: async (from, to) => (await content()).subarray(from, to),
    async close() {
      whole = null;
    },
  };
}

/** `size` and `readRange` of a source by its `open`. */
export function byOpening(open: (path: string) => OpenFile): Required<Pick<FileSource, 'open' | 'size' | 'readRange'>> {
  const use = async <T>(path: string, work: (file: OpenFile) => Promise<T>): Promise<T> => {
    const file = open(path);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  };
  return {
    open,
    size: (path) => use(path, (file) => file.size()),
    readRange: (path, from, to) => use(path, (file) => file.read(from, to)),
  };
}

/** Parses UTF-8 JSON of any size. @throws ConfigError naming the file and, where it can, the place */
export function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    // The careful reader finds the place.
    const { nonFinite } = readJson(bytes, file);
    const at = nonFinite[0]
      ? `: line ${nonFinite[0].line}: ${nonFinite[0].text.slice(0, 40)} is not a finite number`
      : '';
    throw new ConfigError(file, `is not JSON${at}`, { cause });
  }
}

/** The file's name as messages show it. */
export function label(source: Pick<FileSource, 'name'>, path: string): string {
  return source.name === '' ? path : `${source.name.replace(/\/+$/, '')}/${path}`;
}

/** What to throw when fewer bytes come than there must be. */
export function truncated(file: string, got: number, wanted: number): FileError {
  return new FileError(file, `is truncated: ${got} of ${wanted} bytes came; load the file again`);
}
