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

it('asks its questions of the untouched model too: who reads whom, and a saboteur', async () => {
  const overrides = { evaluationProblems: 6, reads: 'one', 'saboteur.seats': 1, 'saboteur.says': '17' };
  const events = await logOf(new FakeRuntime(), smallConfig(overrides, 'debate'));
  const debates = of(events, 'episode').filter(({ part }) => part === undefined);
  for (const { turns } of debates) {
    expect(turns.filter(({ layer }) => layer === 1).map(({ parents }) => parents)).toEqual([
      [0, 1],
      [1, 2],
      [2, 0],
    ]);
    expect(turns.filter(({ seat }) => seat === 2).map(({ answer }) => answer)).toEqual(['17', '17']);
  }
  // The majority at equal calls is of the model alone.
  const samples = of(events, 'episode').filter(({ part }) => part !== undefined);
  expect(samples.some(({ turns }) => turns.some(({ text }) => text === '#17'))).toBe(false);
  expect(() => smallConfig({ 'saboteur.seats': 3 }, 'debate')).toThrow(/^saboteur\.seats: 3 of 3 agents/);
  expect(() => smallConfig({ rounds: 1, reads: 'none' }, 'debate')).toThrow(/^reads: changes nothing/);
  expect(() => smallConfig({ 'saboteur.seats': 1, seats: '3=endpoint:http://127.0.0.1:8000/v1#m' }, 'debate')).toThrow(
    /^seats: debate needs log-probabilities of given texts of seat 3/,
  );
});
