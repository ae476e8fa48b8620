/**
 * Which adapters of a run are kept. A choice about disk space and no part of a run's identity: log and digest are the same
 * whatever is kept, and a finished run replays from its log alone.
 */
import type { RunEvent } from '../events';
import type { Checkpoint, RunRecord, RunStore } from './types';

/** `last`: of the last iteration. `none`: none once the run has finished; until then those from which it can go on. */
export const KEEP_ADAPTERS = ['all', 'last', 'none'] as const;
export type KeepAdapters = (typeof KEEP_ADAPTERS)[number];

export interface AdapterName {
  name: string;
  iteration: number;
}

/**
 * Adapters of a stored run that can go. An unfinished run keeps those of its last checkpoint and later ones, since resuming
 * starts from them.
 */
export function spareAdapters<T extends AdapterName>(
  keep: KeepAdapters,
  { status }: Pick<RunRecord, 'status'>,
  adapters: readonly T[],
  checkpoints: readonly Pick<Checkpoint, 'iteration'>[],
): T[] {
  if (keep === 'all') return [];
  if (keep === 'none' && status === 'finished') return [...adapters];
  const needed = checkpoints.at(-1)?.iteration ?? 0;
  return adapters.filter(({ iteration }) => iteration < needed);
}

/** Deletes the adapters of a stored run that the choice does not keep. What is deleted is gone for good. */
export async function thinRun(store: RunStore, runId: string, keep: KeepAdapters): Promise<void> {
  const [run, adapters, checkpoints] = [
    await store.run(runId),
    await store.adapters(runId),
    await store.checkpoints(runId),
  ];
  await store.deleteAdapters(runId, spareAdapters(keep, run, adapters, checkpoints));
}

/** Adapters that the log announces and the store does not hold. */
export function missingAdapters(events: readonly RunEvent[], adapters: readonly AdapterName[]): AdapterName[] {
  const held = new Set(adapters.map(({ name, iteration }) => `${iteration} ${name}`));
  return events
    .filter((event) => event.type === 'adapter-updated')
    .filter(({ adapter, iteration }) => !held.has(`${iteration} ${adapter}`))
    .map(({ adapter, iteration }) => ({ name: adapter, iteration }));
}
