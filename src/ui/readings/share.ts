/** A share and how sure it is: one kind of interval for all of them. */
import { wilsonInterval } from '../../society/statistics';
import type { ChartPoint } from '../charts/types';

/** What the error bars of shares are. */
export const SHARE_BARS = '95 % interval (Wilson)';

/** right of n as a point with its interval. @param n above 0 */
export function sharePoint(right: number, n: number): Omit<ChartPoint, 'x'> & { note: string } {
  const [low, high] = wilsonInterval(right, n);
  return { y: right / n, low, high, note: `${right} of ${n}` };
}

/** [0.798, 0.993] → "79.8 to 99.3 %" */
export function intervalText([low, high]: readonly [number, number], digits = 1): string {
  return `${(100 * low).toFixed(digits)} to ${(100 * high).toFixed(digits)} %`;
}
