/** Reads a stored log back, and says where it is damaged. */
import { LOG_FORMAT, type RunEvent } from '../events';
import { LogError } from '../log/errors';
import { LogReader } from '../log/read';
import { DamagedLogError, OldFormatError } from './errors';
import type { AdapterWeights } from '../engine/types';
import type { RunRecord } from './types';

/**
 * The events up to the first line that cannot be read, and what is wrong there (null: nothing). Events of older formats are lifted.
 * @param reader that has read the lines before, where there are some
 */
export function readableEvents(
  lines: readonly string[],
  reader = new LogReader(),
): { events: RunEvent[]; damage: string | null } {
  const events: RunEvent[] = [];
  for (const line of lines) {
    try {
      events.push(reader.line(line));
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      return { events, damage: error.message };
    }
  }
  return { events, damage: null };
}

/** As `readableEvents`, of a whole stored log: it is damaged too where events are missing or too many. */
export function readWhole(
  record: Pick<RunRecord, 'events'>,
  lines: readonly string[],
): { events: RunEvent[]; damage: string | null } {
  const { events, damage } = readableEvents(lines);
  return { events, damage: damage ?? otherCount(record, lines.length) };
}

/** What is wrong with a log of which so many lines were found, or null. */
export function otherCount({ events }: Pick<RunRecord, 'events'>, found: number): string | null {
  return found === events ? null : `${events} events were stored and ${found} can be found in a row`;
}

/** What is wrong with a whole stored log, or null. */
export function damageOf(record: Pick<RunRecord, 'events'>, lines: readonly string[]): string | null {
  return readWhole(record, lines).damage;
}

/** The events of a whole stored log. @throws DamagedLogError */
export function readLog(record: Pick<RunRecord, 'name' | 'events'>, lines: readonly string[]): RunEvent[] {
  const { events, damage } = readWhole(record, lines);
  if (damage !== null) throw new DamagedLogError(record.name, events.length, damage);
  return events;
}

/** Refuses to go on with a log of an older format. @param first its first line, where it has one. @throws OldFormatError */
export function requireNewestFormat({ name }: Pick<RunRecord, 'name'>, first: string | undefined): void {
  if (first === undefined) return;
  const reader = new LogReader();
  const { damage } = readableEvents([first], reader);
  if (damage === null && reader.format !== null && reader.format < LOG_FORMAT)
    throw new OldFormatError(name, reader.format);
}

/** Bytes of an adapter's numbers. */
export function adapterBytes({ tensors }: AdapterWeights): number {
  let bytes = 0;
  for (const { data } of tensors.values()) bytes += data.byteLength;
  return bytes;
}
