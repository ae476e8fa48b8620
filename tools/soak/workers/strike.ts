/** Ends workers of a page, or makes them compute for ever, and waits for the next ones. */
import type { Worker } from 'playwright';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Visit } from '../../../tests/e2e/visit';
import type { Rng } from '../rng';

export type How = 'ended' | 'looping';

/** What one lane came to: workers of one kind, struck one after the other in a page of their own. */
export interface Lane {
  struck: number;
  outcomes: Record<string, number>;
  /** Of what went on after one ending, in milliseconds. */
  longestMs: number;
  faults: string[];
  /** Results that are not those of undisturbed work. */
  different: number;
  /** Of stops that were asked for while a worker was struck, in milliseconds. */
  stops: number[];
}

export const newLane = (): Lane => ({ struck: 0, outcomes: {}, longestMs: 0, faults: [], different: 0, stops: [] });

export function add(lane: Lane, name: string): void {
  lane.outcomes[name] = (lane.outcomes[name] ?? 0) + 1;
}

/** A silent worker is noticed after 30 seconds at most, and asked once more. */
const PATIENCE_MS = 600_000;

/** The newest of that name: a worker that ended may be listed for a while. */
export const find = (visit: Visit, name: string): Worker | undefined =>
  visit.page.workers().findLast((worker) => new RegExp(`/${name}-[^/]*$`).test(worker.url()));

/** Ends a worker without a word to the page, or lets it compute for ever. */
export async function strike(lane: Lane, name: string, worker: Worker, rng: Rng): Promise<How> {
  const how: How = rng.int(2) === 0 ? 'ended' : 'looping';
  lane.struck++;
  add(lane, `${name} ${how}`);
  // In a task of its own: Chromium ends no worker in a task of the debugger.
  const loop = (): void =>
    void setTimeout(() => {
      for (;;);
    });
  await (how === 'ended' ? worker.evaluate(() => self.close()) : worker.evaluate(loop)).catch(() => {});
  return how;
}

/** Resolves with true when `over` holds or another worker of that name is there, with false when neither comes. */
export async function replaced(
  visit: Visit,
  name: string,
  struck: Worker,
  over: () => Promise<boolean>,
): Promise<boolean> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 100) {
    if (await over()) return true;
    const now = find(visit, name);
    if (now && now !== struck) return true;
    await sleep(100);
  }
  return false;
}
