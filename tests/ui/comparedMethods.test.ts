/** Comparisons in the page: read from the command line's file, or made of finished runs. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/log/comparison';
import { ComparisonFileError, readComparison } from '../../src/share/comparisonFile';
import { comparedPlot, comparisonOfRuns, methodTable, pairTable } from '../../src/ui/readings/comparedMethods';
import type { ComparedRun } from '../../src/ui/readings/compare';
import { FakeRuntime, logOf, smallConfig } from '../recipes/fakeRuntime';

const FILE = 'bench/results/comparison/alike-2-votes/comparison.json';
const content = readFileSync(FILE, 'utf8');

describe('a file', () => {
  it('gives what the command line wrote', () => {
    const read = readComparison('comparison.json', content);
    const whole = JSON.parse(content) as Comparison & { title: string };
    expect(read.title).toBe(whole.title);
    expect(read.methods.map(({ key, accuracy }) => [key, accuracy])).toEqual(
      whole.methods.map(({ key, accuracy }) => [key, accuracy]),
    );
    expect(read.pairs).toEqual(whole.pairs);
    expect(methodTable(read).rows.length).toBe(whole.methods.length);
    expect(pairTable(read).rows[0]?.length).toBe(pairTable(read).columns.length);
  });

  it('is plotted against cost, one series a recipe, points in order', () => {
    const plot = comparedPlot(readComparison('x', content), 'tokens');
    expect(plot.series.map(({ id }) => id)).toContain('isolated');
    for (const { points } of plot.series) {
      expect(new Set(points.map(({ x, y }) => `${x} ${y}`)).size).toBe(points.length);
      const xs = points.map(({ x }) => x);
      expect(xs).toEqual([...xs].sort((a, b) => a - b));
      for (const { y, low, high } of points) expect(low! <= y && y <= high!).toBe(true);
    }
  });

  const changed = (change: (value: { methods: Record<string, unknown>[]; pairs: unknown }) => void): string => {
    const value = JSON.parse(content) as Parameters<typeof change>[0];
    change(value);
    return JSON.stringify(value);
  };
  it.each([
    ['no JSON', '{', 'x.json: is no JSON'],
    ['another JSON', '7', 'x.json: holds no comparison'],
    ['a run’s results', '{"config":{}}', 'x.json: has a wrong field title'],
    ['an accuracy beyond 1', changed(({ methods }) => (methods[0]!['accuracy'] = 1.5)), 'methods.0.accuracy'],
    ['calls that are text', changed(({ methods }) => (methods[1]!['calls'] = '3')), 'methods.1.calls'],
    ['pairs that are none', changed((value) => (value.pairs = 7)), 'a wrong field pairs'],
  ])('with %s is refused by name', (_, text, message) => {
    expect(() => readComparison('x.json', text)).toThrow(ComparisonFileError);
    expect(() => readComparison('x.json', text)).toThrow(message);
  });
});

describe('runs of this browser', () => {
  const played = async (
    recipe: string,
    seed: number,
    more: Record<string, string | number> = {},
  ): Promise<ComparedRun> => {
    const config = smallConfig({ seed, iterations: 1, ...more }, recipe);
    const events = await logOf(new FakeRuntime(), config);
    return { record: { id: `${recipe}-${seed}`, name: `${recipe} ${seed}`, config, status: 'finished' }, events };
  };

  it('are one row a recipe where they differ in the seed alone', async () => {
    const runs = [
      await played('multiagent-finetuning', 1),
      await played('multiagent-finetuning', 2),
      await played('random-split', 1),
    ];
    const comparison = comparisonOfRuns(runs)!;
    const society = comparison.methods.find(({ key }) => key === 'multiagent-finetuning/societyDebate');
    expect(society?.spread.runs).toBe(2);
    expect(comparison.pairs.some(({ second }) => second === 'random-split/societyDebate')).toBe(true);
  });

  it('may be of several tasks, of which no row speaks of strategies', async () => {
    const sums = await played('multiagent-finetuning', 1);
    const config = { ...sums.record.config, task: 'strategies' };
    const other = { ...sums, record: { ...sums.record, id: 'other', config } };
    for (const runs of [
      [sums, other],
      [other, sums],
    ])
      expect(comparisonOfRuns(runs)?.methods.length).toBeGreaterThan(1);
  });

  it('go by their names where one recipe has two settings, and need to be two that are finished', async () => {
    const first = await played('multiagent-finetuning', 1);
    const other = await played('multiagent-finetuning', 2, { minimumVotes: 3 });
    const recipes = new Set(comparisonOfRuns([first, other])?.methods.map(({ recipe }) => recipe));
    expect(recipes).toEqual(new Set(['base', 'multiagent-finetuning 1', 'multiagent-finetuning 2']));
    const again = { ...first, record: { ...first.record, id: 'again' } };
    const twice = new Set(comparisonOfRuns([first, again])?.methods.map(({ recipe }) => recipe));
    // Both say the same of the same problems: one row each of what they have in common.
    expect(twice).toEqual(new Set(['base', 'multiagent-finetuning 1 (multiage)']));
    expect(comparisonOfRuns([first])).toBeNull();
    expect(comparisonOfRuns([first, { ...other, record: { ...other.record, status: 'stopped' } }])).toBeNull();
  });
});
