/**
 * The index of the beginning of a log, made of the index of all of it: a replay draws the log as it was. Going forward costs only
 * the new events; going back reads again from the start, which copies references and grades nothing.
 */
import type { RunEvent } from '../../events';
import { groupKey, type DebateGroup, type LogIndex } from './logIndex';

export class Prefixes {
  #full: LogIndex['rows'] | null = null;
  #index: LogIndex | null = null;

  /**
   * @param full the index of `events`, or of more
   * @param length events of the beginning
   */
  at(events: readonly RunEvent[], full: LogIndex, length: number): LogIndex {
    if (length >= full.length) return full;
    if (this.#index === null || this.#full !== full.rows || this.#index.length > length) this.#begin(full);
    const index = { ...(this.#index as LogIndex) };
    for (let at = index.length; at < length; at++) add(index, full, events[at] as RunEvent);
    index.length = length;
    this.#index = index;
    return index;
  }

  #begin(full: LogIndex): void {
    this.#full = full.rows;
    this.#index = { ...full, length: 0, summary: [], rows: [], groups: new Map(), datasets: new Map() };
  }
}

function add(index: LogIndex, full: LogIndex, event: RunEvent): void {
  if (event.type === 'episode') return addRow(index, full);
  index.summary.push(event);
  if (event.type === 'dataset')
    index.datasets.set(event.iteration, [...(index.datasets.get(event.iteration) ?? []), event]);
}

function addRow(index: LogIndex, full: LogIndex): void {
  const row = full.rows[index.rows.length];
  if (!row) return;
  index.rows.push(row);
  const { purpose, learner, iteration } = row.debate;
  const key = groupKey(purpose, learner, iteration);
  let group: DebateGroup | undefined = index.groups.get(key);
  if (!group) {
    group = { purpose, learner, iteration, rows: [], byProblem: new Map(), flow: { answers: [], votes: [] } };
    index.groups.set(key, group);
  }
  group.rows.push(row);
  group.byProblem.set(row.debate.problem, row);
}
