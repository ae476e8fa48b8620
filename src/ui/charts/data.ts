/** Everything a chart needs beside its size: the same object is drawn, read aloud, shown as a table and exported. */
import type { DataTable } from '../../share/exports/table';
import { formatValue, type ChartSeries, type ValueFormat } from './types';

export interface ChartData {
  /** Accessible name, heading and file name. */
  title: string;
  xLabel: string;
  yLabel: string;
  format: ValueFormat;
  series: ChartSeries[];
  /** What the error bars are, for example "95 % interval"; left out when there are none. */
  errors?: string;
  /** Values that the y axis must hold. */
  include?: number[];
  /** A horizontal reference line, such as no difference. */
  reference?: number;
  /** x values are whole numbers. */
  integerX?: boolean;
  /** How to read it, in a line. */
  reading?: string;
  /** Vertical marks with a name, such as where an iteration begins. */
  marks?: { x: number; label: string }[];
}

/** One row a point, ready for CSV and JSON: raw numbers. Columns that hold nothing are left out. */
export function chartTable({ xLabel, yLabel, series }: ChartData): DataTable {
  const points = series.flatMap((one) => one.points);
  const bars = points.some(({ low }) => low !== undefined);
  const notes = points.some(({ note }) => note !== undefined);
  return {
    columns: ['series', xLabel, yLabel, ...(bars ? ['low', 'high'] : []), ...(notes ? ['note'] : [])],
    rows: series.flatMap(({ label, points }) =>
      points.map(({ x, y, low, high, note }) => [
        label,
        x,
        y,
        ...(bars ? [low ?? null, high ?? null] : []),
        ...(notes ? [note ?? null] : []),
      ]),
    ),
  };
}

/** The chart in a sentence or a few: first and last value of every series. */
export function chartSummary({ series, format }: ChartData): string {
  const said = series.flatMap(({ label, points }) => {
    const first = points[0];
    const last = points.at(-1);
    if (!first || !last) return [];
    const from = formatValue(first.y, format);
    return [points.length === 1 ? `${label}: ${from}.` : `${label}: from ${from} to ${formatValue(last.y, format)}.`];
  });
  return said.length === 0 ? 'Nothing to draw yet.' : said.join(' ');
}

/** One point in words. */
export function describePoint(data: ChartData, series: ChartSeries, index: number): string {
  const point = series.points[index];
  if (!point) return '';
  const { format, xLabel } = data;
  const bar =
    point.low !== undefined && point.high !== undefined
      ? `, ${formatValue(point.low, format)} to ${formatValue(point.high, format)}`
      : '';
  return `${series.label}, ${xLabel} ${point.x}: ${formatValue(point.y, format)}${bar}${point.note ? `, ${point.note}` : ''}`;
}
