/** Names of draws: what a recipe asks is drawn under a name of its own, and calls that exist keep their words for ever. */
import { describe, expect, it } from 'vitest';
import { callName } from '../../src/events';
import { drawWords, STREAMS } from '../../src/random';
import { recipes } from '../../src/recipes';
import type { Question } from '../../src/runtimes/types';
import { FakeRuntime, logOf, smallConfig } from './fakeRuntime';

const RUNS = recipes().map(({ id }): [string, Record<string, number>] => [
  id,
  id === 'multiagent-finetuning' ? { rounds: 3 } : {},
]);

async function questions(recipe: string, overrides: Record<string, string | number>): Promise<Question[]> {
  const runtime = new FakeRuntime();
  await logOf(runtime, smallConfig({ problems: 'fresh', ...overrides }, recipe));
  return runtime.asked.flat();
}

describe.each(RUNS)('%s', (recipe, overrides) => {
  it('has no two calls of one name', async () => {
    const names = (await questions(recipe, overrides)).map(({ at, call }) => callName(at, call));
    expect(new Set(names).size).toBe(names.length);
  });

  it('has the same log whether chunks are asked together or, where somebody follows, one by one', async () => {
    const config = smallConfig({ ...overrides, chunk: 2 }, recipe);
    const [together, alone] = [new FakeRuntime(), Object.assign(new FakeRuntime(), { followed: true })];
    expect(await logOf(alone, config)).toEqual(await logOf(together, config));
    expect(together.asked.length).toBeLessThan(alone.asked.length);
    expect(together.asked.flat().length).toBe(alone.asked.flat().length);
  });

  it('has no two names with the same draws, tests apart, which share theirs over learners and iterations', async () => {
    const owners = new Map<string, string>();
    for (const { at, call, draw } of await questions(recipe, overrides)) {
      const words = drawWords({ seed: 0, ...draw }, 0).join(' ');
      const owner = at.purpose === 'train' ? callName(at, call) : `test/${at.problem}/${call}`;
      expect(owners.get(words) ?? owner).toBe(owner);
      owners.set(words, owner);
    }
  });
});

it('draws of multiagent finetuning have the words that they had in format 1', async () => {
  const asked = await questions('multiagent-finetuning', { rounds: 2 });
  for (const { at, draw, seat, layer } of asked) {
    const training = at.learner === 'single' ? STREAMS.baselineSample : STREAMS.sample;
    expect(draw).toEqual({
      stream: at.purpose === 'train' ? training : STREAMS.evaluate,
      iteration: at.purpose === 'train' ? at.iteration : 0,
      agent: seat,
      problem: at.problem,
      round: layer + 1,
    });
  }
});

it('streams have numbers of their own', () => {
  const numbers = Object.values(STREAMS);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(Math.max(...numbers)).toBeLessThan(2 ** 16);
});
