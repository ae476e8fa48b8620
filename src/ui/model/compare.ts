/** Several runs side by side: what their settings differ in, and their accuracies over each other. */
import type { RunEvent } from '../../events';
import { METHODS, type MethodKey } from '../../log/results';
import type { ExperimentConfig } from '../../recipes/config';
import { OPTIONAL_SETTING_KEYS, SETTING_KEYS, settingOf } from '../../recipes/resolve';
import { pooledComparison, type PairedComparison } from '../../society/statistics';
import type { RunRecord } from '../../store/types';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartSeries } from '../charts/types';
import { indexLog, type LogIndex } from './logIndex';
import { lastEvaluated, pairedToBase, runResults, type PairedRow } from './results';

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

/** The settings in which at least two of the configurations differ, in the order of the settings. */
export function settingDifferences(configs: readonly ExperimentConfig[]): SettingDifference[] {
  return [...SETTING_KEYS, ...OPTIONAL_SETTING_KEYS]
    .map((key) => ({
      key,
      values: configs.map((config) => showSetting(settingOf(config, key))),
    }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}

function showSetting(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

/** One curve a run for a method, with standard errors; a run's own base debate as a ghost where asked for. */
export function overlaidAccuracy(runs: readonly ComparedRun[], method: MethodKey, withBase: boolean): ChartData {
  const label = METHODS.find(({ key }) => key === method)?.label ?? method;
  const series = runs.flatMap((run, n): ChartSeries[] => {
    const results = runResults(indexLog(run.events));
    const curve = (key: MethodKey) =>
      results.iterations.flatMap(({ iteration, methods }) => {
        const score = methods[key];
        if (!score) return [];
        const { accuracy: y, standardError, right, n: problems } = score;
        return [{ x: iteration, y, low: y - standardError, high: y + standardError, note: `${right} of ${problems}` }];
      });
    const own: ChartSeries = { id: run.record.id, label: run.record.name, ...styleAt(n), points: curve(method) };
    if (!withBase || method === 'debate') return [own];
    const points = curve('debate').map(({ x, y, note }) => ({ x, y, note }));
    return [
      { ...own, id: `${own.id} base`, label: `${own.label}: base debate`, dash: '2 3', ghost: true, points },
      own,
    ];
  });
  return {
    title: `${label}, runs compared`,
    xLabel: 'iteration',
    yLabel: 'accuracy on held-out problems',
    format: 'percent',
    errors: '± standard error',
    integerX: true,
    series: series.filter(({ points }) => points.length > 0),
  };
}

/** A method's paired difference to the run's own base debate after its last evaluated iteration; null while there is none. */
export function finalDifference(index: LogIndex, method: MethodKey): PairedRow | null {
  const iteration = METHODS.some(({ key, team }) => key === method && team === 'base') ? 0 : lastEvaluated(index);
  return pairedToBase(index).find((row) => row.method === method && row.iteration === iteration) ?? null;
}

/**
 * The same over several runs that differ in the seed only: their pairs pooled. null for other runs, fewer than two, or
 * when they were evaluated after different iterations.
 */
export function pooledDifference(runs: readonly ComparedRun[], method: MethodKey): PairedComparison | null {
  const differing = settingDifferences(runs.map(({ record }) => record.config));
  if (runs.length < 2 || differing.some(({ key }) => key !== 'seed') || differing.length === 0) return null;
  const entry = METHODS.find(({ key }) => key === method);
  const indices = runs.map(({ events }) => indexLog(events));
  const iteration = lastEvaluated(indices[0] as LogIndex);
  if (!entry || method === 'debate' || indices.some((index) => lastEvaluated(index) !== iteration)) return null;
  const pairs: [string, string][] = [];
  for (const index of indices) {
    const evaluation = (team: string, l: number) =>
      index.summary.find((event) => event.type === 'evaluation' && event.team === team && event.iteration === l);
    const own = entry.team === 'base' ? evaluation('base', 0) : evaluation(entry.team, iteration);
    const base = evaluation('base', 0);
    if (own?.type !== 'evaluation' || base?.type !== 'evaluation') return null;
    pairs.push([own[entry.measure].correct, base.debate.correct]);
  }
  return pooledComparison(pairs);
}
