import { expect, it } from 'vitest';
import { majorityVote } from '../../src/society/vote';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

it('compares a debate with the majority of as many samples, whose first ones are the debate’s first answers', async () => {
  const config = smallConfig({ iterations: 0, agents: 3, rounds: 2 }, 'debate');
  const events = await logOf(new FakeRuntime(), config);
  const [evaluation] = of(events, 'evaluation');
  expect(evaluation?.scores.map(({ method, calls, n }) => [method, calls, n])).toEqual([
    ['single', 1, 10],
    ['majority', 3, 10],
    ['debate', 6, 10],
    ['majorityEqualCalls', 6, 10],
  ]);
  const episodes = of(events, 'episode');
  const debates = episodes.filter(({ part }) => part === undefined);
  const samples = episodes.filter(({ part }) => part === 'samples');
  expect([debates.length, samples.length]).toEqual([10, 10]);
  debates.forEach(({ turns }, at) => {
    const texts = (all: typeof turns) => all.slice(0, 3).map(({ text }) => text);
    expect(texts(samples[at]!.turns)).toEqual(texts(turns));
  });
  const problems = of(events, 'problems')[0]?.problems ?? [];
  const right = samples.map(({ turns, verdicts }, at) => {
    const answers = turns.map(({ answer = null }) => answer);
    // Where there is no tie the vote can be taken again without its draw.
    const again = majorityVote(answers, (a, b) => a === b, { seed: 0, stream: 4 });
    if (!verdicts[0]?.tied) expect(verdicts[0]?.answer).toBe(again.answer);
    return verdicts[0]?.answer === problems[at]?.gold ? '1' : '0';
  });
  expect(evaluation?.scores[3]?.correct).toBe(right.join(''));
  expect(of(events, 'dataset')).toEqual([]);
});
