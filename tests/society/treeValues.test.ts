import { describe, expect, it } from 'vitest';
import { STREAMS } from '../../src/random';
import {
  advantages,
  atMostPerProblem,
  isWanted,
  oneOf,
  pairsAmong,
  siblingsOf,
  treeValues,
  type Node,
} from '../../src/society/treeValues';

const node = (kind: string, parents: number[], text = `${kind} ${parents.join()}`): Node => ({ kind, parents, text });
const DRAW = { seed: 1, stream: STREAMS.select, iteration: 1 };

/** Two answers; the first has two checks with two refinements and one, the second one check with one refinement. */
const TREE = [
  node('answer', []), // 0
  node('answer', []), // 1
  node('critique', [0]), // 2
  node('critique', [0]), // 3
  node('critique', [1]), // 4
  node('refinement', [0, 2]), // 5
  node('refinement', [0, 2]), // 6
  node('refinement', [0, 3]), // 7
  node('refinement', [1, 4]), // 8
];

describe('treeValues', () => {
  it('is the mean over all leaves below, whatever branch they are on', () => {
    const values = treeValues(TREE, new Map([[5, 1], [6, 0], [7, 0], [8, 1]])); // prettier-ignore
    // Turn 0 has three leaves, one right. The mean of the means of its checks, 1/2 and 0, would be 1/4.
    expect(values).toEqual([1 / 3, 1, 1 / 2, 0, 1, 1, 0, 0, 1]);
  });

  it('is unknown where no leaf was scored', () => {
    expect(treeValues(TREE, new Map([[8, 0]]))).toEqual([null, 0, null, null, 0, null, null, null, 0]);
    expect(treeValues(TREE, new Map())).toEqual(TREE.map(() => null));
    expect(treeValues([], new Map())).toEqual([]);
  });
});

it('wants what is above the threshold; what is at it only where that is asked for', () => {
  const at = (value: number | null, ties: 'unwanted' | 'wanted') => isWanted(value, { threshold: 0.5, at: ties });
  expect([0, 1 / 3, 0.5, 2 / 3, 1, null].map((value) => at(value, 'unwanted'))).toEqual([
    false,
    false,
    false,
    true,
    true,
    null,
  ]);
  expect([1 / 3, 0.5, 2 / 3].map((value) => at(value, 'wanted'))).toEqual([false, true, true]);
});

it('calls siblings what reads the same turns', () => {
  expect(siblingsOf(TREE)).toEqual([[0, 1], [2, 3], [4], [5, 6], [7], [8]]);
});

describe('pairsAmong', () => {
  const texts = (...said: string[]) => said.map((text) => ({ text }));

  it('pairs each wanted one with each unwanted one', () => {
    const all = pairsAmong([0, 1, 2, 3], texts('a', 'b', 'c', 'd'), [true, false, true, false]);
    expect(all).toEqual([[0, 1], [0, 3], [2, 1], [2, 3]]); // prettier-ignore
    // Only those that were asked for, and a turn without a value is in no pair.
    expect(pairsAmong([2, 3], texts('a', 'b', 'c', 'd'), [true, false, true, false])).toEqual([[2, 3]]);
    expect(pairsAmong([0, 1, 2], texts('a', 'b', 'c'), [true, null, false])).toEqual([[0, 2]]);
  });

  it('finds none where all are alike', () => {
    expect(pairsAmong([0, 1], texts('a', 'b'), [true, true])).toEqual([]);
    expect(pairsAmong([0, 1], texts('a', 'b'), [false, false])).toEqual([]);
    expect(pairsAmong([], [], [])).toEqual([]);
  });

  it('takes two texts once, and never one against itself', () => {
    expect(pairsAmong([0, 1, 2, 3], texts('a', 'a', 'b', 'b'), [true, true, false, false])).toEqual([[0, 2]]);
    expect(pairsAmong([0, 1], texts('a', 'a'), [true, false])).toEqual([]);
  });
});

it('draws one of several by its name', () => {
  expect(oneOf([], DRAW, 0)).toEqual([]);
  expect(oneOf(['a'], DRAW, 0)).toEqual(['a']);
  const drawn = Array.from({ length: 60 }, (_, token) => oneOf(['a', 'b', 'c'], DRAW, token)[0]);
  expect(new Set(drawn)).toEqual(new Set(['a', 'b', 'c']));
  expect(oneOf(['a', 'b', 'c'], DRAW, 7)).toEqual([drawn[7]]);
});

it('keeps at most so many examples of a problem, and no problem changes another', () => {
  const examples = [1, 1, 2, 1, 3, 1, 2].map((problem, turn) => ({ problem, turn, kind: 'positive' }));
  const kept = atMostPerProblem(examples, 2, DRAW);
  expect(kept.map(({ problem }) => problem).sort()).toEqual([1, 1, 2, 2, 3]);
  expect(kept.map(({ turn }) => turn)).toEqual(kept.map(({ turn }) => turn).sort((a, b) => a - b));
  const alone = examples.filter(({ problem }) => problem === 1);
  expect(atMostPerProblem(alone, 2, DRAW)).toEqual(kept.filter(({ problem }) => problem === 1));
  expect(atMostPerProblem(examples, null, DRAW)).toEqual(examples);
  const first = Array.from(
    { length: 40 },
    (_, iteration) => atMostPerProblem(alone, 1, { ...DRAW, iteration })[0]?.turn,
  );
  expect(new Set(first)).toEqual(new Set([0, 1, 3, 5]));
});

it('weighs rewards by their distance from the mean', () => {
  // Mean 1/3, deviation √2/3: (1 − 1/3) / (√2/3) = √2 and (0 − 1/3) / (√2/3) = −1/√2.
  expect(advantages([1, 0, 0])).toEqual([1.414214, -0.707107, -0.707107]);
  expect(advantages([1, 0])).toEqual([1, -1]);
  expect(advantages([1, 1, 1])).toEqual([0, 0, 0]);
  expect(advantages([0])).toEqual([0]);
  expect(advantages([])).toEqual([]);
});
