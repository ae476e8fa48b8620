/** What a recipe measures beside right answers: all of it as a table, and its shares as a chart. */
import type { Measure } from '../../events';
import { measureText } from '../../log/measures';
import { wilsonInterval } from '../../society/statistics';
import type { ChartData } from '../charts/data';
import { styleAt, type ChartPoint, type ChartSeries } from '../charts/types';
import type { LogIndex } from './logIndex';
import { SHARE_BARS } from './share';
import type { DataTable } from '../../share/exports/table';

export interface MeasureRow {
  /** Differs from that of every other row. */
  key: string;
  /** What it is of: "round 2"; with the learner's name where several have the same measure. */
  name: string;
  label: string;
  /** By iteration. */
  values: Map<number, Measure>;
}

/** In the order of the log; none where nothing was measured. */
export function measureRows(index: LogIndex): MeasureRow[] {
  const rows = new Map<string, MeasureRow & { learner: string }>();
  for (const event of index.summary) {
    if (event.type !== 'measured') continue;
    for (const measure of event.values) {
      const { learner, name } = event;
      const key = JSON.stringify([learner, name, measure.label]);
      const row = rows.get(key) ?? { key, learner, name, label: measure.label, values: new Map<number, Measure>() };
      rows.set(key, row);
      row.values.set(event.iteration, measure);
    }
  }
  const all = [...rows.values()];
  const isShared = (row: (typeof all)[number]) =>
    all.some(({ learner, name, label }) => learner !== row.learner && name === row.name && label === row.label);
  const nameOf = (learner: string) => index.cast.learners.find(({ key }) => key === learner)?.name ?? learner;
  return all.map(({ learner, ...row }) => ({
    ...row,
    name: isShared({ learner, ...row }) ? `${row.name}, ${nameOf(learner)}` : row.name,
  }));
}

/** Iterations in which something was measured, in order. */
export function measuredIterations(rows: readonly MeasureRow[]): number[] {
  return [...new Set(rows.flatMap(({ values }) => [...values.keys()]))].sort((a, b) => a - b);
}

/** One row a measure and iteration, raw numbers. */
export function measureTable(index: LogIndex): DataTable {
  return {
    columns: ['of', 'measure', 'iteration', 'value', 'n'],
    rows: measureRows(index).flatMap(({ name, label, values }) =>
      [...values].map(([iteration, { value, of }]) => [name, label, iteration, value, of ?? null]),
    ),
  };
}

/** The shares over iterations; null where there are none. */
export function shareChart(index: LogIndex): ChartData | null {
  const series = measureRows(index)
    .filter(({ values }) => [...values.values()].some(({ of }) => of !== undefined))
    .map(({ key, name, label, values }, n): ChartSeries => ({
      id: key,
      label: `${name}: ${label}`,
      ...styleAt(n),
      points: [...values].filter(([, { of }]) => of !== undefined && of > 0).map(([x, measure]) => pointOf(x, measure)),
    }));
  if (series.length === 0) return null;
  return {
    title: 'Shares that the method counts',
    xLabel: 'iteration',
    yLabel: 'share',
    integerX: true,
    format: 'percent',
    errors: SHARE_BARS,
    include: [0, 1],
    series,
  };
}

/** A share below 0, of what was spent instead of saved, has no interval. */
function pointOf(x: number, { value, of = 1 }: Measure): ChartPoint {
  const point = { x, y: value / of, note: measureText({ value, of }) };
  if (value < 0 || value > of) return point;
  const [low, high] = wilsonInterval(value, of);
  return { ...point, low, high };
}
