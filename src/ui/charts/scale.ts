/** Scales, ticks and outlines of the charts: pure geometry. */
import type { ChartPoint } from './types';

export interface Scale {
  (value: number): number;
  domain: [number, number];
}

export function linear(domain: [number, number], range: [number, number]): Scale {
  const [low, high] = domain;
  const span = high - low || 1;
  return Object.assign((value: number) => range[0] + ((value - low) / span) * (range[1] - range[0]), { domain });
}

/** More than any plot has room for. */
const MOST_TICKS = 200;
/** Values that differ by less of their size are drawn as one: beyond it numbers have no digits left. */
const SAME = 1e-9;

/** About `count` round values within [low, high]: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const step = niceStep((high - low) / Math.max(1, count));
  const first = Math.ceil(low / step - 1e-9);
  // Where values differ by less than their precision, counting up from the first would never arrive.
  const many = Math.min(Math.floor(high / step + 1e-9) - first + 1, MOST_TICKS);
  if (!(many > 0)) return [low];
  return Array.from({ length: many }, (_, i) => roundTo((first + i) * step, step));
}

/** Whole numbers only, thinned to about `count`. */
export function integerTicks(low: number, high: number, count: number): number[] {
  const step = Math.max(1, Math.round(niceStep((high - low) / Math.max(1, count))));
  const many = Math.min(Math.floor((high - Math.ceil(low)) / step) + 1, MOST_TICKS);
  if (!(many > 0)) return [];
  return Array.from({ length: many }, (_, i) => Math.ceil(low) + i * step);
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  // A hair above 2 is 2: spans like 0.46 − 0.38 are not exact.
  const lead = raw / power - 1e-6;
  return (lead > 5 ? 10 : lead > 2 ? 5 : lead > 1 ? 2 : 1) * power;
}

function roundTo(value: number, step: number): number {
  const digits = Math.max(0, Math.min(20, 2 - Math.floor(Math.log10(step))));
  return Number(value.toFixed(digits)) + 0;
}

/**
 * The smallest interval that holds all points with their error bars, widened to round ends.
 * @param bounds values that there can be: widening does not go beyond them
 */
export function niceDomain(
  points: Iterable<ChartPoint>,
  include: readonly number[] = [],
  bounds: readonly [number, number] = [-Infinity, Infinity],
): [number, number] {
  const [low, high] = roundDomain(points, include);
  const bounded: [number, number] = [Math.max(low, bounds[0]), Math.min(high, bounds[1])];
  return bounded[0] < bounded[1] ? bounded : [low, high];
}

function roundDomain(points: Iterable<ChartPoint>, include: readonly number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of include) [low, high] = [Math.min(low, value), Math.max(high, value)];
  for (const { y, low: bottom = y, high: top = y } of points) {
    if (Number.isFinite(bottom)) low = Math.min(low, bottom);
    if (Number.isFinite(top)) high = Math.max(high, top);
  }
  if (low > high) return [0, 1];
  if (high - low <= SAME * Math.max(Math.abs(low), Math.abs(high)))
    return [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const step = niceStep((high - low) / 5);
  return [roundTo(Math.floor(low / step) * step, step), roundTo(Math.ceil(high / step) * step, step)];
}

/** Polyline through the points that have a value; a gap where one is missing. */
export function linePath(points: readonly ChartPoint[], x: Scale, y: Scale): string {
  let path = '';
  let pen = 'M';
  for (const point of points) {
    if (point.start || !Number.isFinite(point.y)) pen = 'M';
    if (Number.isFinite(point.y)) {
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
    for (let i = from; i < to; i++) {
      const point = points[i] as ChartPoint;
      if (i === least || i === most || point.start) kept.push(point);
    }
  }
  return kept;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Exponential moving average with bias correction, as TensorBoard does; weight 0 changes nothing. */
export function smoothed(points: readonly ChartPoint[], weight: number): ChartPoint[] {
  let average = 0;
  let mass = 0;
  return points.map((point) => {
    if (point.start) average = mass = 0;
    average = weight * average + (1 - weight) * point.y;
    mass = weight * mass + (1 - weight);
    return { ...point, y: average / mass };
  });
}
