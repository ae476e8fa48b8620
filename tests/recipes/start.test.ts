/** Agents that start apart: shares and sizes worked out by hand, and the events that a run has of it. */
import { describe, expect, it } from 'vitest';
import type { Episode } from '../../src/events';
import { ConfigurationError } from '../../src/recipes/errors';
import { resolveConfig } from '../../src/recipes/resolve';
import { preference, quotas, startSelection } from '../../src/recipes/start';
import { drawInt } from '../../src/random';
import { RecordedRuntime } from '../../src/runtimes/recorded';
import type { Answer, Question } from '../../src/runtimes/types';
import { chainOf, gapOf, STRATEGIES, strategies, strategyOf, type Strategy } from '../../src/tasks/strategies';
import type { Strategies } from '../../src/tasks/types';
import { needOf } from '../../src/recipes/work';
import { heldDebate } from '../society/handmade';
import { FakeRuntime, logOf, of } from './fakeRuntime';

describe('preference', () => {
  it.each([
    [0, [0], [1 / 3, 1 / 3, 1 / 3]],
    [1, [0], [1, 0, 0]],
    [0.4, [1], [0.2, 0.6, 0.2]],
    // The fourth agent prefers the first strategy again.
    [1, [3], [1, 0, 0]],
    // One model at three seats has all three preferences, at two the mean of two.
    [1, [0, 1, 2], [1 / 3, 1 / 3, 1 / 3]],
    [1, [0, 2], [0.5, 0, 0.5]],
  ])('p = %s, seats %j: %j', (diversity, seats, shares) =>
    preference(diversity, seats, 3).forEach((share, at) => expect(share).toBeCloseTo(shares[at]!, 12)),
  );
});

describe('quotas', () => {
  it.each([
    // 60 of 60 make 0.6, so the whole is 100: 20 and 20.
    [
      [60, 50, 50],
      [0.6, 0.2, 0.2],
      [60, 20, 20],
    ],
    // The second is short: 10 are 0.2, so the whole is 50.
    [
      [60, 10, 50],
      [0.6, 0.2, 0.2],
      [30, 10, 10],
    ],
    [
      [60, 10, 50],
      [1, 0, 0],
      [60, 0, 0],
    ],
    // A strategy that is never shown is left out: 0.6 to 0.2 is three to one.
    [
      [60, 0, 50],
      [0.6, 0.2, 0.2],
      [60, 0, 20],
    ],
    [
      [0, 0, 0],
      [0.6, 0.2, 0.2],
      [0, 0, 0],
    ],
  ])('%j with shares %j: %j', (counts, shares, sizes) => expect(quotas(counts, shares)).toEqual(sizes));
});

describe('startSelection', () => {
  const texts = ['T60,15#75', 'R77-2#75', 'nothing'];
  const episodes = [0, 1, 2, 3].map((problem): Episode => {
    const held = heldDebate(problem, ['75', '75', null]);
    return { ...held, turns: held.turns.map((turn, at) => ({ ...turn, text: texts[at] as string })) };
  });
  const draw = { seed: 1, stream: 32 };
  const chosen = (diversity: number, seats: number[]) =>
    startSelection(strategies.strategies as Strategies, episodes, { diversity, seats, last: false }, draw);

  it('takes chains by the strategy that they show, whatever their answer, and says what it leaves', () => {
    const own = chosen(1, [0]);
    expect(own.examples.map(({ problem, turn }) => [problem, turn])).toEqual(
      [0, 1, 2, 3].map((problem) => [problem, 0]),
    );
    expect(own.available).toEqual({ S: 8 });
    expect(own.dropped).toEqual([
      { reason: 'left out to keep the preference', count: 4 },
      { reason: 'shows no strategy', count: 4 },
    ]);
  });

  it('fills the shares: half and half for one model at both seats, and the same for the same name', () => {
    expect(chosen(1, [0, 1]).examples).toHaveLength(8);
    // 0.75 to 0.25 without the strategy that nobody shows: 4 and 4 · (1/6) / (2/3) = 1.
    const mixed = chosen(0.5, [0]);
    expect(mixed.examples.map(({ turn }) => turn).sort()).toEqual([0, 0, 0, 0, 1]);
    expect(chosen(0.5, [0])).toEqual(mixed);
  });
});

describe('settings', () => {
  const config = (overrides: Record<string, string | number>, preset = 'strategies-quick') =>
    resolveConfig(preset, overrides);

  it('leaves the dial out at 0, and refuses it where it has no meaning', () => {
    expect(config({ 'start.diversity': 0 })).not.toHaveProperty('start');
    expect(() => config({ 'start.diversity': 0.5 }, 'arithmetic-quick')).toThrow(ConfigurationError);
    expect(() => config({ 'start.diversity': 0.5, startFrom: 'base' })).toThrow(/startFrom/);
    expect(resolveConfig('strategies-apart', {}, 'random-split')).toMatchObject({ start: { diversity: 0.9 } });
  });

  it('counts the work before the first iteration', () => {
    const kinds = (work: ReturnType<typeof needOf>['work']) =>
      work.map(({ kind, iteration }) => `${kind} ${iteration}`);
    const alike = kinds(needOf(config({ iterations: 1 })).work);
    expect(alike).toEqual(['episodes 0', 'episodes 1', 'train 1', 'episodes 1']);
    expect(kinds(needOf(config({ iterations: 1, 'start.diversity': 0.9 })).work)).toEqual([
      'episodes 0',
      'episodes 0',
      'train 0',
      'episodes 0',
      ...alike.slice(1),
    ]);
  });
});

/** The base writes by T, R or B by its draw; a trained adapter by the strategy that is in most of what it learnt. */
class Chains extends FakeRuntime {
  protected override answer(question: Question): Answer {
    const asked = { question: /^\d+\+\d+/.exec(question.messages[0]?.content ?? '')?.[0] ?? '' };
    const own = question.adapter === null ? undefined : this.learnt.get(question.adapter);
    const strategy = own ?? STRATEGIES[drawInt({ seed: 5, ...question.draw }, 0, 3)]!;
    const text = chainOf(asked, strategy, gapOf(asked).includes(strategy));
    return { text, finish: 'stop', tokens: text.length + 1 };
  }

  private get learnt(): Map<string, Strategy> {
    const most = (texts: string[]) =>
      [...STRATEGIES].sort((a, b) => count(texts, b) - count(texts, a) || a.localeCompare(b))[0]!;
    const count = (texts: string[], strategy: string) => texts.filter((text) => text.startsWith(strategy)).length;
    const tracks = this.trained.filter(({ job }) => job === 'start').flatMap((job) => job.tracks);
    return new Map(
      tracks.map(({ adapter, examples }) => [adapter, most(examples.map(({ completion }) => completion))]),
    );
  }
}

describe('a run that starts apart', () => {
  const config = resolveConfig('strategies-apart-tiny', {});
  const play = (recipe = 'multiagent-finetuning', runtime = new Chains()) =>
    logOf(runtime, resolveConfig('strategies-apart-tiny', {}, recipe), strategies);

  it('logs the base’s chains, a data set each, the job, the adapters and a test before the first iteration', async () => {
    const events = await play();
    const before = events.slice(
      0,
      events.findIndex(({ type }) => type === 'iteration-started'),
    );
    const [drawn] = of(before, 'problems').filter(({ split }) => split === 'train');
    expect([drawn?.iteration, drawn?.problems.length]).toEqual([0, 24]);
    const sets = of(before, 'dataset');
    expect(sets.map(({ adapter, job, iteration, from }) => [adapter, job, iteration, from.learner])).toEqual(
      ['generator-0', 'generator-1', 'generator-2', 'single'].map((adapter) => [adapter, 'start', 0, 'base']),
    );
    const episodes = new Map(
      of(before, 'episode')
        .filter(({ purpose }) => purpose === 'train')
        .map((one) => [one.problem, one]),
    );
    const shown = (at: number) =>
      sets[at]!.examples.map(({ problem, turn }) => strategyOf(episodes.get(problem)!.turns[turn]!.text));
    const share = (at: number, key: string) => shown(at).filter((one) => one === key).length / shown(at).length;
    STRATEGIES.forEach((strategy, at) => expect(share(at, strategy)).toBeGreaterThan(0.8));
    STRATEGIES.forEach((strategy) => expect(share(3, strategy)).toBeCloseTo(1 / 3, 1));
    // Gaps are learnt too.
    const wrong = sets[0]!.examples.filter(({ problem, turn }) => !episodes.get(problem)!.turns[turn]!.right);
    expect(wrong.length).toBeGreaterThan(0);
    expect(of(before, 'training-step').filter(({ job }) => job === 'start')).toHaveLength(10);
    expect(of(before, 'adapter').map(({ iteration }) => iteration)).toEqual([0, 0, 0, 0]);
    expect(of(before, 'evaluation').map(({ learner, iteration }) => [learner, iteration])).toEqual([
      ['base', 0],
      ['society', 0],
      ['single', 0],
    ]);
  });

  it('gives the same log when it is played again over its own log, without asking anything', async () => {
    const events = await play();
    const nobody = new Chains();
    const runtime = new RecordedRuntime(nobody, events, () => Promise.reject(new Error('no adapter is needed')));
    expect(await logOf(runtime, config, strategies)).toEqual(events);
    expect([nobody.asked, nobody.trained]).toEqual([[], []]);
  });

  it('gives one model that plays all seats the mean of their preferences', async () => {
    const [everybody] = of(await play('union'), 'dataset').filter(({ adapter }) => adapter === 'everybody');
    const texts = new Set(everybody?.examples.map(({ turn }) => turn));
    expect(texts.size).toBe(3);
  });

  it('leaves saboteurs out: they learn nothing, and their strategy is nobody’s', async () => {
    const sabotaged = (recipe: string) =>
      logOf(new Chains(), resolveConfig('strategies-apart-tiny', { 'saboteur.seats': 1 }, recipe), strategies);
    const started = (events: Awaited<ReturnType<typeof sabotaged>>) =>
      of(events, 'dataset').filter(({ job }) => job === 'start');
    expect(started(await sabotaged('multiagent-finetuning')).map(({ adapter }) => adapter)).toEqual([
      'generator-0',
      'generator-1',
      'single',
    ]);
    // One model at all seats has the mean preference of the two who learn: of the third strategy least.
    const events = await sabotaged('union');
    const texts = new Map(
      of(events, 'episode').map((one) => [`${one.learner} ${one.iteration} ${one.problem}`, one.turns]),
    );
    const shown = started(events)[0]!.examples.map(({ problem, turn }) =>
      strategyOf(texts.get(`base 0 ${problem}`)![turn]!.text)!,
    );
    const counts = STRATEGIES.map((strategy) => shown.filter((one) => one === strategy).length);
    expect(counts[2]).toBeLessThan(Math.min(counts[0]!, counts[1]!) / 4);
  });

  it('asks nothing and trains nothing before the first iteration at 0', async () => {
    const events = await logOf(new Chains(), resolveConfig('strategies-tiny', {}), strategies);
    const before = events.slice(
      0,
      events.findIndex(({ type }) => type === 'iteration-started'),
    );
    expect(of(before, 'training-step')).toEqual([]);
    expect(new Set(of(before, 'episode').map(({ learner, purpose }) => `${learner} ${purpose}`))).toEqual(
      new Set(['base evaluation']),
    );
  });
});
