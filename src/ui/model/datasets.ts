/** What each adapter is finetuned on, rebuilt from the log, and how it differs from the iteration before. */
import type { DatasetBuilt, DatasetEntry } from '../../events';
import { examplesOf } from '../../recipes/multiagentFinetuning';
import type { FinetuneExample } from '../../recipes/types';
import type { ChatMessage, Problem, Ungraded } from '../../tasks/types';
import { groupKey, type LogIndex } from './logIndex';

/** Compared with the iteration before, an example of the same problem and agent is … */
export type Change = 'added' | 'removed' | 'kept' | 'changed';

export interface ExampleRow {
  entry: DatasetEntry;
  problem: Problem;
  prompt: string;
  completion: string;
  change: Change;
}

export interface DatasetView {
  adapter: string;
  iteration: number;
  /** Examples of this iteration in the order of the log, then those that are no longer there (`change: 'removed'`). */
  rows: ExampleRow[];
  counts: Record<Change, number>;
  available: DatasetBuilt['available'];
  dropped: DatasetBuilt['dropped'];
  /** An earlier iteration to compare with exists. */
  compared: boolean;
}

/** null when the log holds no such data set, or its task is unknown. */
export function datasetView(index: LogIndex, adapter: string, iteration: number): DatasetView | null {
  const dataset = find(index, adapter, iteration);
  const examples = exampleRows(index, adapter, iteration);
  if (!dataset || !examples) return null;
  const before = exampleRows(index, adapter, iteration - 1);
  const earlier = new Map((before ?? []).map((row) => [identity(row), row]));
  const rows: ExampleRow[] = examples.map((row) => {
    const old = earlier.get(identity(row));
    earlier.delete(identity(row));
    if (!old) return { ...row, change: 'added' };
    const same = old.prompt === row.prompt && old.completion === row.completion && old.entry.kind === row.entry.kind;
    return { ...row, change: same ? 'kept' : 'changed' };
  });
  for (const row of earlier.values()) rows.push({ ...row, change: 'removed' });
  const counts: Record<Change, number> = { added: 0, removed: 0, kept: 0, changed: 0 };
  for (const { change } of rows) counts[change]++;
  const { available, dropped } = dataset;
  return { adapter, iteration, rows, counts, available, dropped, compared: before !== null };
}

/** Adapters with a data set in this iteration, in the order of the log. */
export function datasetAdapters(index: LogIndex, iteration: number): string[] {
  return (index.datasets.get(iteration) ?? []).map(({ adapter }) => adapter);
}

/**
 * Lines of {"prompt","completion"}, what `polylogue train --data` reads. A prompt of several messages is kept as messages (TRL's format).
 * Completions that were cut at the length limit have "cut": true beside them: no end is to be learnt there.
 */
export function toJsonl(examples: readonly FinetuneExample[]): string {
  return examples
    .map(({ messages, completion, cut }) => ({ prompt: promptOf(messages), completion, ...(cut && { cut }) }))
    .map((line) => JSON.stringify(line) + '\n')
    .join('');
}

/** The examples behind a data set event, in its order; null when there is none or its task is unknown. */
export function datasetExamples(index: LogIndex, adapter: string, iteration: number): FinetuneExample[] | null {
  const dataset = find(index, adapter, iteration);
  if (!dataset || !index.task) return null;
  const { debates, problems } = sources(index, adapter, iteration);
  return examplesOf(index.task, dataset, debates, problems);
}

function exampleRows(index: LogIndex, adapter: string, iteration: number): Omit<ExampleRow, 'change'>[] | null {
  const dataset = find(index, adapter, iteration);
  const { task } = index;
  if (!dataset || !task) return null;
  const { debates, problems } = sources(index, adapter, iteration);
  const gold = new Map(problems.map((problem) => [problem.id, problem]));
  const known = dataset.entries.filter(({ problem }) => gold.has(problem));
  const examples = examplesOf(task, { entries: known }, debates, problems);
  return examples.map(({ messages, completion }, i) => {
    const entry = known[i] as DatasetEntry;
    const prompt = promptOf(messages);
    return {
      entry,
      problem: gold.get(entry.problem) as Problem,
      prompt:
        typeof prompt === 'string' ? prompt : messages.map(({ role, content }) => `${role}: ${content}`).join('\n'),
      completion,
    };
  });
}

/** Debates that a data set was selected from, with their problems in the same order. */
function sources(index: LogIndex, adapter: string, iteration: number) {
  const group = index.groups.get(groupKey('train', adapter === 'single' ? 'single' : 'society', iteration));
  const rows = (group?.rows ?? []).filter((row) => row.problem !== null);
  return { debates: rows.map((row) => row.debate), problems: rows.map((row) => row.problem as Ungraded & Problem) };
}

function find(index: LogIndex, adapter: string, iteration: number): DatasetBuilt | undefined {
  return index.datasets.get(iteration)?.find((dataset) => dataset.adapter === adapter);
}

function identity({ entry }: Pick<ExampleRow, 'entry'>): string {
  return `${entry.problem} ${entry.agent}`;
}

function promptOf(messages: ChatMessage[]): string | ChatMessage[] {
  const [only] = messages;
  return messages.length === 1 && only?.role === 'user' ? only.content : messages;
}
