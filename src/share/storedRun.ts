/** A bundle as a stored run: what a store takes of it, with what resuming needs. */
import { FileError } from '../engine/errors';
import type { ModelConfig } from '../engine/types';
import { LOG_FORMAT, type RunEvent } from '../events';
import { digestOf, hashAdapter, LogDigest } from '../log/digest';
import { jobOf, versionKey, versionsOf, type AdapterName } from '../store/keep';
import type { Checkpoint, RunRecord, StoredAdapter, WholeRun } from '../store/types';
import { adaptersIn, type Bundle } from './openBundle';

/**
 * The bundle's run under a record of the store, which gets its number of events and digest.
 * @param model null: it is not at hand, and the run is stored without adapters
 * @throws FileError where an adapter is missing from which an unfinished run would go on, or one was changed; what reading one throws
 */
export function storedRun(record: RunRecord, bundle: Bundle, model: ModelConfig | null): WholeRun {
  const { file, events, format } = bundle;
  const finished = events.at(-1)?.type === 'run-finished';
  const needed = new Set(finished ? [] : neededVersions(events).map(versionKey));
  const missing = (version: AdapterName, folder: string): void => {
    if (!needed.has(versionKey(version))) return;
    throw new FileError(file, `holds no ${folder}, from which the run would go on; give the zip that run --out wrote`);
  };
  const adapters = model ? adaptersIn(bundle, model, missing) : [];
  const changed = changedAdapters(events, adapters)[0];
  if (changed)
    throw new FileError(
      file,
      `holds another adapter ${changed.name} of iteration ${changed.iteration} than its log names: it was changed since the run`,
    );
  return {
    record: { ...record, events: events.length, digest: format === LOG_FORMAT ? bundle.digest() : digestOf(events) },
    events,
    adapters,
    checkpoints: checkpointsOf(events, adapters),
  };
}

/** Adapters whose weights are not those that the log names by their hash. */
export function changedAdapters(events: readonly RunEvent[], held: readonly StoredAdapter[]): StoredAdapter[] {
  const hashes = new Map(
    events.flatMap((event) =>
      event.type === 'adapter'
        ? [[versionKey({ ...event, job: jobOf(event.from), name: event.adapter }), event.hash] as const]
        : [],
    ),
  );
  return held.filter((version) => hashAdapter(version.weights) !== hashes.get(versionKey(version)));
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
