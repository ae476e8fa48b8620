/**
 * The controls of multiagent finetuning share its first debates: fresh adapters answer as the base does, under the same draws. So in the
 * first iteration their data sets can be told from those of the method.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { DatasetBuilt, RunEvent } from '../../src/events';
import { makeBatches, makeSteps } from '../../src/society/batches';
import { learntFrom } from '../../src/recipes/updateRules';
import { CHECKER } from '../../src/society/prompts';
import { DROPPED } from '../../src/society/selection';
import { heldDebate, same } from '../society/handmade';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

const ONE = { iterations: 1, trainProblems: 24 };
let own: DatasetBuilt[];
const first = async (recipe: string): Promise<RunEvent[]> => logOf(new FakeRuntime(), smallConfig(ONE, recipe));
const data = (events: RunEvent[]) => of(events, 'dataset').filter(({ adapter }) => adapter !== 'single');
const members = (sets: DatasetBuilt[]) =>
  sets.flatMap(({ examples }) => examples.map(({ problem, turn, kind }) => `${problem} ${turn} ${kind}`)).sort();
const of_ = (role: string) => own.filter(({ adapter }) => adapter.startsWith(role));

beforeAll(async () => {
  own = data(await first('multiagent-finetuning'));
});

describe('union', () => {
  it('trains one model on the data of all agents, and lets it play every seat', async () => {
    const events = await first('union');
    const sets = data(events);
    expect(sets.map(({ adapter }) => adapter)).toEqual(['everybody']);
    expect(members(sets)).toEqual(members(own));
    const tests = of(events, 'episode').filter(({ learner, iteration }) => learner === 'society' && iteration === 1);
    expect(new Set(tests.flatMap(({ turns }) => turns.map(({ agent }) => agent)))).toEqual(new Set(['everybody']));
    const [started] = of(events, 'run-started');
    expect(started?.agents.map(({ id, seat }) => [id, seat])).toEqual([
      ['base', null],
      ['everybody', null],
      ['single', null],
    ]);
  });
});

describe('shared-pair', () => {
  it('trains one generator on all generators’ data and one critic on all critics’', async () => {
    const sets = data(await first('shared-pair'));
    expect(sets.map(({ adapter }) => adapter)).toEqual(['generator', 'critic']);
    expect(members(sets.slice(0, 1))).toEqual(members(of_('generator')));
    expect(members(sets.slice(1))).toEqual(members(of_('critic')));
  });
});

describe('random-split', () => {
  it('deals the data of each role to as many agents, each example once, in parts of equal size', async () => {
    const sets = data(await first('random-split'));
    for (const role of ['generator', 'critic']) {
      const parts = sets.filter(({ adapter }) => adapter.startsWith(role));
      expect(members(parts)).toEqual(members(of_(role)));
      const sizes = parts.map(({ examples }) => examples.length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
    const seats = (set?: DatasetBuilt) => new Set(set?.examples.map(({ turn }) => turn % 3));
    expect(seats(sets[0]).size).toBeGreaterThan(1);
    expect(members(data(await first('random-split')))).toEqual(members(sets));
  });

  it.each(['dpo', 'kto', 'advantage'])('deals what all agents may learn from by %s too', async (rule) => {
    const learning = { ...ONE, 'update.rule': rule };
    const named = (sets: DatasetBuilt[], role: string) =>
      sets
        .filter(({ adapter }) => adapter.startsWith(role))
        .map(({ examples }) => examples.map(({ problem, turn, rejected }) => `${problem} ${turn} ${rejected?.turn}`));
    const [society, split] = await Promise.all(
      ['multiagent-finetuning', 'random-split'].map(async (recipe) =>
        data(await logOf(new FakeRuntime(), smallConfig(learning, recipe))),
      ),
    );
    for (const role of ['generator', 'critic']) {
      const [theirs, parts] = [named(society!, role), named(split!, role)];
      expect(parts.flat().sort()).toEqual(theirs.flat().sort());
      expect(parts).not.toEqual(theirs);
      const sizes = parts.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
  });

  it('deals to those alone who are no saboteurs', async () => {
    for (const rule of ['sft', 'kto']) {
      const config = smallConfig({ ...ONE, 'saboteur.seats': 1, 'update.rule': rule }, 'random-split');
      const sets = data(await logOf(new FakeRuntime(), config));
      const sizes = (role: string) =>
        sets.filter(({ adapter }) => adapter.startsWith(role)).map(({ examples }) => examples.length);
      for (const role of ['generator', 'critic']) {
        const [one = 0, two = 0, saboteur] = sizes(role);
        expect(saboteur).toBe(0);
        expect(one).toBeGreaterThan(0);
        expect(Math.abs(one - two)).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe('gold-labels', () => {
  it('learns what equals the true answer, whatever the vote was', async () => {
    const events = await first('gold-labels');
    const episodes = of(events, 'episode').filter(
      ({ purpose, learner }) => purpose === 'train' && learner === 'society',
    );
    for (const { verdicts } of episodes) expect(verdicts.at(-1)?.by).toBe(CHECKER);
    for (const set of data(events)) {
      for (const { problem, turn } of set.examples) {
        const episode = episodes.find((one) => one.problem === problem);
        expect(episode?.turns[turn]?.right).toBe(true);
      }
    }
    const right = episodes.flatMap(({ turns }) => turns.filter((turn) => turn.layer === 0 && turn.right)).length;
    const generators = data(events).filter(({ adapter }) => adapter.startsWith('generator'));
    expect(generators.reduce((sum, { examples }) => sum + examples.length, 0)).toBe(right);
    const [labels] = of(events, 'pseudo-labels');
    expect([labels?.accepted, labels?.acceptedRight]).toEqual([24, 24]);
  });
});

describe('update rules on the same transcripts', () => {
  const debates = [
    heldDebate(10, ['5', '6', '5'], ['5', '5', '5']), // label 5; agent 1 was wrong first
    heldDebate(11, ['1', '2', '3'], ['2', '2', '3']), // label 2
    heldDebate(12, ['4', '4', '4'], ['4', '4', '4']), // all agree
    heldDebate(13, ['1', '2', '3'], ['1', '2', '3']), // too few votes
  ];
  const learnt = (
    rule: 'dpo' | 'kto' | 'advantage',
    role: 'generator' | 'critic',
    seat: number,
    group: 'prompt' | 'round' = 'prompt',
  ) => learntFrom(debates, { rule, group, role, seat, minimumVotes: 2, label: 'vote', equal: same });

  it('DPO pairs first answers of the majority with those of the minority, where the own one is in the pair', () => {
    expect(learnt('dpo', 'generator', 0)).toEqual({
      examples: [
        { problem: 10, turn: 0, kind: 'pair', rejected: { problem: 10, turn: 1 } },
        { problem: 11, turn: 1, kind: 'pair', rejected: { problem: 11, turn: 0 } },
      ],
      available: { pair: 2 },
      dropped: [
        { reason: DROPPED.unanimous, count: 1 },
        { reason: DROPPED.fewVotes, count: 1 },
      ],
    });
    // Agent 1 is the majority of one in problem 11: two pairs.
    expect(learnt('dpo', 'generator', 1).examples.map(({ turn, rejected }) => [turn, rejected?.turn])).toEqual([
      [0, 1],
      [2, 1],
      [1, 0],
      [1, 2],
    ]);
  });

  it('DPO pairs a critic’s revision with its own first answer, under the prompt of the revision', () => {
    expect(learnt('dpo', 'critic', 1).examples).toEqual([
      { problem: 10, turn: 4, kind: 'pair', prompt: 4, rejected: { problem: 10, turn: 1 } },
    ]);
    expect(learnt('dpo', 'critic', 0).examples).toEqual([
      { problem: 11, turn: 3, kind: 'pair', prompt: 3, rejected: { problem: 11, turn: 0 } },
    ]);
  });

  it('KTO takes every own turn, wanted or not', () => {
    expect(learnt('kto', 'generator', 2).examples.map(({ problem, weight }) => [problem, weight])).toEqual([
      [10, 1],
      [11, -1],
      [12, 1],
    ]);
  });

  it('advantages are signed, and none where all agree', () => {
    // Two of three agree: mean 2/3, deviation √2/3; +1/√2 and −√2.
    expect(learnt('advantage', 'generator', 0).examples.map(({ weight }) => weight)).toEqual([0.707107, -0.707107]);
    expect(learnt('advantage', 'generator', 1).examples.map(({ weight }) => weight)).toEqual([-1.414214, 1.414214]);
  });

  it('takes the advantage of a revision over what it answered: corrected, spoiled, or as it was', () => {
    const weights = (seat: number, group?: 'round') =>
      learnt('advantage', 'critic', seat, group).examples.map(({ problem, turn, weight }) => [problem, turn, weight]);
    // Seat 0 is corrected in problem 11, seat 1 in problem 10; nobody else changes towards the label or away from it.
    expect([weights(0), weights(1), weights(2)]).toEqual([[[11, 3, 1]], [[10, 4, 1]], []]);
    const spoiled = [heldDebate(14, ['7', '7', '8'], ['8', '7', '7'])];
    const rule = { rule: 'advantage', role: 'critic', seat: 0, minimumVotes: 2, label: 'vote', equal: same } as const;
    expect(learntFrom(spoiled, rule).examples).toEqual([{ problem: 14, turn: 3, kind: 'minority', weight: -1 }]);
    // Over the round: 2, 2, 3 gives +1/√2 twice and −√2, whatever each has read; 5, 5, 5 nothing.
    expect([weights(0, 'round'), weights(1, 'round'), weights(2, 'round')]).toEqual([
      [[11, 3, 0.707107]],
      [[11, 4, 0.707107]],
      [[11, 5, -1.414214]],
    ]);
  });

  it.each(['dpo', 'kto', 'advantage'])('%s runs, and says its objective', async (rule) => {
    const config = smallConfig({ ...ONE, 'update.rule': rule, ...(rule !== 'advantage' && { 'update.beta': 0.3 }) });
    const runtime = new FakeRuntime();
    const [set] = data(await logOf(runtime, config));
    expect(set?.objective).toEqual(rule === 'advantage' ? { kind: 'sft' } : { kind: rule, beta: 0.3 });
    const [track] = runtime.trained[0]?.tracks ?? [];
    if (rule === 'dpo') expect(track?.pairs?.length).toBe(set?.examples.length);
    if (rule === 'kto')
      expect(new Set(track?.examples.map(({ desirable }) => desirable))).toEqual(new Set([true, false]));
    if (rule === 'advantage') expect(track?.examples.some(({ weight = 1 }) => weight < 0)).toBe(true);
  });
});

describe('equal-steps', () => {
  it.each([1, 3])('gives the single model %d times the mean steps of a generator', async (times) => {
    const config = smallConfig({ ...ONE, 'single.steps': times }, 'equal-steps');
    const runtime = new FakeRuntime();
    const sets = of(await logOf(runtime, config), 'dataset');
    const { epochs, batchSize } = config.finetune;
    const steps = sets
      .filter(({ adapter }) => adapter.startsWith('generator'))
      .map(({ examples }) => epochs * Math.ceil(examples.length / batchSize));
    expect(steps).toHaveLength(3);
    const [job] = runtime.trained;
    const single = job?.tracks.find(({ adapter }) => adapter === 'single');
    expect(single?.batches).toHaveLength(Math.round((times * (steps[0]! + steps[1]! + steps[2]!)) / 3));
    // The examples are those of the single model without the limit.
    const free = new FakeRuntime();
    await logOf(free, smallConfig({ ...ONE, 'single.steps': 0 }, 'equal-steps'));
    const own = free.trained[0]?.tracks.find(({ adapter }) => adapter === 'single');
    expect(single?.examples).toEqual(own?.examples);
    expect(own?.batches.length).not.toBe(single?.batches.length);
  });

  it('counts no saboteur, who takes no steps', async () => {
    const config = smallConfig({ ...ONE, 'saboteur.seats': 1 }, 'equal-steps');
    const runtime = new FakeRuntime();
    const sets = of(await logOf(runtime, config), 'dataset');
    const { epochs, batchSize } = config.finetune;
    const [one = 0, two = 0] = ['generator-0', 'generator-1'].map(
      (name) => epochs * Math.ceil(sets.find(({ adapter }) => adapter === name)!.examples.length / batchSize),
    );
    const single = runtime.trained[0]?.tracks.find(({ adapter }) => adapter === 'single');
    expect(one).toBeGreaterThan(0);
    expect(single?.batches).toHaveLength(Math.round((one + two) / 2));
  });

  it('takes 5 examples in batches of 2 for 7 steps through two epochs and a part of a third', () => {
    const name = { seed: 1, stream: 6 };
    const batches = makeSteps(5, 7, 2, name);
    expect(batches.map(({ length }) => length)).toEqual([2, 2, 1, 2, 2, 1, 2]);
    expect(batches).toEqual(makeBatches(5, 3, 2, name).slice(0, 7));
    expect(makeSteps(0, 7, 2, name)).toEqual([]);
    expect(makeSteps(5, 0, 2, name)).toEqual([]);
  });
});
