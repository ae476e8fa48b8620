/**
 * Recorded runs: logs that come with the site, so that a visitor watches a run before anything is computed. A file is a log in JSON lines,
 * deflated, without log-probabilities and margins; its index says which runs there are and what their digests are.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { deflateSync } from 'fflate';
import * as v from 'valibot';
import { FileError } from '../engine/errors';
import type { RunEvent, RunStarted } from '../events';
import { digestOf, discreteDigestOf } from '../log/digest';
import { readableEvents } from '../store/readBack';
import type { RunRecord } from '../store/types';
import { inflateBounded } from './inflate';
import { RECORDED_FOLDER, RECORDED_INDEX, recordedFile, recordedId } from './recordedNames';

/** Bytes of all recorded runs together, as they are loaded. */
export const RECORDED_BUDGET = 3_000_000;

/** Bytes of one log, inflated. */
const LOG_LIMIT = 64 * 2 ** 20;

const name = v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/));
const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 31));

const ENTRY = v.strictObject({
  /** Recipe and preset, and the variant where it is one: "star-arithmetic-tiny". Its file is this with `.run`. */
  name,
  /** For people. */
  title: v.pipe(v.string(), v.maxLength(200)),
  recipe: name,
  preset: name,
  /** Id of the question that it answers, with other settings than the preset's. */
  variant: v.optional(name),
  seed: count,
  /** Of the file. */
  bytes: count,
  sha256: hex,
  events: count,
  /** Full digest of the log as it is shipped. */
  digest: hex,
  /** Full digest of the log as the run wrote it: another run on the exact engine has the same. */
  runDigest: hex,
  /** Of tokens, votes and data. */
  discreteDigest: hex,
});

const INDEX = v.strictObject({ format: v.literal(1), runs: v.pipe(v.array(ENTRY), v.maxLength(500)) });

export type RecordedEntry = v.InferOutput<typeof ENTRY>;
export type RecordedIndex = v.InferOutput<typeof INDEX>;

/** Name of a recorded run. */
export function recordedName({
  recipe,
  preset,
  variant,
}: Pick<RecordedEntry, 'recipe' | 'preset' | 'variant'>): string {
  return [recipe, preset, ...(variant === undefined ? [] : [variant])].join('-');
}

/** The list of recorded runs. @throws FileError */
export function readRecordedIndex(text: string): RecordedIndex {
  const file = `${RECORDED_FOLDER}/${RECORDED_INDEX}`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FileError(file, 'is not JSON');
  }
  const read = v.safeParse(INDEX, value);
  if (!read.success)
    throw new FileError(
      file,
      `is no list of recorded runs: ${v.getDotPath(read.issues[0]) ?? ''} ${read.issues[0].message}`,
    );
  return read.output;
}

/** A log without the numbers by token that views can do without. What the digest over decisions covers stays. */
export function withoutNumbers(events: readonly RunEvent[]): RunEvent[] {
  return events.map((event) =>
    event.type === 'episode'
      ? { ...event, turns: event.turns.map(({ logprobs: _, margins: __, ...turn }) => turn) }
      : event,
  );
}

/**
 * A recorded run's file and what the list says of it.
 * @param events of a finished run, as it wrote them
 * @param variant where its settings are not those of the preset
 * @throws FileError for a log that is no finished run
 */
export function recorded(
  events: readonly RunEvent[],
  title: string,
  variant?: string,
): { entry: RecordedEntry; file: Uint8Array } {
  const [started] = events;
  if (started?.type !== 'run-started' || events.at(-1)?.type !== 'run-finished')
    throw new FileError(title, 'is no finished run');
  const { recipe, preset, seed } = started.config;
  const kept = withoutNumbers(events);
  const file = deflateSync(utf8ToBytes(kept.map((event) => JSON.stringify(event)).join('\n')), { level: 9 });
  const entry: RecordedEntry = {
    name: recordedName({ recipe, preset, variant }),
    title,
    recipe,
    preset,
    ...(variant !== undefined && { variant }),
    seed,
    bytes: file.length,
    sha256: bytesToHex(sha256(file)),
    events: kept.length,
    digest: digestOf(kept),
    runDigest: digestOf(events),
    discreteDigest: discreteDigestOf(events),
  };
  return { entry, file };
}

/** The lines of a recorded run's log. @throws FileError for a file that is another than the list says */
export function recordedLines(entry: RecordedEntry, file: Uint8Array): string[] {
  const at = `${RECORDED_FOLDER}/${recordedFile(entry)}`;
  if (bytesToHex(sha256(file)) !== entry.sha256)
    throw new FileError(at, 'is another file than the site lists. Reload the page');
  const log = inflateBounded(file, LOG_LIMIT);
  if (!log) throw new FileError(at, 'cannot be unpacked');
  return new TextDecoder().decode(log).split('\n');
}

/** What the page shows of a recorded run beside its log. @throws FileError for a log that does not begin with a run */
export function recordedRecord(entry: RecordedEntry, lines: readonly string[]): RunRecord {
  const { events, damage } = readableEvents(lines.slice(0, 1));
  const started = events[0] as RunStarted | undefined;
  if (!started) throw new FileError(recordedFile(entry), damage ?? 'is empty');
  return {
    schema: 1,
    id: recordedId(entry),
    name: entry.title,
    created: 0,
    updated: 0,
    config: started.config,
    status: 'finished',
    error: null,
    progress: 1,
    events: entry.events,
    digest: entry.runDigest,
    engine: started.engine,
  };
}
