/**
 * Values of a tree of turns (MALT, arXiv 2412.01928, section 4 and appendix A.1): leaves are right or wrong, the value of a turn is the
 * mean over all leaves below it, and a threshold makes it wanted or unwanted. Preferences are between siblings: turns of one kind that read
 * the same turns, so both answers belong to one prompt.
 *
 * The tree is in the log: a turn hangs from the last of its parents, the one that was said latest. Indices are those of the episode's turns.
 */
import type { ExampleRef, Turn } from '../events';
import { drawInt, drawUint, type DrawName } from '../random';

/** What the tree's functions read of a turn. */
export type Node = Pick<Turn, 'kind' | 'parents' | 'text'>;

/** When a value makes a turn wanted. */
export interface Threshold {
  /** θ */
  threshold: number;
  /** What a value of exactly θ is. The paper: unwanted (V > θ is strict). */
  at: 'unwanted' | 'wanted';
}

/**
 * The mean over all scored leaves at or below each turn, pooled: every leaf counts alike, whatever branch it is on.
 * @param scores of leaves, by turn: 1 right, 0 wrong
 * @returns one a turn; null where no scored leaf is below
 */
export function treeValues(
  turns: readonly Pick<Node, 'parents'>[],
  scores: ReadonlyMap<number, number>,
): (number | null)[] {
  const sums = turns.map(() => 0);
  const counts = turns.map(() => 0);
  for (const [leaf, score] of scores) {
    for (let at: number | undefined = leaf; at !== undefined; at = turns[at]?.parents.at(-1)) {
      sums[at] = (sums[at] ?? 0) + score;
      counts[at] = (counts[at] ?? 0) + 1;
    }
  }
  return sums.map((sum, at) => (counts[at] ? sum / counts[at] : null));
}

/** Is a turn of this value wanted? A turn without a value is neither. */
export function isWanted(value: number | null, { threshold, at }: Threshold): boolean | null {
  if (value === null) return null;
  return value > threshold || (at === 'wanted' && value === threshold);
}

/** Turns of one kind with the same parents, in the order of their first turns. */
export function siblingsOf(turns: readonly Pick<Node, 'kind' | 'parents'>[]): number[][] {
  const groups = new Map<string, number[]>();
  turns.forEach(({ kind, parents }, at) => {
    const name = `${kind} ${parents.join(' ')}`;
    const group = groups.get(name);
    if (group) group.push(at);
    else groups.set(name, [at]);
  });
  return [...groups.values()];
}

/**
 * All pairs of a wanted and an unwanted one among siblings. Texts that are alike are one: a pair of two texts is listed once, and a text is
 * never preferred to itself, which happens where the same check led to different refinements.
 */
export function pairsAmong(
  siblings: readonly number[],
  turns: readonly Pick<Node, 'text'>[],
  wanted: readonly (boolean | null)[],
): [chosen: number, rejected: number][] {
  const text = (at: number) => turns[at]?.text ?? '';
  const seen = new Set<string>();
  const pairs: [number, number][] = [];
  for (const chosen of siblings.filter((at) => wanted[at] === true)) {
    for (const rejected of siblings.filter((at) => wanted[at] === false)) {
      const name = JSON.stringify([text(chosen), text(rejected)]);
      if (text(chosen) === text(rejected) || seen.has(name)) continue;
      seen.add(name);
      pairs.push([chosen, rejected]);
    }
  }
  return pairs;
}

/** One of several by a draw; none of none. */
export function oneOf<T>(items: readonly T[], draw: DrawName, token: number): T[] {
  if (items.length <= 1) return [...items];
  return [items[drawInt(draw, token, items.length)] as T];
}

/**
 * At most so many examples of each problem: those with the smallest draws, in their old order. A draw belongs to a problem and a place
 * among its examples, so other problems change nothing.
 * @param most null = all
 */
export function atMostPerProblem(examples: readonly ExampleRef[], most: number | null, draw: DrawName): ExampleRef[] {
  if (most === null) return [...examples];
  const byProblem = new Map<number, ExampleRef[]>();
  for (const example of examples) {
    const own = byProblem.get(example.problem);
    if (own) own.push(example);
    else byProblem.set(example.problem, [example]);
  }
  const kept = new Set<ExampleRef>();
  for (const [problem, own] of byProblem) {
    const keys = own.map((example, at) => ({ example, at, key: drawUint({ ...draw, problem }, at) }));
    keys.sort((x, y) => x.key - y.key || x.at - y.at);
    for (const { example } of keys.slice(0, most)) kept.add(example);
  }
  return examples.filter((example) => kept.has(example));
}

/** (r − mean) / standard deviation of each reward within its group, rounded to six decimals; all 0 where the rewards are alike. */
export function advantages(rewards: readonly number[]): number[] {
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / (rewards.length || 1);
  const variance = rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / (rewards.length || 1);
  if (variance === 0) return rewards.map(() => 0);
  return rewards.map((reward) => Math.round(((reward - mean) * 1e6) / Math.sqrt(variance)) / 1e6);
}
