/** What recipes measure beside right answers, in words. */
import type { Measure } from '../events';

/** "8 of 12 (66.7 %)", "41.25", "nothing to count" for a share of none. */
export function measureText({ value, of }: Pick<Measure, 'value' | 'of'>): string {
  if (of === undefined) return String(Number(value.toPrecision(4)));
  return of === 0 ? 'nothing to count' : `${value} of ${of} (${((100 * value) / of).toFixed(1)} %)`;
}
