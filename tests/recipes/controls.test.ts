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
  const learnt = (rule: 'dpo' | 'kto' | 'advantage', role: 'generator' | 'critic', seat: number) =>
    learntFrom(debates, { rule, role, seat, minimumVotes: 2, label: 'vote', equal: same });

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

  it.each(['dpo', 'kto', 'advantage'])('%s runs, and says its objective', async (rule) => {
    const config = smallConfig({ ...ONE, 'update.rule': rule, 'update.beta': 0.3 });
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

  it('takes 5 examples in batches of 2 for 7 steps through two epochs and a part of a third', () => {
    const name = { seed: 1, stream: 6 };
    const batches = makeSteps(5, 7, 2, name);
    expect(batches.map(({ length }) => length)).toEqual([2, 2, 1, 2, 2, 1, 2]);
    expect(batches).toEqual(makeBatches(5, 3, 2, name).slice(0, 7));
    expect(makeSteps(0, 7, 2, name)).toEqual([]);
    expect(makeSteps(5, 0, 2, name)).toEqual([]);
  });
});
