/** Speeds in words. */
import type { Speed } from '../../bench/measure';

/** "Answering, 8 rows, 6 adapters" */
export function speedName({ what, rows, adapters }: Pick<Speed, 'what' | 'rows' | 'adapters'>): string {
  const name = { decode: 'Answering', prefill: 'Reading prompts', train: 'Learning' }[what];
  return `${name}, ${counted(rows, 'row')}, ${counted(adapters, 'adapter')}`;
}

function counted(count: number, what: string): string {
  return count === 0 ? `no ${what}` : `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Three digits at least, none behind the point from 100 on. */
export function perSecond(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** 0.1234 → "12 %"; small shares keep two digits. */
export function shareText(share: number): string {
  const percent = 100 * share;
  return `${percent >= 10 ? percent.toFixed(0) : percent.toPrecision(2)} %`;
}
