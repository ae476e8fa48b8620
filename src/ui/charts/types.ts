/** What the charts draw: series of points, each with a colour, a marker and a dash, so that none relies on colour alone. */

import { agentLook, SHAPES, type Shape } from '../agents';

/** SVG stroke-dasharray; '' = solid. */
export const DASHES = ['', '6 3', '2 3', '8 3 2 3', '12 4', '1 2'] as const;

export interface SeriesStyle {
  /** CSS colour, as a rule one of app.css's variables (after Okabe and Ito, for light and dark surfaces). */
  colour: string;
  marker: Shape;
  dash: string;
}

export interface ChartPoint {
  x: number;
  y: number;
  /** Ends of the error bar. */
  low?: number;
  high?: number;
  /** Said after the value, for example "61 of 120". */
  note?: string;
  /** The line begins anew here: it does not come from the point before. */
  start?: boolean;
}

export interface ChartSeries extends SeriesStyle {
  id: string;
  label: string;
  /** In order of x. */
  points: ChartPoint[];
  /** Drawn faintly behind the others (a reference, a pinned run). */
  ghost?: boolean;
  /** It does not change with x: its one point is drawn with a line across. */
  baseline?: boolean;
  /** Left out of the picture until a reader asks for it. */
  further?: boolean;
}

/** How numbers on the y axis are written: a share as percent, a signed share as percentage points, or plainly. */
export type ValueFormat = 'percent' | 'points' | 'number';

/** Style number n of a list without meaning of its own (agents, runs): n-th colour and marker, another dash when they begin again. */
export function styleAt(n: number): SeriesStyle {
  const { color, shape } = agentLook(n);
  return { colour: color, marker: shape, dash: DASHES[Math.floor(n / SHAPES.length) % DASHES.length] as string };
}

/** A value in words, as tooltips, tables and screen readers give it. */
export function formatValue(value: number, format: ValueFormat): string {
  if (!Number.isFinite(value)) return '–';
  if (format === 'percent') return `${(value * 100).toFixed(1)} %`;
  if (format === 'points') return `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value * 100).toFixed(1)} points`;
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
