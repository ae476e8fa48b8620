/** Embedding dissimilarity, by hand, and as a society's measure. */
import { describe, expect, it } from 'vitest';
import type { ScoreQuestion } from '../../src/runtimes/types';
import { dissimilarities } from '../../src/society/dissimilarity';
import { FakeRuntime, logOf, of, smallConfig } from '../recipes/fakeRuntime';

describe('dissimilarity', () => {
  it('is the mean of 1 − cos to the others of a group', () => {
    const embeddings = [
      [1, 0],
      [0, 2],
      [3, 3],
      [-1, 0],
      [5, 5],
    ];
    const [a, b, c, d, e] = dissimilarities(embeddings, ['x', 'x', 'x', 'y', 'z']) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const half = 1 - Math.SQRT1_2;
    // To (0, 2) a right angle, to (3, 3) 45 degrees; (3, 3) has 45 degrees to both.
    expect(a).toBeCloseTo((1 + half) / 2, 12);
    expect(b).toBeCloseTo((1 + half) / 2, 12);
    expect(c).toBeCloseTo(half, 12);
    expect([d, e]).toEqual([0, 0]);
    expect(
      dissimilarities(
        [
          [1, 0],
          [-2, 0],
        ],
        ['x', 'x'],
      ),
    ).toEqual([2, 2]);
    expect(
      dissimilarities(
        [
          [0, 0],
          [1, 0],
        ],
        ['x', 'x'],
      ),
    ).toEqual([1, 1]);
  });
});

/** Seat 0 lies 0.1 from the others of a problem, seat 1 0.2, seat 2 0.3. */
class Embedding extends FakeRuntime {
  readonly embedded: ScoreQuestion[][] = [];

  async dissimilarity(questions: ScoreQuestion[]): Promise<number[]> {
    this.embedded.push(questions);
    return questions.map(({ of: about }) => ((about?.turn ?? 0) + 1) / 10);
  }
}

describe('measure.embeddings', () => {
  it('embeds first answers by the untouched model after every test of the society', async () => {
    const runtime = new Embedding();
    const events = await logOf(runtime, smallConfig({ 'measure.embeddings': 'true', iterations: 2 }));
    expect(runtime.embedded.map((texts) => texts.length)).toEqual([30, 30]);
    expect(new Set(runtime.embedded.flat().map(({ adapter }) => adapter))).toEqual(new Set([null]));
    const judged = of(events, 'judged');
    expect(judged.map(({ iteration, by, scores }) => [iteration, by, scores.slice(0, 3)])).toEqual([
      [1, 'embedding dissimilarity', [0.1, 0.2, 0.3]],
      [2, 'embedding dissimilarity', [0.1, 0.2, 0.3]],
    ]);
    expect(of(events, 'measured').map(({ values }) => values)).toEqual([
      [{ label: 'mean cosine distance of two answers', value: 0.2 }],
      [{ label: 'mean cosine distance of two answers', value: 0.2 }],
    ]);
  });

  it('changes nothing else of a log', async () => {
    const without = await logOf(new Embedding(), smallConfig({}));
    const events = await logOf(new Embedding(), smallConfig({ 'measure.embeddings': 'true' }));
    const rest = events.filter(({ type }) => type !== 'judged' && type !== 'measured');
    expect(rest.slice(1)).toEqual(without.slice(1));
  });
});
