/** Agents that learn alone: votes and data sets worked out by hand from what each says. */
import { describe, expect, it } from 'vitest';
import { STREAMS } from '../../src/random';
import { needOf } from '../../src/recipes/work';
import type { Answer, Question } from '../../src/runtimes/types';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

/**
 * What the samples of each agent answer to the training problems, in their order. Of the labels with two votes: A has 4 (two samples) and 7
 * (all); B has 5 (two) and none (three answers); C has none (nothing readable) and 7 (two, one unreadable).
 */
const SAID: Readonly<Record<string, readonly (readonly (string | null)[])[]>> = {
  'generator-0': [
    ['4', '5', '4'],
    ['7', '7', '7'],
  ],
  'generator-1': [
    ['5', '4', '5'],
    ['7', '8', '9'],
  ],
  'generator-2': [
    [null, null, null],
    ['7', null, '7'],
  ],
};

class Scripted extends FakeRuntime {
  private readonly problems: number[] = [];

  protected override answer(question: Question): Answer {
    const { at, seat, adapter } = question;
    if (at.purpose !== 'train') return super.answer(question);
    if (!this.problems.includes(at.problem)) this.problems.push(at.problem);
    const said = SAID[adapter ?? '']?.[this.problems.indexOf(at.problem)]?.[seat] ?? null;
    return { ...super.answer(question), text: said === null ? 'mumble' : `ok#${said}` };
  }
}

const config = smallConfig({ trainProblems: 2, iterations: 1, singleAgentBaseline: 'false' }, 'isolated');

describe('isolated', () => {
  it('lets every agent learn the samples of its own majority, and nothing without one', async () => {
    const events = await logOf(new Scripted(), config);
    const [{ problems: asked = [] } = {}] = of(events, 'problems').filter(({ split }) => split === 'train');
    const [one, two] = asked.map(({ id }) => id);
    const sets = of(events, 'dataset').map(({ adapter, from, examples }) => [
      adapter,
      from.part,
      examples.map(({ problem, turn, kind }) => [problem, turn, kind]),
    ]);
    expect(sets).toEqual([
      [
        'generator-0',
        'generator-0',
        [
          [one, 0, 'G'],
          [one, 2, 'G'],
          [two, 0, 'G'],
          [two, 1, 'G'],
          [two, 2, 'G'],
        ],
      ],
      [
        'generator-1',
        'generator-1',
        [
          [one, 0, 'G'],
          [one, 2, 'G'],
        ],
      ],
      [
        'generator-2',
        'generator-2',
        [
          [two, 0, 'G'],
          [two, 2, 'G'],
        ],
      ],
    ]);
    // Six votes, four of them accepted.
    expect(of(events, 'pseudo-labels').map(({ problems, accepted }) => [problems, accepted])).toEqual([[6, 4]]);
  });

  it('says why the rest is dropped', async () => {
    const [first, second, third] = of(await logOf(new Scripted(), config), 'dataset');
    expect(first?.dropped).toEqual([{ reason: 'answer differs from the label', count: 1 }]);
    expect(second?.dropped).toEqual([
      { reason: 'answer differs from the label', count: 1 },
      { reason: 'label has too few votes', count: 3 },
    ]);
    expect(third?.dropped).toEqual([
      { reason: 'no readable answer to vote on', count: 3 },
      { reason: 'answer differs from the label', count: 1 },
    ]);
  });

  it('gives an agent’s first sample the draw of its seat in a society, and every other sample one of its own', async () => {
    const runtime = new Scripted();
    await logOf(runtime, config);
    const asked = runtime.asked.flat().filter(({ at }) => at.purpose === 'train');
    const words = asked.map(({ adapter, seat, draw }) => [adapter, seat, draw.agent, draw.stream]);
    expect(words.slice(0, 3)).toEqual([
      ['generator-0', 0, 0, STREAMS.sample],
      ['generator-0', 1, 3, STREAMS.sample],
      ['generator-0', 2, 6, STREAMS.sample],
    ]);
    expect(words.slice(6, 9).map(([, , agent]) => agent)).toEqual([1, 4, 7]);
  });

  it('tests the agents together, and counts N² answers to learn from a problem', async () => {
    const events = await logOf(new Scripted(), config);
    const test = of(events, 'episode').findLast(({ purpose }) => purpose === 'evaluation');
    expect(test?.turns.map(({ agent }) => agent)).toEqual(['generator-0', 'generator-1', 'generator-2']);
    const training = needOf(config).work.find(({ kind, iteration }) => kind === 'episodes' && iteration === 1);
    expect(training).toMatchObject({ problems: 6, calls: 18 });
  });

  it.each(['rounds=2', 'reads=one', 'critics=false', 'labels=random', 'saboteur.seats=1'])('refuses %s', (setting) => {
    const [key, value] = setting.split('=') as [string, string];
    expect(() => smallConfig({ [key]: value }, 'isolated')).toThrow(key);
  });
});
