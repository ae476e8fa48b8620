import { expect, it } from 'vitest';
import { recipeNamed } from '../../src/recipes';
import { callsOfSociety } from '../../src/recipes/societyCalls';
import type { Answer, Question } from '../../src/runtimes/types';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

/** Seat by seat what is added to the true answer; null is unreadable. */
class Slips extends FakeRuntime {
  constructor(private readonly slips: readonly (number | null)[]) {
    super();
  }

  protected override answer(question: Question): Answer {
    const [, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = (
      /^(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(question.messages[0]?.content ?? '') ?? []
    ).map(Number);
    const slip = this.slips[question.seat];
    const text = slip === null || slip === undefined ? 'mumble' : `#${a + b * c + d - e * f + slip}`;
    return { text, finish: 'stop', tokens: text.length };
  }
}

it('spends as many samples as the society has responses and summaries', () => {
  expect(callsOfSociety({ agents: 3, rounds: 2 })).toBe(6);
  expect(callsOfSociety({ agents: 3, rounds: 2, summary: 'concatenate' })).toBe(6);
  // The paper's 9: three first answers, three summaries, three revisions.
  expect(callsOfSociety({ agents: 3, rounds: 2, summary: 'base-model' })).toBe(9);
  expect(callsOfSociety({ agents: 4, rounds: 3, summary: 'base-model' })).toBe(20);
  const society = recipeNamed('multiagent-finetuning');
  const config = society.presets['gsm8k']!.config;
  const debate = society.cast(config).methods.find(({ key }) => key === 'debate');
  expect([debate?.calls, callsOfSociety(config as never)]).toEqual([9, 9]);
});

it('votes among one, N and K samples of one group', async () => {
  // Of three samples 1 1 0 the slip wins; of six, 1 1 0 0 0 and an unreadable one, the truth does.
  const runtime = new Slips([1, 1, 0, 0, 0, null]);
  const events = await logOf(runtime, smallConfig({ iterations: 0 }, 'majority'));
  const [evaluation] = of(events, 'evaluation');
  expect(
    evaluation?.scores.map(({ method, calls, turns, right, n }) => [method, calls, turns.length, right, n]),
  ).toEqual([
    ['single', 1, 1, 0, 10],
    ['majority', 3, 3, 0, 10],
    ['majorityEqualCalls', 6, 6, 10, 10],
  ]);
  expect(runtime.asked.flat()).toHaveLength(60);
});

it('breaks ties as the base of a society does, so that the majority of N is the same number', async () => {
  const scores = async (recipe: string) =>
    of(await logOf(new FakeRuntime(), smallConfig({ iterations: 0, evaluationProblems: 200 }, recipe)), 'evaluation')[0]
      ?.scores;
  const [society, here] = [await scores('multiagent-finetuning'), await scores('majority')];
  for (const method of ['single', 'majority'])
    expect(here?.find((one) => one.method === method)?.correct).toBe(
      society?.find((one) => one.method === method)?.correct,
    );
});
