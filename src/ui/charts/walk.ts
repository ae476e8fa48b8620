/** Walking through a chart with the keyboard. */
import type { ChartSeries } from './types';

/** A point of a chart. */
export interface Cursor {
  /** Id of the series. */
  series: string;
  /** Place of the point in it. */
  index: number;
}

/**
 * The point that a key leads to from `cursor` (null = nowhere yet): arrows left and right, Home and End go along a series, up and down to the
 * nearest point of the next one. Null for other keys and for a chart without series.
 */
export function stepTo(key: string, drawn: readonly ChartSeries[], cursor: Cursor | null): Cursor | null {
  const row = drawn.findIndex(({ id }) => id === cursor?.series);
  const series = drawn[row] ?? drawn[0];
  if (!series) return null;
  const index = row < 0 ? -1 : (cursor?.index ?? 0);
  if (key === 'ArrowRight') return at(series, index + 1);
  if (key === 'ArrowLeft') return at(series, Math.max(0, index) - 1);
  if (key === 'Home') return at(series, 0);
  if (key === 'End') return at(series, series.points.length - 1);
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return null;
  const step = key === 'ArrowUp' ? -1 : 1;
  const next = drawn[(Math.max(0, row) + step + drawn.length) % drawn.length] ?? series;
  return at(next, nearest(next, series.points[Math.max(0, index)]?.x ?? 0));
}

function at(series: ChartSeries, index: number): Cursor {
  return { series: series.id, index: Math.min(series.points.length - 1, Math.max(0, index)) };
}

function nearest(series: ChartSeries, value: number): number {
  let best = 0;
  series.points.forEach((point, i) => {
    if (Math.abs(point.x - value) < Math.abs((series.points[best]?.x ?? Infinity) - value)) best = i;
  });
  return best;
}
