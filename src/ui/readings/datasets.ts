/** What each adapter is finetuned on, rebuilt from the log, and how it differs from the iteration before. */
import type { DatasetBuilt, Episode, ExampleRef, GroupKey, Turn, TurnRef } from '../../events';
import { groupName } from '../../events';
import { finder, type FinetuneExample } from '../../recipes/examples';

import { TaskError } from '../../tasks/errors';
import type { ChatMessage, Problem, Task } from '../../tasks/types';
import { adapterLook } from '../looks';
import { fatesOf } from './debates';
import { groupKey, type DebateRow, type LogIndex } from './logIndex';

/** Compared with the iteration before, an example of the same problem and turn is … */
export type Change = 'added' | 'removed' | 'kept' | 'changed';

/** A data set's example with its texts. */
export interface Example extends FinetuneExample {
  entry: ExampleRef;
  row: DebateRow;
  /** Preferences: what the completion is preferred to. */
  rejected?: string;
}

export interface ExampleRow {
  entry: ExampleRef;
  /** Where it was said. */
  episode: Episode;
  /** The one that is learnt. */
  turn: Turn;
  problem: Problem;
  prompt: string;
  completion: string;
  /** Preferences: what the completion is preferred to. */
  rejected?: string;
  change: Change;
}

export interface DatasetView {
  adapter: string;
  iteration: number;
  objective: DatasetBuilt['objective'];
  /** Examples of this iteration in the order of the log, then those that are no longer there (`change: 'removed'`). */
  rows: ExampleRow[];
  counts: Record<Change, number>;
  available: DatasetBuilt['available'];
  dropped: DatasetBuilt['dropped'];
  /** An earlier iteration to compare with exists. */
  compared: boolean;
}

/** A data set of an iteration: an adapter may have several, by different jobs. */
export interface DatasetChoice {
  adapter: string;
  /** Tells the adapter's data sets of an iteration apart, the same in every iteration. */
  series: string;
  label: string;
}

/** Data sets of an iteration, in the order of the log. */
export function datasetChoices(index: LogIndex, iteration: number): DatasetChoice[] {
  const sets = index.datasets.get(iteration) ?? [];
  return sets.map((dataset) => {
    const { adapter } = dataset;
    const series = seriesOf(sets, dataset);
    const several = sets.filter((set) => set.adapter === adapter).length > 1;
    const { label } = adapterLook(index.cast, adapter);
    return { adapter, series, label: several && series !== label ? `${label}, ${series}` : label };
  });
}

/** How many examples each data set has by iteration, one row a label; null where it has no data set. */
export function datasetSizes(
  index: LogIndex,
  iterations: readonly number[],
): { label: string; examples: (number | null)[] }[] {
  const rows = new Map<string, (number | null)[]>();
  iterations.forEach((iteration, at) => {
    for (const { adapter, series, label } of datasetChoices(index, iteration)) {
      const row = rows.get(label) ?? iterations.map(() => null);
      row[at] = datasetOf(index, adapter, iteration, series)?.examples.length ?? null;
      rows.set(label, row);
    }
  });
  return [...rows].map(([label, examples]) => ({ label, examples }));
}

/** Job without the numbers in its name, such as the iteration's: "finetune", and a number where several of an iteration are alike. */
function seriesOf(sets: readonly DatasetBuilt[], dataset: DatasetBuilt): string {
  const stemOf = ({ job }: DatasetBuilt) => job.replace(/\d+/g, '').replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '');
  const alike = sets.filter((set) => set.adapter === dataset.adapter && stemOf(set) === stemOf(dataset));
  const nth = alike.indexOf(dataset) + 1;
  return nth > 1 ? `${stemOf(dataset)} ${nth}` : stemOf(dataset);
}

/** The data set event; undefined where there is none. @param series absent = the adapter's first */
export function datasetOf(
  index: LogIndex,
  adapter: string,
  iteration: number,
  series?: string,
): DatasetBuilt | undefined {
  const sets = index.datasets.get(iteration) ?? [];
  return sets.find((set) => set.adapter === adapter && (series === undefined || seriesOf(sets, set) === series));
}

/** null when the log holds no such data set, or its task is unknown. */
export function datasetView(index: LogIndex, adapter: string, iteration: number, series?: string): DatasetView | null {
  const dataset = datasetOf(index, adapter, iteration, series);
  const examples = exampleRows(index, dataset);
  if (!dataset || !examples) return null;
  const same = seriesOf(index.datasets.get(iteration) ?? [], dataset);
  const before = exampleRows(index, datasetOf(index, adapter, iteration - 1, same));
  const earlier = new Map((before ?? []).map((row) => [identity(row), row]));
  const rows: ExampleRow[] = examples.map((row) => {
    const old = earlier.get(identity(row));
    earlier.delete(identity(row));
    if (!old) return { ...row, change: 'added' };
    return { ...row, change: sameTexts(old, row) ? 'kept' : 'changed' };
  });
  for (const row of earlier.values()) rows.push({ ...row, change: 'removed' });
  const counts: Record<Change, number> = { added: 0, removed: 0, kept: 0, changed: 0 };
  for (const { change } of rows) counts[change]++;
  const { available, dropped, objective } = dataset;
  return { adapter, iteration, objective, rows, counts, available, dropped, compared: before !== null };
}

/** Why it is an example, by the recipe's rule; null where the rule is not known. */
export function whyOf(index: LogIndex, { episode, entry }: ExampleRow): string | null {
  const fate = fatesOf(index, episode)[entry.turn];
  return fate?.to === 'dataset' ? fate.why : null;
}

/**
 * Lines of {"prompt","completion"}, what `polylogue train --data` reads. A prompt of several messages is kept as messages (TRL's format).
 * Completions that were cut at the length limit have "cut": true beside them: no end is to be learnt there. A preference has what it was
 * "rejected" for beside the completion, and an example that counts for more or less than one its "weight".
 */
export function toJsonl(examples: readonly (FinetuneExample & { rejected?: string })[]): string {
  return examples
    .map(({ messages, completion, cut, weight, rejected }) => ({
      prompt: promptOf(messages),
      completion,
      ...(cut && { cut }),
      ...(rejected !== undefined && { rejected }),
      ...(weight !== undefined && weight !== 1 && { weight }),
    }))
    .map((line) => JSON.stringify(line) + '\n')
    .join('');
}

/** The examples behind a data set event, in its order; null when there is none or its task is unknown. */
export function datasetExamples(
  index: LogIndex,
  adapter: string,
  iteration: number,
  series?: string,
): Example[] | null {
  const dataset = datasetOf(index, adapter, iteration, series);
  return dataset && index.task ? examplesIn(index, index.task, dataset) : null;
}

interface Source {
  find: ReturnType<typeof finder>;
  /** By problem. */
  rows: Map<number, DebateRow>;
}

/** Examples with their texts; those whose turns, or whose prompts' words, are not known are left out. */
function examplesIn(index: LogIndex, task: Task, { from, examples }: DatasetBuilt): Example[] {
  const sources = new Map<string, Source>();
  const sourceOf = ({ group = from }: TurnRef): Source => {
    const name = groupName(group);
    const found = sources.get(name) ?? sourceIn(index, task, group);
    sources.set(name, found);
    return found;
  };
  return examples.flatMap((entry): Example[] => {
    const { weight, rejected: other, prompt } = entry;
    const { find, rows } = sourceOf(entry);
    const row = rows.get(entry.problem);
    const example = known(() => find(entry, prompt));
    const rejected = other && known(() => sourceOf(other).find(other, prompt))?.completion;
    if (!row || !example || (other && rejected === undefined)) return [];
    return [
      { ...example, entry, row, ...(weight !== undefined && { weight }), ...(rejected !== undefined && { rejected }) },
    ];
  });
}

/** Episodes of a group with their problems. */
function sourceIn(index: LogIndex, task: Task, { purpose, learner, iteration, part }: GroupKey): Source {
  const group = index.groups.get(groupKey(purpose, learner, iteration));
  const rows = (group?.rows ?? []).filter(({ debate, problem }) => problem !== null && debate.episode.part === part);
  const episodes = rows.map(({ debate }) => debate.episode);
  const problems = rows.map(({ problem }) => problem as Problem);
  return { find: finder(task, episodes, problems), rows: new Map(rows.map((row) => [row.debate.problem, row])) };
}

/** A task of this version may have no words for a kind of turn of another one. */
function known<T>(find: () => T | null): T | null {
  try {
    return find();
  } catch (error) {
    if (error instanceof TaskError) return null;
    throw error;
  }
}

function exampleRows(index: LogIndex, dataset: DatasetBuilt | undefined): Omit<ExampleRow, 'change'>[] | null {
  const { task } = index;
  if (!dataset || !task) return null;
  return examplesIn(index, task, dataset).map(({ messages, completion, entry, rejected, row }) => {
    const { episode } = row.debate;
    const prompt = promptOf(messages);
    const lines = messages.map(({ role, content }) => `${role}: ${content}`);
    return {
      entry,
      episode,
      turn: episode.turns[entry.turn] as Turn,
      problem: row.problem as Problem,
      prompt: typeof prompt === 'string' ? prompt : lines.join('\n'),
      completion,
      ...(rejected !== undefined && { rejected }),
    };
  });
}

function sameTexts(a: Omit<ExampleRow, 'change'>, b: Omit<ExampleRow, 'change'>): boolean {
  return (
    a.prompt === b.prompt &&
    a.completion === b.completion &&
    a.rejected === b.rejected &&
    a.entry.kind === b.entry.kind &&
    a.entry.weight === b.entry.weight
  );
}

/** The same over iterations: the problem, the call, and of a preference what it is preferred to. */
function identity({ entry, turn, episode }: Omit<ExampleRow, 'change'>): string {
  const { rejected } = entry;
  const other = rejected && (rejected.group ? groupName(rejected.group) : (episode.turns[rejected.turn]?.call ?? ''));
  return [entry.problem, turn.call, ...(other === undefined ? [] : [other])].join(' ');
}

function promptOf(messages: ChatMessage[]): string | ChatMessage[] {
  const [only] = messages;
  return messages.length === 1 && only?.role === 'user' ? only.content : messages;
}
