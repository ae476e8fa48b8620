/** A comparison as files: raw numbers by method and seed, and everything with the logs it is from. Command line and page write the same. */
import type { RunEvent } from '../events';
import type { ComparedLog, ComparedMethod, Comparison } from '../log/comparison';
import { digestOf, discreteDigestOf } from '../log/digest';
import { differences } from '../recipes/resolve';
import { toCsv } from './exports/table';

const COLUMNS = [
  'recipe',
  'method',
  'label',
  'calls',
  'seed',
  'iteration',
  'right',
  'n',
  'unreadable',
  'trainedTokens',
  'trainedGenerations',
] as const;

/** One row a method and seed. */
export function comparisonCsv({ methods }: { methods: readonly ComparedMethod[] }): string {
  const rows = methods.flatMap(({ key, recipe, label, calls, runs }) =>
    runs.map((run) => ({ ...run, recipe, method: key.slice(key.indexOf('/') + 1), label, calls })),
  );
  const table = { columns: [...COLUMNS], rows: rows.map((one) => COLUMNS.map((column) => one[column])) };
  return toCsv(table).replaceAll('\r\n', '\n');
}

/** What `comparison.json` holds. */
export interface ComparisonFile extends Comparison {
  title: string;
  preset: string;
  seeds: number[];
  recipes: string[];
  logs: ReturnType<typeof providedBy>[];
}

/** @param title in words */
export function comparisonFile(title: string, logs: readonly ComparedLog[], comparison: Comparison): ComparisonFile {
  return {
    title,
    preset: startOf(logs[0]?.events ?? [])?.config.preset ?? '',
    seeds: [...new Set(logs.map(({ seed }) => seed))],
    recipes: [...new Set(logs.map(({ recipe }) => recipe))],
    logs: logs.map(providedBy),
    ...comparison,
  };
}

/** Which log a run's numbers are from, and what computed it. */
function providedBy({ recipe, seed, events }: ComparedLog) {
  const started = startOf(events);
  return {
    recipe,
    seed,
    engine: started?.engine,
    model: started?.model.hash,
    settings: started && differences(started.config),
    digest: digestOf(events),
    discreteDigest: discreteDigestOf(events),
  };
}

function startOf(events: readonly RunEvent[]) {
  return events.find((event) => event.type === 'run-started');
}
