/** Which stored logs are damaged. Reading a log takes time, so each is read once, and few at a time. */
import { LogReader } from '../../log/read';
import { RunNotFoundError } from '../../store/errors';
import { otherCount, readableEvents } from '../../store/readBack';
import type { RunRecord, RunStore } from '../../store/types';

/** Events that are read at once. */
const SLICE = 1000;
/** Events that one listing reads, about: those of some ten runs of the paper's size. */
const MOST_READ = 50_000;

interface Verdict {
  events: number;
  updated: number;
  damage: string | null;
}

export class DamageCheck {
  readonly #known = new Map<string, Verdict>();

  /**
   * What is wrong with each of the runs that were read, by id; what is not known yet is left for the next time. A run that is resumed or
   * opened is read anyway.
   * @param runs the newest first
   * @param most events that are read this time, about
   */
  async of(store: RunStore, runs: readonly RunRecord[], most = MOST_READ): Promise<Record<string, string>> {
    const damaged: Record<string, string> = {};
    let read = 0;
    for (const run of runs) {
      const known = this.#known.get(run.id);
      let damage = known?.events === run.events && known.updated === run.updated ? known.damage : undefined;
      if (damage === undefined && read < most) {
        read += run.events;
        damage = await damageIn(store, run);
        this.#known.set(run.id, { events: run.events, updated: run.updated, damage });
      }
      if (damage) damaged[run.id] = damage;
    }
    return damaged;
  }
}

/** What is wrong with a stored log, or null. */
async function damageIn(store: RunStore, run: RunRecord): Promise<string | null> {
  const reader = new LogReader();
  let found = 0;
  try {
    for (;;) {
      const lines = await store.lines(run.id, found, found + SLICE);
      const { damage } = readableEvents(lines, reader);
      if (damage !== null) return damage;
      found += lines.length;
      if (lines.length < SLICE) break;
    }
  } catch (error) {
    // Deleted meanwhile by another tab.
    if (error instanceof RunNotFoundError) return null;
    throw error;
  }
  return otherCount(run, found);
}
