/** The page on what replicates: its tables are those of the committed comparisons, and each comparison names its logs. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { marksOf, written } from '../bench/replicates/page';
import { revisionsIn } from '../bench/replicates/revisions';
import { committed } from '../bench/replicates/tables';
import type { RunEvent } from '../src/events';

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
    'revisions apart-two-rounds',
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

it('counts what revisions do with first answers', () => {
  const turn = (layer: number, seat: number, text: string, right: boolean) => ({
    layer,
    seat,
    text,
    right,
    answer: text.slice(-2),
  });
  const episode = (learner: string, ...turns: object[]) =>
    ({ type: 'episode', purpose: 'evaluation', learner, iteration: 3, turns }) as unknown as RunEvent;
  const events = [
    episode(
      'society',
      // Kept in the own strategy; lost by another one; mended; a text that shows no strategy.
      turn(0, 0, 'T80,3#83', true),
      turn(0, 1, 'R70+13#83', true),
      turn(0, 2, 'B5+78#73', false),
      turn(0, 3, 'so 83', false),
      turn(1, 0, 'T80,3#83', true),
      turn(1, 1, 'T80,3#73', false),
      turn(1, 2, 'B5+78#83', true),
      turn(1, 3, 'so 83', false),
    ),
    episode('single', turn(0, 0, 'T80,3#83', true), turn(1, 0, 'T80,3#83', true)),
  ];
  expect(revisionsIn(events, 'equal-steps', 1)).toEqual([
    {
      recipe: 'equal-steps',
      learner: 'society',
      seed: 1,
      iteration: 3,
      answers: 4,
      sameStrategy: 2,
      right: 2,
      kept: 1,
      mended: 1,
    },
  ]);
});

it('says of how many logs that they were played again, and each came out the same', () => {
  const lines = readFileSync('bench/results/comparison/again.jsonl', 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { comparison: string; recipe: string; seed: number; digest: string });
  for (const { comparison, recipe, seed, digest } of lines) {
    expect(digest, comparison).toBe('same');
    expect(committed(comparison).logs.some((log) => log.recipe === recipe && log.seed === seed)).toBe(true);
  }
  const comparisons = new Set(lines.map(({ comparison }) => comparison)).size;
  expect(page.replace(/\s+/g, ' ')).toContain(`of ${comparisons} comparisons, ${lines.length} logs in all`);
});
