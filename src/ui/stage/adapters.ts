/** What the stage says of each adapter: its examples by kind, its losses, and how often it was finetuned. */
import type { AdapterVersion, Cast, DatasetBuilt, TrainingStep } from '../../events';
import type { RunConfig } from '../../recipes/config';
import { adapterLook, trainedAdapters, trainedLearners } from '../looks';
import type { DebateGroup, LogIndex } from '../readings/logIndex';
import { recipeOf } from '../readings/runCast';
import { destinationOf, DROPPED_BIN, fatesOf, REJECTED_BIN } from './destinations';

/** What one adapter is trained on and how it goes. */
export interface StageAdapter {
  name: string;
  /** null for one that is nobody's own. */
  slot: number | null;
  /** Key of the learner that it belongs to. */
  learner: string;
  /** Kinds of its examples, in the order they are drawn. */
  bins: { bin: string; count: number }[];
  /** The examples are chosen; before that the counts are candidates so far. */
  chosen: boolean;
  /** Mean loss of each step of the iteration on show. */
  losses: number[];
  /** Being trained now. */
  training: boolean;
  /** Iterations of finetuning behind it. */
  version: number;
}

/**
 * All adapters of a run as they stand in an iteration, those of the headline's learner first.
 * @param steps training steps of the iteration so far
 * @param training finetuning is what is on show
 */
export function adaptersOf(
  index: LogIndex,
  config: RunConfig,
  cast: Cast,
  iteration: number,
  steps: readonly TrainingStep[],
  training: boolean,
): StageAdapter[] {
  const losses = new Map<string, number[]>();
  for (const { tracks } of steps) {
    for (const { adapter, loss } of tracks) losses.set(adapter, [...(losses.get(adapter) ?? []), loss]);
  }
  const last = steps.at(-1);
  const newest = new Set(last?.tracks.map(({ adapter }) => adapter));
  const versions = index.summary.filter(
    (event): event is AdapterVersion => event.type === 'adapter' && event.iteration === iteration,
  );
  const updated = new Set(versions.map(({ adapter }) => adapter));
  const done = new Set(
    versions.flatMap(({ adapter, from }) => ('job' in from && from.job === last?.job ? [adapter] : [])),
  );
  const counts = countsOf(index, config, iteration);
  const kinds = kindsOf(index, config, cast, counts);
  return learningAdapters(cast).map(({ name, learner }) => ({
    name,
    learner,
    slot: adapterLook(cast, name).seat,
    bins: [...kinds(name), DROPPED_BIN].map((bin) => ({ bin, count: counts.get(name)?.counts.get(bin) ?? 0 })),
    chosen: counts.get(name)?.chosen ?? false,
    losses: losses.get(name) ?? [],
    training: training && newest.has(name) && !done.has(name),
    version: updated.has(name) ? iteration : Math.max(0, iteration - 1),
  }));
}

function learningAdapters(cast: Cast): { name: string; learner: string }[] {
  return trainedLearners(cast).flatMap((learner) =>
    trainedAdapters({ ...cast, learners: [learner] }).map((name) => ({ name, learner: learner.key })),
  );
}

/** Kinds of examples of an adapter: those that the recipe tells of, then any others that data sets and fates of its role have shown. */
function kindsOf(index: LogIndex, config: RunConfig, cast: Cast, counts: Counts): (adapter: string) => string[] {
  const roleOf = (adapter: string) => cast.agents.find((agent) => agent.adapter === adapter)?.role ?? adapter;
  const examples = recipeOf(config)?.examples ?? [];
  const seen = new Map<string, Set<string>>();
  const add = (adapter: string, kinds: Iterable<string>) => {
    const role = roleOf(adapter);
    seen.set(role, new Set([...(seen.get(role) ?? []), ...kinds]));
  };
  for (const sets of index.datasets.values())
    for (const { adapter, available } of sets) add(adapter, Object.keys(available));
  for (const [adapter, { counts: bins }] of counts)
    add(
      adapter,
      [...bins.keys()].filter((bin) => bin !== DROPPED_BIN),
    );
  return (adapter) => {
    const told = examples.filter(({ roles }) => roles.includes(roleOf(adapter))).map(({ kind }) => kind);
    return [...new Set([...told, ...(seen.get(roleOf(adapter)) ?? [])])];
  };
}

/** By adapter: how many turns are in each bin, and whether its examples are chosen. */
type Counts = Map<string, { counts: Map<string, number>; chosen: boolean }>;

function countsOf(index: LogIndex, config: RunConfig, iteration: number): Counts {
  const counts: Counts = new Map();
  for (const group of index.groups.values()) {
    if (group.purpose !== 'train' || group.iteration !== iteration) continue;
    for (const [adapter, bins] of candidatesOf(index, config, group)) {
      const known = counts.get(adapter)?.counts ?? new Map<string, number>();
      for (const [bin, count] of bins) known.set(bin, (known.get(bin) ?? 0) + count);
      counts.set(adapter, { counts: known, chosen: false });
    }
  }
  for (const set of index.datasets.get(iteration) ?? [])
    counts.set(set.adapter, { counts: chosenCounts(set), chosen: true });
  return counts;
}

function chosenCounts({ examples, dropped }: DatasetBuilt): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const { kind, rejected } of examples) {
    add(kind);
    if (rejected) add(REJECTED_BIN);
  }
  return counts.set(
    DROPPED_BIN,
    dropped.reduce((sum, { count }) => sum + count, 0),
  );
}

/** Destinations of the episodes held so far, by adapter and bin. A growing group is read on from where it was. */
const candidates = new WeakMap<DebateGroup['rows'], { read: number; counts: Map<string, Map<string, number>> }>();

function candidatesOf(index: LogIndex, config: RunConfig, { rows }: DebateGroup): Map<string, Map<string, number>> {
  let known = candidates.get(rows);
  if (!known) candidates.set(rows, (known = { read: 0, counts: new Map() }));
  const { counts } = known;
  for (; known.read < rows.length; known.read++) {
    for (const fate of fatesOf(index, config, rows[known.read]!.debate)) {
      const to = destinationOf(fate);
      if (!to) continue;
      const bins = counts.get(to.adapter) ?? new Map<string, number>();
      counts.set(to.adapter, bins.set(to.bin, (bins.get(to.bin) ?? 0) + 1));
    }
  }
  return counts;
}
