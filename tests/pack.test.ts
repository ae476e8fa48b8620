import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BUILD } from '../src/build';
import { ColumnError, packNumbers, unpackNumbers } from '../src/pack';

describe('packed columns', () => {
  it('are as they are documented', () => {
    // 0, −1, 1, −2, 2 fold to 0, 1, 2, 3, 4; 64 folds to 128, two bytes 0x80 0x01.
    expect(packNumbers([0, -1, 1, -2, 2])).toBe('AAECAwQ');
    expect(packNumbers([64])).toBe('gAE');
    expect(packNumbers([])).toBe('');
  });

  it.each([1, 100, 1000])('give back what was packed, rounded to 1/%i', (scale) => {
    const values = Array.from({ length: 500 }, (_, i) => (i % 2 ? -1 : 1) * Math.exp(i / 40 - 4));
    const kept = unpackNumbers(packNumbers(values, scale), scale);
    expect(kept).toEqual(values.map((value) => Math.round(value * scale) / scale + 0));
    expect(unpackNumbers(packNumbers(kept, scale), scale)).toEqual(kept);
    expect(kept.some((value) => Object.is(value, -0))).toBe(false);
  });

  it('hold ids of any vocabulary', () => {
    const ids = [0, 1, 63, 64, 151_935, 2 ** 31, 2 ** 32 - 1, 2 ** 50];
    expect(unpackNumbers(packNumbers(ids))).toEqual(ids);
  });

  it.each(['A', 'gA', '!AAA', 'ÄAAA', 'gICAgICAgICAgA'])('refuse %s, which nobody packed', (text) => {
    expect(() => unpackNumbers(text)).toThrow(ColumnError);
  });

  it.each([NaN, Infinity, 2 ** 53])('refuse %s, which has no place in a log', (value) => {
    expect(() => packNumbers([value])).toThrow(ColumnError);
  });
});

it('the build that logs name is the package’s version', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(BUILD).toBe(version);
});
