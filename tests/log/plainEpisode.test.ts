/** The quick look at episodes accepts nothing that the schema refuses. */
import * as v from 'valibot';
import { expect, it } from 'vitest';
import { isPlainEpisode } from '../../src/log/plainEpisode';
import { EVENT_SCHEMAS } from '../../src/log/schema';
import { drawInt } from '../../src/random';
import { FakeRuntime, logOf, of, smallConfig } from '../recipes/fakeRuntime';

const STRANGE: unknown[] = [
  undefined,
  null,
  0,
  -1,
  1.5,
  NaN,
  2 ** 53,
  '',
  'x',
  'ä',
  '*',
  'x'.repeat(201),
  true,
  [],
  [0],
  [-1],
  ['x'],
  {},
];

/** Every place of a value, as a path. */
function places(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => places(item, [...path, key]))];
}

/** A copy with something strange at a place, or with a strange field there. */
function mutant(value: object, path: string[], strange: unknown, added: boolean): object {
  const copy = structuredClone(value);
  let at = copy as Record<string, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = path.at(-1) ?? 'problem';
  if (added) at[`${last}X`] = strange;
  else at[last] = strange;
  return copy;
}

it('accepts what recipes write, and nothing that the schema refuses', async () => {
  const episodes = [
    ...of(
      await logOf(new FakeRuntime(), smallConfig({ iterations: 1, trainProblems: 2, evaluationProblems: 1 })),
      'episode',
    ),
    ...of(await logOf(new FakeRuntime(), smallConfig({ evaluationProblems: 1 }, 'debate')), 'episode'),
  ];
  expect(episodes.every(isPlainEpisode)).toBe(true);
  let [refused, accepted] = [0, 0];
  for (let draw = 0; draw < 4000; draw++) {
    const pick = (n: number, token: number) => drawInt({ seed: 1, stream: 99, problem: draw }, token, n);
    const episode = episodes[pick(episodes.length, 0)] as object;
    const all = places(episode).filter((path) => path.length > 0);
    const changed = mutant(episode, all[pick(all.length, 1)] ?? [], STRANGE[pick(STRANGE.length, 2)], pick(8, 3) === 0);
    const right = v.safeParse(EVENT_SCHEMAS.episode, changed).success;
    if (isPlainEpisode(changed)) {
      accepted++;
      expect(right, JSON.stringify(changed)).toBe(true);
    } else if (!right) refused++;
  }
  expect(accepted).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(1000);
});
