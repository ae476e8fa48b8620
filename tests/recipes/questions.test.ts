/** Settings that ask questions of a society: who reads whom, a saboteur, random labels, no critics. */
import { describe, expect, it } from 'vitest';
import type { Episode } from '../../src/events';
import { ledgerOf } from '../../src/log/ledger';
import { drawInt, STREAMS } from '../../src/random';
import { callsOfSociety } from '../../src/recipes/societyCalls';
import { drawn, DRAW } from '../../src/society/episode';
import { DROPPED, pseudoLabel } from '../../src/society/selection';
import { heldDebate, same } from '../society/handmade';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

const ONE = { iterations: 1 };

/** The log of a run, what was asked, and its debates. */
async function played(overrides: Record<string, string | number>, recipe = 'multiagent-finetuning') {
  const runtime = new FakeRuntime();
  const events = await logOf(runtime, smallConfig({ ...ONE, ...overrides }, recipe));
  const episodes = of(events, 'episode');
  const debates = episodes.filter(({ learner, purpose }) => learner === 'society' && purpose === 'train');
  return { runtime, events, episodes, debates };
}

const parentsIn = ({ turns }: Episode) => turns.filter(({ layer }) => layer === 1).map(({ parents }) => parents);

describe('who reads whom', () => {
  it('reads all others, the next one or nobody, beside its own answer', async () => {
    const parents = async (reads: string) => parentsIn((await played({ reads })).debates[0]!);
    expect(await parents('all')).toEqual([
      [0, 1, 2],
      [1, 0, 2],
      [2, 0, 1],
    ]);
    expect(await parents('one')).toEqual([
      [0, 1],
      [1, 2],
      [2, 0],
    ]);
    expect(await parents('none')).toEqual([[0], [1], [2]]);
  });

  it('asks with so many answers, in training and in tests, and first answers stay as they were', async () => {
    const all = await played({});
    const none = await played({ reads: 'none' });
    const revisions = (run: typeof none) => run.runtime.asked.flat().filter(({ kind }) => kind === 'revision');
    const quoted = (run: typeof none) =>
      new Set(revisions(run).map(({ messages }) => messages[0]!.content.split('~')[1]!.split(',').length));
    expect(quoted(all)).toEqual(new Set([2]));
    for (const { messages } of revisions(none)) expect(messages[0]?.content).toMatch(/@(-?\d+|x)~$/);
    const firsts = (run: typeof none) => run.debates.map(({ turns }) => turns.slice(0, 3));
    expect(firsts(none)).toEqual(firsts(all));
  });

  it('needs no summaries where nobody reads', () => {
    const size = { agents: 3, rounds: 2, summary: 'base-model' };
    expect([callsOfSociety({ ...size, reads: 'one' }), callsOfSociety({ ...size, reads: 'none' })]).toEqual([9, 6]);
  });
});

describe('a saboteur', () => {
  it('states one answer in every round, in training and in tests of the society, and learns nothing', async () => {
    const { events, episodes } = await played({ 'saboteur.seats': 1, 'saboteur.says': '17' });
    for (const { learner, turns } of episodes)
      for (const { seat, text, answer } of turns) {
        if (learner === 'society' && seat === 2) expect([text, answer]).toEqual(['#17', '17']);
        else expect(text).not.toBe('#17');
      }
    const sets = of(events, 'dataset').filter(({ adapter }) => adapter.endsWith('-2'));
    expect(sets.map(({ examples }) => examples.length)).toEqual([0, 0]);
    const others = of(events, 'dataset').filter(({ adapter }) => /-[01]$/.test(adapter));
    for (const { examples } of others) expect(examples.length).toBeGreaterThan(0);
  });

  it('leaves somebody to learn, and is not merged', async () => {
    expect(() => smallConfig({ 'saboteur.seats': 3 })).toThrow(/^saboteur\.seats: 3 of 3 agents/);
    const { runtime } = await played({ 'saboteur.seats': 1, 'merge.rules': 'emr' }, 'merge');
    expect(runtime.merged.map(({ name, adapters, rule }) => [name, adapters, 'of' in rule && rule.of])).toEqual([
      ['merged-emr-0', ['generator-0', 'generator-1'], 0],
      ['merged-emr-1', ['generator-0', 'generator-1'], 1],
    ]);
  });
});

describe('random labels', () => {
  it('take the answer of a seat that a draw chose among those that can be read', () => {
    const episode = heldDebate(10, ['5', '6', '5'], ['5', null, '7']);
    const name = { seed: 3, stream: STREAMS.randomLabel, iteration: 1, problem: 10 };
    const verdict = drawn(episode, [3, 4, 5], same, name);
    const wanted = ['5', '7'][drawInt(name, 0, 2)];
    expect(verdict).toMatchObject({ by: DRAW, answer: wanted, joined: wanted === '5' ? [0, 2, 3] : [5] });
    // One vote is enough, and none is needed where nothing can be read.
    expect(pseudoLabel(episode, 3, 'random')).toEqual({ label: verdict });
    const silent = heldDebate(11, [null, null], [null, null]);
    expect(drawn(silent, [2, 3], same, name).answer).toBeNull();
    expect(pseudoLabel(silent, 1, 'random')).toEqual({ rejected: DROPPED.noVote });
  });

  it('are what the society learns from, and the single model beside it votes', async () => {
    const { events, debates } = await played({ labels: 'random' });
    const sets = of(events, 'dataset');
    for (const { adapter, examples } of sets.filter((set) => set.adapter.startsWith('generator')))
      for (const { problem, turn } of examples) {
        const episode = debates.find((one) => one.problem === problem)!;
        expect(episode.turns[turn]?.answer, adapter).toBe(episode.verdicts.at(-1)?.answer);
      }
    const labels = debates.filter(({ verdicts }) => verdicts.at(-1)?.by === DRAW);
    expect(labels).toHaveLength(14);
    // Some labels are not the majority's.
    expect(debates.some(({ verdicts }) => verdicts.at(-1)?.answer !== verdicts.at(-2)?.answer)).toBe(true);
    const plain = await played({});
    const single = (all: typeof events) => of(all, 'dataset').find(({ adapter }) => adapter === 'single')?.examples;
    expect(single(events)).toEqual(single(plain.events));
  });

  it('count the votes of the answer that was drawn', async () => {
    const { events, debates } = await played({ labels: 'random', trainProblems: 24 });
    const votesOf = ({ turns, verdicts }: Episode) => {
      const { answer, of: at } = verdicts.findLast(({ by }) => by === DRAW)!;
      return at.filter((turn) => turns[turn]?.answer === answer).length;
    };
    const [labels] = of(events, 'pseudo-labels').filter(({ learner }) => learner === 'society');
    const expected = [1, 2, 3].map((votes) => debates.filter((debate) => votesOf(debate) === votes).length);
    expect([1, 2, 3].map((votes) => labels?.byVotes.find((row) => row.votes === votes)?.problems ?? 0)).toEqual(
      expected,
    );
    expect(expected[0]).toBeGreaterThan(0);
    // By margin: what was drawn, minus the next answer.
    const margin = (debate: Episode) => {
      const own = votesOf(debate);
      const { answer } = debate.verdicts.findLast(({ by }) => by === DRAW)!;
      const others = debate.turns
        .filter((turn) => turn.layer === 1 && turn.answer !== answer)
        .map((turn) => turn.answer);
      const counts = others.map((other) => others.filter((one) => one === other && one !== null).length);
      return own - Math.max(0, ...counts);
    };
    const rows = ledgerOf(events)!.margins;
    for (const row of rows) expect(row.problems).toBe(debates.filter((debate) => margin(debate) === row.margin).length);
    expect(rows.reduce((sum, { problems }) => sum + problems, 0)).toBe(debates.length);
  });

  it('do not go with true ones', () => {
    expect(() => smallConfig({ labels: 'random' }, 'gold-labels')).toThrow(/^labels: is not a setting/);
  });
});

describe('no critics', () => {
  it('lets generators revise, and trains them on first answers only', async () => {
    const { runtime, debates } = await played({ critics: 'false' });
    expect(runtime.trained[0]?.tracks.map(({ adapter }) => adapter)).toEqual([
      'generator-0',
      'generator-1',
      'generator-2',
      'single',
    ]);
    for (const { turns } of debates)
      expect(turns.map(({ agent }) => agent)).toEqual([0, 1, 2, 0, 1, 2].map((seat) => `generator-${seat}`));
    const plain = await played({});
    const data = (run: typeof plain) => of(run.events, 'dataset').filter(({ adapter }) => adapter.startsWith('gen'));
    expect(data({ ...plain }).map(({ examples }) => examples)).toEqual(
      of((await played({ critics: 'false' })).events, 'dataset')
        .filter(({ adapter }) => adapter.startsWith('gen'))
        .map(({ examples }) => examples),
    );
  });
});

describe('a setting that others leave without effect', () => {
  it.each([
    ['reads=one', { rounds: 1, reads: 'one' }, 'reads: changes nothing with rounds=1'],
    ['critics=false', { rounds: 1, critics: 'false' }, 'critics: changes nothing with rounds=1'],
    ['single.steps', { singleAgentBaseline: 'false', 'single.steps': 1 }, 'single.steps: is about the one model'],
    ['saboteur.says', { 'saboteur.says': '7' }, 'saboteur.says: is said by nobody'],
    [
      'update.beta',
      { 'update.rule': 'advantage', 'update.beta': 0.5 },
      'update.beta: is not read by update.rule=advantage',
    ],
    ['update.group', { 'update.group': 'round' }, 'update.group: is not read by update.rule=sft'],
    [
      'update.group of nobody',
      { 'update.rule': 'advantage', 'update.group': 'round', critics: 'false' },
      'update.group: is about revisions',
    ],
  ])('is refused: %s', (_, overrides, words) => {
    expect(() => smallConfig(overrides)).toThrow(words);
  });

  it('is refused of recipes after the society, too', () => {
    expect(() => smallConfig({ 'distil.beta': 0.3 }, 'distil')).toThrow(/^distil\.beta: is not read/);
    expect(() => smallConfig({ 'merge.rules': 'emr', 'merge.lambda': 1 }, 'merge')).toThrow(
      /^merge\.lambda: is read by/,
    );
    expect(() => smallConfig({ 'merge.rules': 'task-arithmetic', 'merge.rank': 8 }, 'merge')).toThrow(/^merge\.rank/);
    expect(() => smallConfig({ singleAgentBaseline: 'false' }, 'equal-steps')).toThrow(/^single\.steps/);
  });
});
