/** Reads a stored log back, and says where it is damaged. */
import type { RunEvent } from '../events';
import { DamagedLogError } from './errors';
import type { AdapterWeights } from '../engine/types';
import type { RunRecord } from './types';

/** Every kind of event that this lab writes. */
const EVENT_TYPES: Record<RunEvent['type'], true> = {
  'run-started': true,
  problems: true,
  'iteration-started': true,
  debate: true,
  dataset: true,
  'training-step': true,
  'adapter-updated': true,
  'pseudo-labels': true,
  evaluation: true,
  'run-finished': true,
};

/** The events up to the first line that cannot be read, and what is wrong there (null: nothing). */
export function readableEvents(lines: readonly string[], from = 0): { events: RunEvent[]; damage: string | null } {
  const events: RunEvent[] = [];
  for (const line of lines) {
    const read = readEvent(line);
    if (typeof read === 'string') return { events, damage: `event ${from + events.length} ${read}` };
    events.push(read);
  }
  return { events, damage: null };
}

/** What is wrong with a whole stored log, or null. */
export function damageOf(record: Pick<RunRecord, 'events'>, lines: readonly string[]): string | null {
  const { damage } = readableEvents(lines);
  if (damage !== null) return damage;
  if (lines.length !== record.events)
    return `${record.events} events were stored and ${lines.length} can be found in a row`;
  return null;
}

/** The events of a whole stored log. @throws DamagedLogError */
export function readLog(record: Pick<RunRecord, 'name' | 'events'>, lines: readonly string[]): RunEvent[] {
  const damage = damageOf(record, lines);
  const { events } = readableEvents(lines);
  if (damage !== null) throw new DamagedLogError(record.name, events.length, damage);
  return events;
}

/** An event, or what is wrong with its line. */
function readEvent(line: string): RunEvent | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'is not JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is no event';
  const { type } = value as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(EVENT_TYPES, type))
    return `has the type ${JSON.stringify(type) ?? 'undefined'}, which this version does not know`;
  return value as RunEvent;
}

/** Bytes of an adapter's numbers. */
export function adapterBytes({ tensors }: AdapterWeights): number {
  let bytes = 0;
  for (const { data } of tensors.values()) bytes += data.byteLength;
  return bytes;
}
