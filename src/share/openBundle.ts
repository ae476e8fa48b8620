/** A bundle that comes in: the zip that a run left behind, or its log alone. */
import { unzipSync, type UnzipFileInfo } from 'fflate';
import { FileError } from '../engine/errors';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, parseAdapter } from '../engine/peft';
import type { ModelConfig } from '../engine/types';
import { LOG_FORMAT, type RunEvent, type RunStarted } from '../events';
import { digestOf } from '../log/digest';
import { LogReader } from '../log/read';
import type { RunConfig } from '../recipes/config';
import { checkConfig } from '../recipes/resolve';
import { secondModelOf } from '../recipes/secondModel';
import { adapterFolder, versionsOf, type AdapterName } from '../store/keep';
import { readableEvents } from '../store/readBack';
import type { StoredAdapter } from '../store/types';
import { textLines } from '../tasks/textLines';
import { cutEnd, type CutLine } from './cutLog';

/** Bounds of a zip that is opened. */
export const BUNDLE_LIMITS = {
  /** Bytes of all entries: adapters and log. */
  bytes: 2 ** 32,
  entries: 20_000,
  /** Characters of an entry's name. */
  name: 1_000,
} as const;

/** Bytes that a byte of a deflate stream can become at most (RFC 1951: 258 bytes for two bits, less the head of a block). */
const MOST_INFLATED = 1032;

const LOG_FILE = 'log.jsonl';

export interface Bundle {
  /** For messages. */
  file: string;
  /** Of the log that was read, as format 2. */
  events: RunEvent[];
  /** Full digest of the events as they were written, in whichever format. It is computed once, when it is first asked for. */
  digest: () => string;
  format: number;
  started: RunStarted;
  config: RunConfig;
  /** Other files of the zip, by name; none for a log alone. */
  files: Readonly<Record<string, Uint8Array>>;
  /** The last line of a log alone, where it was not written to its end: `events` end before it. */
  cut: CutLine | null;
}

/** What becomes of a log alone whose last line was not written to its end: it is refused, or read up to there. */
export type CutLogs = 'refused' | 'read';

/**
 * A zip is written as a whole, so a log in it that ends in the middle of a line is damaged.
 * @param file its name, for messages
 * @throws FileError for a file that is neither zip nor log, and for a damaged log; ConfigurationError for settings that this build refuses
 */
export function openBundle(file: string, bytes: Uint8Array, cutLogs: CutLogs = 'refused'): Bundle {
  const { cut, whole } = (isZip(bytes) ? null : cutEnd(bytes)) ?? { cut: null, whole: bytes };
  const files = isZip(bytes) ? unzipped(file, bytes) : { [LOG_FILE]: whole };
  const log = Object.hasOwn(files, LOG_FILE) ? files[LOG_FILE] : undefined;
  if (!log) throw new FileError(file, `holds no ${LOG_FILE}; give the zip that run --out wrote, or its ${LOG_FILE}`);
  const numbered = textLines(file, log).map((line, at) => ({ line, number: at + 1 }));
  const filled = numbered.filter(({ line }) => line !== '');
  const lines = filled.map(({ line }) => line);
  const reader = new LogReader();
  const { events, damage } = readableEvents(lines, reader);
  // Events are counted from 0, as the log's own messages do; lines as editors do.
  const place = `line ${filled[events.length]?.number ?? 1}${isZip(bytes) ? ` of ${LOG_FILE}` : ''}`;
  const advice = events.length === 0 ? `; give the zip that run --out wrote, or its ${LOG_FILE}` : '';
  if (damage !== null) throw new FileError(file, `${place}: ${damage}${advice}`);
  if (cut && cutLogs === 'refused')
    throw new FileError(file, `line ${cut.line} was not written to its end; run --resume goes on from the line before`);
  const [started] = events;
  if (started?.type !== 'run-started') throw new FileError(file, `holds no run${advice}`);
  const format = reader.format ?? 0;
  // Events of the present format are read as they were written.
  const written = format === LOG_FORMAT ? events : lines.map((line) => JSON.parse(line) as object);
  let digest: string | undefined;
  return {
    file,
    events,
    digest: () => (digest ??= digestOf(written)),
    format,
    started,
    config: checkConfig(started.config),
    files,
    cut,
  };
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b;
}

function unzipped(file: string, bytes: Uint8Array): Record<string, Uint8Array> {
  let total = 0;
  const names = new Set<string>();
  try {
    return unzipSync(bytes, {
      filter: (entry) => {
        const { name, originalSize } = entry;
        const problem = entryProblem(entry, bytes.length);
        if (problem !== null) throw new FileError(file, problem);
        if (names.has(name)) throw new FileError(file, `holds ${shown(name)} twice`);
        names.add(name);
        total += originalSize;
        if (names.size > BUNDLE_LIMITS.entries)
          throw new FileError(file, `holds more than ${BUNDLE_LIMITS.entries} files`);
        if (total > BUNDLE_LIMITS.bytes) throw new FileError(file, `holds more than ${BUNDLE_LIMITS.bytes} bytes`);
        // Folders have no content.
        return !name.endsWith('/');
      },
    });
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(
      file,
      `is not a zip that can be read (${error instanceof Error ? error.message : String(error)}); copy it again if it was cut on its way`,
    );
  }
}

/** Separators of other systems, drives, and characters that no name has. */
// eslint-disable-next-line no-control-regex -- these are what is refused
const UNUSUAL = /[\\:\u0000-\u001f]/;

/** What is wrong with an entry before anything of it is unpacked; null = nothing. @param packed bytes of the whole zip */
function entryProblem({ name, size, originalSize, compression }: UnzipFileInfo, packed: number): string | null {
  if (name.length > BUNDLE_LIMITS.name) return `holds a file with a name of ${name.length} characters`;
  const parts = name.replace(/\/$/, '').split('/');
  const upwards = parts.some((part) => ['', '.', '..', '__proto__'].includes(part));
  if (upwards || UNUSUAL.test(name)) return `holds a file called ${shown(name)}, and such a name leads out of a folder`;
  const most = compression === 0 ? size : size * MOST_INFLATED;
  if (size > packed || originalSize > most || (compression === 0 && originalSize !== size))
    return `says that ${shown(name)} has ${originalSize} bytes, which its ${size} packed bytes cannot hold`;
  return null;
}

/** A name from outside, for messages. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}

/**
 * The adapters that a bundle holds.
 * @param model they have to fit it; null: it is not at hand, and they are read for themselves
 * @param needed called with the folder of each that it announces and does not hold
 * @throws AdapterError and SafetensorsError for one that does not fit the model
 */
export function adaptersIn(
  { file, config: settings, events, files }: Pick<Bundle, 'file' | 'config' | 'events' | 'files'>,
  model: ModelConfig | null,
  missing: (version: AdapterName, folder: string) => void = () => {},
): StoredAdapter[] {
  const versions = versionsOf(events);
  // Those of a second model are checked when its engine takes them.
  const ofSecond = new Set(secondModelOf(settings)?.adapters);
  return versions.flatMap((version): StoredAdapter[] => {
    const folder = adapterFolder(version, versions);
    const config = files[`${folder}/${ADAPTER_CONFIG_FILE}`];
    const weights = files[`${folder}/${ADAPTER_WEIGHTS_FILE}`];
    const own = ofSecond.has(version.name) ? null : model;
    if (config && weights) return [{ ...version, weights: parseAdapter(config, weights, own, `${file}/${folder}`) }];
    missing(version, folder);
    return [];
  });
}
