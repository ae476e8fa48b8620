/** Several runs side by side: what their settings differ in, and their accuracies over each other. */
import type { Method, RunEvent } from '../../events';
import { baseLearnerOf } from '../../log/results';
import type { RunConfig } from '../../recipes/config';
import { settingKeys, settingOf } from '../../recipes/resolve';
import { pooledComparison, type PairedComparison } from '../../society/statistics';
import type { RunRecord } from '../../store/types';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartSeries } from '../charts/types';
import { evaluationOf, lastEvaluated, runResults } from './evaluations';
import { indexLog, type LogIndex } from './logIndex';
import { headlineOf, pairedToReference, referenceName, type PairedRow } from './paired';
import { recipeOf } from './runCast';
import { SHARE_BARS, sharePoint } from './share';

export interface ComparedRun {
  record: Pick<RunRecord, 'id' | 'name' | 'config' | 'status'>;
  events: readonly RunEvent[];
}

export interface SettingDifference {
  /** Dotted key. */
  key: string;
  /** One value a run, in their order. */
  values: string[];
}

/** What people look at first. */
const FIRST = ['recipe', 'model', 'task', 'seed'];

/** The settings in which at least two of the configurations differ: what every run has first, then those of the recipes. */
export function settingDifferences(configs: readonly RunConfig[]): SettingDifference[] {
  const keys = new Set([...FIRST, ...configs.flatMap(keysOf)]);
  return [...keys]
    .map((key) => ({ key, values: configs.map((config) => settingText(valueAt(config, key))) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}

/** Of a recipe that this version does not know, the settings are what the configuration holds. */
function keysOf(config: RunConfig): string[] {
  const recipe = recipeOf(config);
  return recipe ? settingKeys(recipe) : dottedKeys(config).filter((key) => key !== 'preset');
}

/** The value under a dotted key, also of a recipe that this version does not know. */
export function valueAt(config: RunConfig, key: string): unknown {
  if (recipeOf(config)) return settingOf(config, key);
  return key
    .split('.')
    .reduce<unknown>(
      (value, part) => (isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined),
      config,
    );
}

function dottedKeys(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, item]) =>
    isObject(item) ? dottedKeys(item, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A setting's value in words. */
export function settingText(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

/** Methods of the runs, each once, those of the first run first. */
export function methodsOf(runs: readonly ComparedRun[]): Method[] {
  const methods = new Map<string, Method>();
  for (const { events } of runs) {
    for (const method of indexLog(events).cast.methods) if (!methods.has(method.key)) methods.set(method.key, method);
  }
  return [...methods.values()];
}

/** One curve a run for a method, with intervals; what a run's headline compares with as a ghost where asked for. */
export function overlaidAccuracy(runs: readonly ComparedRun[], method: string, withReference: boolean): ChartData {
  const label = methodsOf(runs).find(({ key }) => key === method)?.label ?? method;
  const series = runs.flatMap((run, n): ChartSeries[] => {
    const index = indexLog(run.events);
    const results = runResults(index);
    const curve = (key: string) =>
      results.iterations.flatMap(({ iteration, methods }) => {
        const score = methods[key];
        if (!score) return [];
        return [{ x: iteration, ...sharePoint(score.right, score.n) }];
      });
    const own: ChartSeries = { id: run.record.id, label: run.record.name, ...styleAt(n), points: curve(method) };
    const reference = headlineOf(index.cast)?.reference;
    if (!withReference || !reference || method === reference.key) return [own];
    const points = curve(reference.key).map(({ x, y, note }) => ({ x, y, note }));
    const behind = `${own.label}: ${referenceName(index.cast)}`;
    return [{ ...own, id: `${own.id} base`, label: behind, dash: '2 3', ghost: true, points }, own];
  });
  return {
    title: `${label}, runs compared`,
    xLabel: 'iteration',
    yLabel: 'accuracy on held-out problems',
    format: 'percent',
    errors: SHARE_BARS,
    integerX: true,
    series: series.filter(({ points }) => points.length > 0),
  };
}

/** What the runs' headlines compare with, in a few words: "debate without finetuning". */
export function referencesName(runs: readonly ComparedRun[]): string {
  const names = new Set(runs.map(({ events }) => indexLog(events)).map(({ cast }) => referenceName(cast)));
  return names.size === 1 ? ([...names][0] as string) : 'reference';
}

/** A method's paired difference to the run's own reference after its last evaluated iteration; null while there is none. */
export function finalDifference(index: LogIndex, method: string): PairedRow | null {
  const base = baseLearnerOf(index.cast);
  const untrained = index.cast.methods.some(({ key, learner }) => key === method && learner === base);
  const iteration = untrained ? 0 : lastEvaluated(index);
  return pairedToReference(index).find((row) => row.method === method && row.iteration === iteration) ?? null;
}

/**
 * The same over several runs that differ in the seed only: their pairs pooled. null for other runs, fewer than two, or
 * when they were evaluated after different iterations.
 */
export function pooledDifference(runs: readonly ComparedRun[], method: string): PairedComparison | null {
  const differing = settingDifferences(runs.map(({ record }) => record.config));
  if (runs.length < 2 || differing.some(({ key }) => key !== 'seed') || differing.length === 0) return null;
  const indices = runs.map(({ events }) => indexLog(events));
  const iteration = lastEvaluated(indices[0] as LogIndex);
  if (indices.some((index) => lastEvaluated(index) !== iteration)) return null;
  const pairs: [string, string][] = [];
  for (const index of indices) {
    const entry = index.cast.methods.find(({ key }) => key === method);
    const reference = headlineOf(index.cast)?.reference;
    if (!entry || !reference || entry.key === reference.key) return null;
    const own = evaluationOf(index, entry, iteration);
    const other = evaluationOf(index, reference, iteration);
    if (!own || !other) return null;
    pairs.push([own.correct, other.correct]);
  }
  return pooledComparison(pairs);
}
