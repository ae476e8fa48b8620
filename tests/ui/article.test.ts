/** The article: each citation is of a known work, and each figure of a measured section is in a committed file. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { citedParts, SECTIONS, WORKS } from '../../src/ui/article/sections';

/** Figures with a decimal; whole numbers in sentences are counts of words as often as results. */
const FIGURES = /\d+\.\d+/g;

describe.each(SECTIONS.map((section) => [section.id, section] as const))('section %s', (_, { paragraphs, runs }) => {
  it('cites works that are listed', () => {
    for (const paragraph of paragraphs)
      for (const { text } of citedParts(paragraph)) expect(text).not.toMatch(/\[[a-z]+\]/);
  });

  it('has its figures from the runs that it names', () => {
    const committed = (runs ?? []).map((file) => readFileSync(file, 'utf8')).join('\n');
    const known = new Set(committed.match(FIGURES));
    const figures = paragraphs.flatMap((paragraph) => paragraph.match(FIGURES) ?? []);
    if (runs) expect(figures.filter((figure) => !known.has(figure))).toEqual([]);
    if (runs) expect(figures.length).toBeGreaterThan(20);
  });
});

it('cites every work that it lists', () => {
  const cited = new Set(SECTIONS.flatMap(({ paragraphs }) => paragraphs.flatMap(citedParts)).map(({ work }) => work));
  expect(Object.keys(WORKS).filter((key) => !cited.has(key))).toEqual([]);
});
