/** Guards of a society: who is masked, which problems are on the ladder, and after which test a run ends. Worked out by hand. */
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { guardedTest, laddered, majorityOf, StopGuard, STOPPED } from '../../src/recipes/guards';
import { recipeNamed } from '../../src/recipes';
import { votesNeeded } from '../../src/recipes/readings';
import { resolveConfig } from '../../src/recipes/resolve';
import { usesGold } from '../../src/recipes/run';
import { needOf } from '../../src/recipes/work';
import type { Answer, Question } from '../../src/runtimes/types';
import { strategies } from '../../src/tasks/strategies';
import { heldBy, same } from '../society/handmade';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

describe('majority', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])('of %s agents is %s', (agents, votes) => expect(majorityOf(agents)).toBe(votes));

  it('holds in readings that take any winner, and never asks for less than the setting does', () => {
    const guard = { majority: true };
    expect(votesNeeded({ agents: 5, minimumVotes: 1, reading: 'written', guard })).toBe(3);
    expect(votesNeeded({ agents: 3, minimumVotes: 3, guard })).toBe(3);
    expect(votesNeeded({ agents: 5, minimumVotes: 2, guard: { majority: false } })).toBe(2);
  });

  it('masks what no majority stands behind', async () => {
    const written = { reading: 'written', singleAgentBaseline: 'false', iterations: 1 };
    const [free] = of(await logOf(new FakeRuntime(), smallConfig(written)), 'pseudo-labels');
    const [held] = of(
      await logOf(new FakeRuntime(), smallConfig({ ...written, 'guard.majority': 'true' })),
      'pseudo-labels',
    );
    const byTwo = free!.byVotes.filter(({ votes }) => votes >= 2).reduce((sum, { problems }) => sum + problems, 0);
    expect(free!.accepted).toBeGreaterThan(byTwo);
    expect(held!.accepted).toBe(byTwo);
  });

  it('holds for the single model as for the society, and so does a reading that takes any winner', async () => {
    const labels = async (more: Record<string, string>) =>
      of(await logOf(new FakeRuntime(), smallConfig({ iterations: 1, agents: 5, ...more })), 'pseudo-labels');
    const votes = (one: Awaited<ReturnType<typeof labels>>[number], least: number) =>
      one.byVotes.filter(({ votes: had }) => had >= least).reduce((sum, { problems }) => sum + problems, 0);
    for (const one of await labels({ 'guard.majority': 'true' })) expect(one.accepted).toBe(votes(one, 3));
    for (const one of await labels({ reading: 'written' })) expect(one.accepted).toBe(votes(one, 1));
  });

  it('is refused where labels ask for no vote', () => {
    expect(() => smallConfig({ labels: 'random', 'guard.majority': 'true' })).toThrow(
      /^guard.majority: asks for votes/,
    );
    expect(() => smallConfig({ 'guard.majority': 'true' }, 'gold-labels')).toThrow(/^guard.majority/);
  });
});

describe('ladder', () => {
  const problems = [5, 1, 4, 1, 3].map((hard, id) => ({ id, question: 'x'.repeat(hard) }));
  const on = (iteration: number, iterations: number, ladder = true) =>
    laddered({ guard: { ladder }, iterations }, {}, problems, iteration).map(({ id }) => id);

  it('takes the easiest part, ties in order, and keeps the order of the problems', () => {
    expect(on(1, 3)).toEqual([1, 3]); // ⌈5/3⌉ = 2
    expect(on(2, 3)).toEqual([1, 2, 3, 4]); // ⌈10/3⌉ = 4
    expect(on(3, 3)).toEqual([0, 1, 2, 3, 4]);
    expect(on(1, 5)).toEqual([1]);
    expect(on(1, 3, false)).toEqual([0, 1, 2, 3, 4]);
    expect(laddered({ guard: { ladder: true }, iterations: 2 }, {}, [], 1)).toEqual([]);
  });

  it('goes by the task’s difficulty where it has one', () => {
    const difficulty = ({ id }: { id: number }) => -id;
    expect(laddered({ guard: { ladder: true }, iterations: 5 }, { difficulty }, problems, 1)).toEqual([problems[4]]);
  });

  it('is climbed by a run, and counted before it', async () => {
    const config = smallConfig({ 'guard.ladder': 'true', singleAgentBaseline: 'false', trainProblems: 5 });
    const events = await logOf(new FakeRuntime(), config);
    const asked = (l: number) => of(events, 'episode').filter((one) => one.purpose === 'train' && one.iteration === l);
    expect([asked(1).length, asked(2).length]).toEqual([3, 5]);
    const training = needOf(config).work.filter((one) => one.kind === 'episodes' && one.purpose === 'train');
    expect(training.map((one) => one.kind === 'episodes' && one.problems)).toEqual([3, 5]);
  });
});

describe('stop', () => {
  it('reads agreement and accuracy of the last round', () => {
    const group = { purpose: 'evaluation', learner: 'society', iteration: 1 } as const;
    const episodes = [
      heldBy(group, 1, ['1', '2', '3'], ['7', '7', '7']), // all agree, right
      heldBy(group, 2, ['7', '7', '7'], ['7', '5', '5']), // two of three, wrong
      heldBy(group, 3, ['7', '7', '7'], [null, null, null]), // nobody readable
    ];
    const gold = new Map([1, 2, 3].map((id) => [id, '7']));
    const { consensus, accuracy } = guardedTest(episodes, gold, same);
    expect(consensus).toBeCloseTo(5 / 9, 12);
    expect(accuracy).toBeCloseTo(1 / 3, 12);
  });

  it('stops at the first test that agrees more than the best and is right no more often', () => {
    const guard = new StopGuard();
    const test = (consensus: number, accuracy: number) => guard.sees({ consensus, accuracy });
    expect(test(0.7, 0.6)).toBe(false); // the start
    expect(test(0.6, 0.6)).toBe(false); // no more right, and agrees less
    expect(test(0.8, 0.7)).toBe(false); // better: the new best
    expect(test(0.8, 0.7)).toBe(false); // as before
    expect(test(0.81, 0.7)).toBe(true); // agrees more, right as often
    expect(test(0.9, 0.71)).toBe(false);
  });

  /** Right half of the time at first; once it has learnt, always the same wrong answer. */
  class Agreeing extends FakeRuntime {
    protected override answer(question: Question): Answer {
      const { adapter } = question;
      if (adapter !== null && this.state(adapter).startsWith('trained'))
        return { ...super.answer(question), text: 'nonsense#99' };
      return super.answer(question);
    }
  }
  const played = async (stop: string): Promise<RunEvent[]> =>
    logOf(new Agreeing(), smallConfig({ iterations: 4, singleAgentBaseline: 'false', 'guard.stop': stop }));

  it('ends the run, and says with what', async () => {
    const events = await played('true');
    expect(of(events, 'iteration-started').length).toBe(1);
    expect(events.at(-1)).toEqual({ type: 'run-finished', iterations: 1 });
    const [measured] = of(events, 'measured');
    expect(measured).toMatchObject({ name: STOPPED, iteration: 1, learner: 'society' });
    expect(measured?.values.map(({ label }) => label)).toEqual([
      'agreement in the best test',
      'agreement in this test',
      'accuracy in the best test',
      'accuracy in this test',
    ]);
    expect(measured?.values[1]?.value).toBe(1);
    expect(measured?.values[3]?.value).toBe(0);
    const free = await played('false');
    expect(of(free, 'iteration-started').length).toBe(4);
    // Up to there both are the same run.
    const rest = (all: RunEvent[]) => all.slice(1).map((event) => JSON.stringify(event));
    expect(rest(free).slice(0, events.length - 3)).toEqual(rest(events).slice(0, -2));
  });

  it('tests the single model at the stop where it was to be tested after the last iteration', async () => {
    const last = { iterations: 4, singleAgentBaseline: 'true', 'evaluate.single': 'last', 'guard.stop': 'true' };
    const events = await logOf(new Agreeing(), smallConfig(last));
    expect(events.at(-1)).toEqual({ type: 'run-finished', iterations: 1 });
    expect(of(events, 'evaluation').map(({ learner, iteration }) => [learner, iteration])).toEqual([
      ['base', 0],
      ['society', 1],
      ['single', 1],
    ]);
  });

  it('looks at true answers, and only where it is asked for', () => {
    for (const id of ['multiagent-finetuning', 'random-split', 'isolated']) {
      expect(usesGold(recipeNamed(id), smallConfig({}, id))).toBe(false);
      expect(usesGold(recipeNamed(id), smallConfig({ 'guard.stop': 'true' }, id))).toBe(true);
    }
    expect(usesGold(recipeNamed('gold-labels'), smallConfig({}, 'gold-labels'))).toBe(true);
  });

  it('is refused where it would see no test, and where something is made of the last iteration', () => {
    expect(() => smallConfig({ 'guard.stop': 'true', 'evaluate.society': 'last' })).toThrow(
      /^guard.stop: looks at the test after every iteration; use evaluate.society=every/,
    );
    for (const recipe of ['distil', 'merge'])
      expect(() => smallConfig({ 'guard.stop': 'true' }, recipe)).toThrow(/^guard.stop/);
  });
});

it('the collapse is a preset of the task of strategies', () => {
  expect(resolveConfig('strategies-collapse')).toMatchObject({
    task: strategies.name,
    reading: 'written',
    iterations: 8,
  });
});
