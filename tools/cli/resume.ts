/** An interrupted run from a file: the zip that `run --out` wrote, or the log alone, be its last line cut or not. */
import { FileError } from '../../src/engine/errors';
import type { ModelConfig } from '../../src/engine/types';
import type { RunEvent } from '../../src/events';
import type { RunConfig } from '../../src/recipes/config';
import type { CutLine } from '../../src/share/cutLog';
import { openBundle, type CutLogs } from '../../src/share/openBundle';
import { storedRun } from '../../src/share/storedRun';
import type { RunRecord, WholeRun } from '../../src/store/types';

export interface StoredLog {
  /** For messages. */
  file: string;
  config: RunConfig;
  events: RunEvent[];
  /** The log's last line where it was not written to its end; it is no event. */
  cut: CutLine | null;
  /**
   * The stored run under the record of a new one.
   * @throws FileError where an adapter is missing from which the run would go on, and what reading one throws
   */
  whole(record: RunRecord, model: ModelConfig): WholeRun;
}

/**
 * A run to go on with. A log alone may end in the middle of a line.
 * @param file its name, for messages
 * @throws FileError for a file that is neither, a damaged log, one that is finished, one of an older format
 */
export function openStored(file: string, bytes: Uint8Array): StoredLog {
  const stored = openKept(file, bytes, 'read');
  if (isFinished(stored)) throw new FileError(file, 'holds a finished run: nothing is left to do');
  return stored;
}

export function isFinished({ events }: Pick<StoredLog, 'events'>): boolean {
  return events.at(-1)?.type === 'run-finished';
}

/**
 * A run, finished or not.
 * @param file its name, for messages
 * @throws FileError for a file that is neither, a damaged log, one of an older format
 */
export function openKept(file: string, bytes: Uint8Array, cutLogs: CutLogs = 'refused'): StoredLog {
  const bundle = openBundle(file, bytes, cutLogs);
  const { config, events, format, cut } = bundle;
  if (format === 1)
    throw new FileError(
      file,
      'was written in log format 1, which can be read and not continued; start a new run with its settings',
    );
  return {
    file,
    config,
    events,
    cut,
    whole: (record, model) => storedRun(record, bundle, model),
  };
}
