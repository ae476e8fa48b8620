/** A text in windows that overlap by one. */
import { expect, it } from 'vitest';
import { RequestError } from '../../src/engine/errors';
import { windowsOf } from '../../src/engine/perplexity';

it('predicts every token but the first in exactly one window', () => {
  expect(windowsOf([1, 2, 3, 4, 5], 3)).toEqual([
    [1, 2, 3],
    [3, 4, 5],
  ]);
  expect(windowsOf([1, 2, 3], 2)).toEqual([
    [1, 2],
    [2, 3],
  ]);
  expect(windowsOf([1], 2)).toEqual([]);
});

it('refuses windows in which nothing is predicted, where a loop would never end', () => {
  for (const size of [1, 0, Number.NaN]) expect(() => windowsOf([1, 2, 3], size)).toThrow(RequestError);
});
