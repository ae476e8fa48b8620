/** An interrupted run from a file: the zip that `run --out` wrote, or the log alone. */
import { unzipSync } from 'fflate';
import { FileError } from '../../src/engine/errors';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, parseAdapter } from '../../src/engine/peft';
import type { RunEvent } from '../../src/events';
import { digestOf, LogDigest } from '../../src/log/digest';
import { LogReader } from '../../src/log/read';
import { checkConfig } from '../../src/recipes/resolve';
import type { RunConfig } from '../../src/recipes/config';
import { adapterFolder, versionsOf, type AdapterName } from '../../src/store/keep';
import { readableEvents } from '../../src/store/readBack';
import { textLines } from '../../src/tasks/textLines';
import type { ModelConfig } from '../../src/engine/types';
import type { Checkpoint, RunRecord, StoredAdapter, WholeRun } from '../../src/store/types';

/** Bytes that a zip may hold when it is opened: 4 GiB of adapters and log. */
const MOST_BYTES = 2 ** 32;

export interface StoredLog {
  /** For messages. */
  file: string;
  config: RunConfig;
  events: RunEvent[];
  /**
   * The stored run under the record of a new one.
   * @throws FileError where an adapter is missing from which the run would go on, and what reading one throws
   */
  whole(record: RunRecord, model: ModelConfig): WholeRun;
}

/**
 * @param file its name, for messages
 * @throws FileError for a file that is neither, a damaged log, one that is finished, one of an older format
 */
export function openStored(file: string, bytes: Uint8Array): StoredLog {
  const files = isZip(bytes) ? unzipped(file, bytes) : { 'log.jsonl': bytes };
  const log = files['log.jsonl'];
  if (!log) throw new FileError(file, 'holds no log.jsonl; give the zip that run --out wrote, or its log.jsonl');
  const lines = textLines(file, log).filter((line) => line !== '');
  const reader = new LogReader();
  const { events, damage } = readableEvents(lines, reader);
  if (damage !== null) throw new FileError(file, `${damage}; lines are counted from 0`);
  const [first] = events;
  if (first?.type !== 'run-started') throw new FileError(file, 'holds no run');
  if (reader.format === 1)
    throw new FileError(
      file,
      'was written in log format 1, which can be read and not continued; start a new run with its settings',
    );
  if (events.at(-1)?.type === 'run-finished') throw new FileError(file, 'holds a finished run: nothing is left to do');
  const config = checkConfig(first.config);
  return {
    file,
    config,
    events,
    whole: (record, model) => wholeRun(record, events, adaptersOf(file, files, events, model)),
  };
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b;
}

function unzipped(file: string, bytes: Uint8Array): Record<string, Uint8Array> {
  let total = 0;
  try {
    return unzipSync(bytes, {
      filter: ({ originalSize }) => {
        total += originalSize;
        if (total > MOST_BYTES) throw new FileError(file, `holds more than ${MOST_BYTES} bytes`);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(
      file,
      `is not a zip that can be read (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

/** All adapters that the file holds. @throws FileError where one is missing from which the run would go on */
function adaptersOf(
  file: string,
  files: Record<string, Uint8Array>,
  events: readonly RunEvent[],
  model: ModelConfig,
): StoredAdapter[] {
  const versions = versionsOf(events);
  const needed = new Set(neededVersions(events).map(nameOf));
  return versions.flatMap((version): StoredAdapter[] => {
    const folder = adapterFolder(version, versions);
    const config = files[`${folder}/${ADAPTER_CONFIG_FILE}`];
    const weights = files[`${folder}/${ADAPTER_WEIGHTS_FILE}`];
    if (config && weights) return [{ ...version, weights: parseAdapter(config, weights, model, `${file}/${folder}`) }];
    if (!needed.has(nameOf(version))) return [];
    throw new FileError(file, `holds no ${folder}, from which the run would go on; give the zip that run --out wrote`);
  });
}

/** Each adapter as the last whole job left it: a job that was interrupted is trained anew, from before it. */
function neededVersions(events: readonly RunEvent[]): AdapterName[] {
  const versions = versionsOf(events);
  const done = new Set(versions.map(({ job, name }) => `${job} ${name}`));
  const open = new Set(
    events.flatMap((event) =>
      event.type === 'dataset' && !done.has(`${event.job} ${event.adapter}`) ? [event.job] : [],
    ),
  );
  const whole = versions.filter(({ job }) => !open.has(job));
  return [...new Map(whole.map((version) => [version.name, version])).values()];
}

function nameOf({ iteration, job, name }: AdapterName): string {
  return `${iteration} ${job} ${name}`;
}

function wholeRun(record: RunRecord, events: RunEvent[], adapters: StoredAdapter[]): WholeRun {
  const digest = digestOf(events);
  return {
    record: { ...record, events: events.length, digest },
    events,
    adapters,
    checkpoints: checkpointsOf(events, adapters),
  };
}

/** The end of the last whole iteration, from which adapters are taken. */
function checkpointsOf(events: readonly RunEvent[], adapters: readonly StoredAdapter[]): Checkpoint[] {
  const at = events.findLastIndex((event) => event.type === 'iteration-started');
  const started = events[at];
  if (started?.type !== 'iteration-started' || started.iteration === 1) return [];
  const digest = new LogDigest();
  for (const event of events.slice(0, at)) digest.add(event);
  const iteration = started.iteration - 1;
  const names = adapters.filter((adapter) => adapter.iteration === iteration).map(({ name }) => name);
  return [{ iteration, events: at, digest: digest.hex, adapters: [...new Set(names)].sort() }];
}
