/** Scales, ticks and outlines of the charts: pure geometry. */
import type { ChartPoint, Marker } from './types';

export interface Scale {
  (value: number): number;
  domain: [number, number];
}

export function linear(domain: [number, number], range: [number, number]): Scale {
  const [low, high] = domain;
  const span = high - low || 1;
  return Object.assign((value: number) => range[0] + ((value - low) / span) * (range[1] - range[0]), { domain });
}

/** About `count` round values within [low, high]: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const step = niceStep((high - low) / Math.max(1, count));
  const values: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(roundTo(i * step, step));
  return values;
}

/** Whole numbers only, thinned to about `count`. */
export function integerTicks(low: number, high: number, count: number): number[] {
  const step = Math.max(1, Math.round(niceStep((high - low) / Math.max(1, count))));
  const values: number[] = [];
  for (let value = Math.ceil(low); value <= high; value += step) values.push(value);
  return values;
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  return (lead > 5 ? 10 : lead > 2 ? 5 : lead > 1 ? 2 : 1) * power;
}

function roundTo(value: number, step: number): number {
  const digits = Math.max(0, Math.min(20, 2 - Math.floor(Math.log10(step))));
  return Number(value.toFixed(digits)) + 0;
}

/** The smallest interval that holds all points with their error bars, widened to round ends. */
export function niceDomain(points: Iterable<ChartPoint>, include: readonly number[] = []): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of include) [low, high] = [Math.min(low, value), Math.max(high, value)];
  for (const { y, low: bottom = y, high: top = y } of points) {
    if (Number.isFinite(bottom)) low = Math.min(low, bottom);
    if (Number.isFinite(top)) high = Math.max(high, top);
  }
  if (low > high) return [0, 1];
  if (low === high) return [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const step = niceStep((high - low) / 5);
  return [roundTo(Math.floor(low / step) * step, step), roundTo(Math.ceil(high / step) * step, step)];
}

/** Outline of a marker of radius r around the origin. Cross and plus are open and need a stroke. */
export function markerPath(marker: Marker, r: number): string {
  switch (marker) {
    case 'circle':
      return `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`;
    case 'square':
      return `M${-r * 0.9},${-r * 0.9}h${r * 1.8}v${r * 1.8}h${-r * 1.8}Z`;
    case 'triangle':
      return `M0,${-r * 1.2}L${r * 1.1},${r * 0.8}H${-r * 1.1}Z`;
    case 'diamond':
      return `M0,${-r * 1.3}L${r * 1.3},0L0,${r * 1.3}L${-r * 1.3},0Z`;
    case 'cross':
      return `M${-r},${-r}L${r},${r}M${r},${-r}L${-r},${r}`;
    case 'plus':
      return `M0,${-r * 1.2}V${r * 1.2}M${-r * 1.2},0H${r * 1.2}`;
  }
}

/** Polyline through the points that have a value; a gap where one is missing. */
export function linePath(points: readonly ChartPoint[], x: Scale, y: Scale): string {
  let path = '';
  let pen = 'M';
  for (const point of points) {
    if (!Number.isFinite(point.y)) pen = 'M';
    else {
      path += `${pen}${round(x(point.x))},${round(y(point.y))}`;
      pen = 'L';
    }
  }
  return path;
}

/**
 * At most about 2·buckets points that keep every spike: the smallest and the largest of each bucket, in order.
 */
export function thinned(points: readonly ChartPoint[], buckets: number): readonly ChartPoint[] {
  if (points.length <= buckets * 2) return points;
  const kept: ChartPoint[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = Math.floor((bucket * points.length) / buckets);
    const to = Math.floor(((bucket + 1) * points.length) / buckets);
    let least = from;
    let most = from;
    for (let i = from; i < to; i++) {
      if ((points[i] as ChartPoint).y < (points[least] as ChartPoint).y) least = i;
      if ((points[i] as ChartPoint).y > (points[most] as ChartPoint).y) most = i;
    }
    for (const i of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) {
      kept.push(points[i] as ChartPoint);
    }
  }
  return kept;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
