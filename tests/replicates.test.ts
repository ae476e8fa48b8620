/** The page on what replicates: its tables are those of the committed comparisons, and each comparison names its logs. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { marksOf, written } from '../bench/replicates/page';

const page = readFileSync('docs/what-replicates.md', 'utf8');
/** Prettier pads the cells of a table; what they hold is compared. */
const plain = (text: string) => text.replace(/ *\| */g, '|').replace(/-{3,}/g, '---');

it('has the tables of the committed comparisons', () => {
  expect(marksOf(page)).toEqual([
    'outcomes alike-2-votes',
    'differences alike-2-votes',
    'outcomes apart-2-votes',
    'differences apart-2-votes',
    'outcomes half-2-votes',
    'differences half-2-votes',
    'outcomes start-7-2-votes',
    'differences start-7-2-votes',
    'outcomes start-8-2-votes',
    'differences start-8-2-votes',
    'outcomes alike-3-votes',
    'differences alike-3-votes',
    'outcomes apart-3-votes',
    'differences apart-3-votes',
    'critics all',
    'critics-differences all',
    'two-rounds alike-two-rounds',
    'differences alike-two-rounds',
    'two-rounds apart-two-rounds',
    'differences apart-two-rounds',
    'bases alike',
    'bases-differences alike',
    'bases apart',
    'bases-differences apart',
    'weak-to-strong all',
    'teachers all',
    'larger-differences all',
    'collapse all',
  ]);
  expect(plain(page)).toBe(plain(written(page)));
});

it('refuses a kind of table that there is not', () => {
  expect(() => written('<!-- table moon x -->\n<!-- end -->')).toThrow('there is no table "moon"');
});
