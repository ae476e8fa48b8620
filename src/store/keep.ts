/**
 * Which adapters of a run are kept. A choice about disk space and no part of a run's identity: log and digest are the same
 * whatever is kept, and a finished run replays from its log alone.
 */
import { MERGED, type AdapterOrigin, type RunEvent } from '../events';
import { standing } from '../log/superseded';
import type { Checkpoint, RunRecord, RunStore } from './types';

/** `last`: of the last iteration. `none`: none once the run has finished; until then those from which it can go on. */
export const KEEP_ADAPTERS = ['all', 'last', 'none'] as const;
export type KeepAdapters = (typeof KEEP_ADAPTERS)[number];

/** Which version of an adapter. */
export interface AdapterName {
  name: string;
  iteration: number;
  /** Training job (or merge) that it came out of; '' = stored by a version of the lab that knew one job an iteration. */
  job: string;
}

/** What an adapter came out of, as its stored version is called. */
export function jobOf(from: AdapterOrigin): string {
  if ('job' in from) return from.job;
  return 'merge' in from ? MERGED : 'imported';
}

/** Key of an adapter in a store, beside its run and iteration. */
export function adapterKey({ job, name }: Pick<AdapterName, 'job' | 'name'>): string {
  return job === '' ? name : `${job}/${name}`;
}

/** Key of one version of an adapter within its run. */
export function versionKey({ iteration, ...version }: AdapterName): string {
  return `${iteration} ${adapterKey(version)}`;
}

/** @param key `adapterKey`; names of adapters have no slash */
export function adapterOf(iteration: number, key: string): AdapterName {
  const at = key.lastIndexOf('/');
  return { iteration, job: at < 0 ? '' : key.slice(0, at), name: key.slice(at + 1) };
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
  const held = new Set(adapters.map(versionKey));
  return versionsOf(events).filter(
    ({ name, iteration, job }) => !held.has(`${iteration} ${job}/${name}`) && !held.has(`${iteration} ${name}`),
  );
}

/** Versions of adapters that a log announces and that count. */
export function versionsOf(events: readonly RunEvent[]): AdapterName[] {
  return standing(events)
    .filter((event) => event.type === 'adapter')
    .map(({ adapter, iteration, from }) => ({ name: adapter, iteration, job: jobOf(from) }));
}

/**
 * Where an adapter lies in a bundle: the job's name is part of it where several jobs of an iteration trained the adapter.
 * @param versions those that the log announces
 */
export function adapterFolder({ iteration, job, name }: AdapterName, versions: readonly AdapterName[]): string {
  const folder = `adapters/iteration-${iteration}/${name}`;
  const alike = versions.filter((other) => other.iteration === iteration && other.name === name);
  return alike.length <= 1 ? folder : `${folder}/${job.replaceAll('/', '-')}`;
}
