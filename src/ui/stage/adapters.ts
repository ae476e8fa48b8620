/** What the stage says of each adapter: its examples by kind, its losses, and how often it was finetuned. */
import type { DatasetBuilt, TrainingStep } from '../../events';
import type { ExperimentConfig } from '../../recipes/config';
import { groupKey, type DebateGroup, type LogIndex } from '../model/logIndex';
import { destinationsOf, type Bin } from './destinations';

/** What one adapter is trained on and how it goes. */
export interface StageAdapter {
  name: string;
  /** null for the single model, which is nobody's. */
  slot: number | null;
  /** Kinds of its examples, in the order they are drawn. */
  bins: { bin: Bin; count: number }[];
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
 * All adapters of a run as they stand in an iteration.
 * @param steps training steps of the iteration so far
 * @param training finetuning is what is on show
 */
export function adaptersOf(
  index: LogIndex,
  config: ExperimentConfig,
  iteration: number,
  steps: readonly TrainingStep[],
  training: boolean,
): StageAdapter[] {
  const losses = new Map<string, number[]>();
  for (const { tracks } of steps) {
    for (const { adapter, loss } of tracks) losses.set(adapter, [...(losses.get(adapter) ?? []), loss]);
  }
  const newest = new Set(steps.at(-1)?.tracks.map(({ adapter }) => adapter));
  const updated = new Set(
    index.summary.flatMap((event) =>
      event.type === 'adapter-updated' && event.iteration === iteration ? [event.adapter] : [],
    ),
  );
  const sets = index.datasets.get(iteration) ?? [];
  return namesOf(config).map(({ name, slot, kinds }) => ({
    name,
    slot,
    ...binsOf(index, config, iteration, sets.find((set) => set.adapter === name) ?? null, slot, kinds),
    losses: losses.get(name) ?? [],
    training: training && newest.has(name) && !updated.has(name),
    version: updated.has(name) ? iteration : Math.max(0, iteration - 1),
  }));
}

function namesOf(config: ExperimentConfig): { name: string; slot: number | null; kinds: Bin[] }[] {
  const slots = Array.from({ length: config.agents }, (_, slot) => slot);
  return [
    ...slots.map((slot) => ({ name: `generator-${slot}`, slot, kinds: ['G'] as Bin[] })),
    ...(config.rounds > 1 ? slots.map((slot) => ({ name: `critic-${slot}`, slot, kinds: ['C-', 'C+'] as Bin[] })) : []),
    ...(config.singleAgentBaseline ? [{ name: 'single', slot: null, kinds: ['M'] as Bin[] }] : []),
  ];
}

function binsOf(
  index: LogIndex,
  config: ExperimentConfig,
  iteration: number,
  set: DatasetBuilt | null,
  slot: number | null,
  kinds: readonly Bin[],
): Pick<StageAdapter, 'bins' | 'chosen'> {
  const counts = set
    ? chosenCounts(set)
    : candidateCounts(
        index,
        config,
        index.groups.get(groupKey('train', slot === null ? 'single' : 'society', iteration)),
      )(slot, kinds);
  return {
    bins: [...kinds, 'dropped' as const].map((bin) => ({ bin, count: counts.get(bin) ?? 0 })),
    chosen: set !== null,
  };
}

function chosenCounts(set: DatasetBuilt): Map<Bin, number> {
  const counts = new Map<Bin, number>();
  for (const { kind } of set.entries) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  counts.set(
    'dropped',
    set.dropped.reduce((sum, { count }) => sum + count, 0),
  );
  return counts;
}

/** Destinations of the debates held so far, by "slot first|last bin". A growing group is read on from where it was. */
const candidates = new WeakMap<DebateGroup['rows'], { read: number; counts: Map<string, number> }>();

function candidateCounts(
  index: LogIndex,
  { minimumVotes, agents }: ExperimentConfig,
  group: DebateGroup | undefined,
): (slot: number | null, kinds: readonly Bin[]) => Map<Bin, number> {
  if (!group) return () => new Map();
  let known = candidates.get(group.rows);
  if (!known) candidates.set(group.rows, (known = { read: 0, counts: new Map() }));
  const { counts } = known;
  for (; known.read < group.rows.length; known.read++) {
    const { debate } = group.rows[known.read]!;
    for (let slot = 0; slot < agents; slot++) {
      const { first, last } = destinationsOf(index, debate, slot, minimumVotes);
      for (const [which, to] of [
        ['first', first],
        ['last', last],
      ] as const) {
        const key = `${slot} ${which} ${to?.bin}`;
        if (to) counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
  }
  return (slot, kinds) => {
    const which = kinds.includes('C-') ? 'last' : 'first';
    const slots = slot === null ? Array.from({ length: agents }, (_, n) => n) : [slot];
    const total = (bin: Bin) => slots.reduce((sum, n) => sum + (counts.get(`${n} ${which} ${bin}`) ?? 0), 0);
    return new Map([...kinds, 'dropped' as const].map((bin) => [bin, total(bin)]));
  };
}
