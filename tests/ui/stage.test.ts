/** The stage: what it draws of a log and of the text being sampled, and which debate it shows for how long. */
import { describe, expect, it } from 'vitest';
import type { Episode, RunEvent, Turn, Verdict } from '../../src/events';
import type { PartialDebate } from '../../src/lab/types';
import { register } from '../../src/recipes';
import { resolveConfig } from '../../src/recipes/resolve';
import type { Recipe } from '../../src/recipes/types';
import { viewOf } from '../../src/ui/readings/episodes';
import { indexLog } from '../../src/ui/readings/logIndex';
import { stagesOf } from '../../src/ui/readings/runCast';
import { destinationsOf } from '../../src/ui/stage/destinations';
import { arrivalsAt, restingScene, stageOf } from '../../src/ui/stage/picture';
import { Showcase } from '../../src/ui/stage/showcase';
import { toy } from '../recipes/toy';
import { dataset, debate, evaluation, problems, started, won } from './logs';

const config = resolveConfig('arithmetic-tiny', { minimumVotes: 2 });

const rescued = debate({
  problem: 1,
  answers: [
    ['5', '7', '9'],
    ['5', '5', '9'],
  ],
  votes: [won('5', 1, true), won('5', 2)],
});
const split = debate({
  problem: 2,
  answers: [
    ['1', '2', null],
    ['1', '2', '3'],
  ],
  votes: [won('2', 1, true), won('3', 1, true)],
});
const opening: RunEvent[] = [started(), problems({ 1: '5', 2: '3' }), { type: 'iteration-started', iteration: 1 }];

function sampling(texts: string[], round = 1, earlier: string[][] = [], problem = 1): PartialDebate {
  return { purpose: 'train', learner: 'society', iteration: 1, problem, round, texts, earlier };
}

function draw(events: RunEvent[], partial: PartialDebate | null, state: 'running' | 'paused' = 'running') {
  const index = indexLog(events);
  return stageOf({
    config,
    index,
    status: { state, activity: null, phase: 'answer' },
    scene: partial ? { sampling: partial } : restingScene(index),
  });
}

describe('stageOf', () => {
  it('shows answers as they arrive, and no vote before there is one', () => {
    const stage = draw([...opening], sampling(['2+3=5#5', '2+', '']));
    expect(stage).toMatchObject({
      phase: 'answer',
      question: 'q1',
      round: 1,
      evaluating: false,
      tally: null,
      vote: null,
    });
    expect(stage.agents.map(({ first }) => first)).toEqual([
      { text: '2+3=5#5', answer: '5', done: false, right: null },
      { text: '2+', answer: null, done: false, right: null },
      { text: '', answer: null, done: false, right: null },
    ]);
    expect(stage.agents[0]).toMatchObject({ last: null, reads: [], destinations: { first: null, last: null } });
  });

  it('lets each agent read the others, never itself', () => {
    const stage = draw([...opening], sampling(['', '#5', ''], 2, [['#5', '#7', 'x']]));
    expect(stage.agents.map(({ reads }) => reads)).toEqual([
      [
        { slot: 1, answer: '7' },
        { slot: 2, answer: null },
      ],
      [
        { slot: 0, answer: '5' },
        { slot: 2, answer: null },
      ],
      [
        { slot: 0, answer: '5' },
        { slot: 1, answer: '7' },
      ],
    ]);
    expect(stage.agents[1]).toMatchObject({ first: { answer: '7', done: true }, last: { answer: '5', done: false } });
  });

  it('sends the responses of a held debate where selection would', () => {
    const index = indexLog([...opening, rescued, split]);
    const goes = (episode: Episode, seat: number) => destinationsOf(index, config, viewOf(episode), seat);
    expect(goes(rescued, 0)).toMatchObject({ first: { bin: 'G' }, last: { bin: 'C+' } });
    expect(goes(rescued, 1)).toMatchObject({ first: { bin: 'dropped' }, last: { bin: 'C-' } });
    expect(goes(rescued, 2)).toMatchObject({ first: { bin: 'dropped' }, last: { bin: 'dropped' } });
    expect(goes(split, 2).last).toMatchObject({ bin: 'dropped', why: 'label has too few votes' });
    expect(goes({ ...rescued, purpose: 'evaluation' }, 0)).toEqual({ first: null, last: null });
  });

  it('counts candidates while debates are held, then what was chosen', () => {
    const before = draw([...opening, rescued, split], null);
    const critic = before.adapters.find(({ name }) => name === 'critic-1')!;
    expect(critic).toMatchObject({ chosen: false, version: 0 });
    expect(critic.bins).toEqual([
      { bin: 'C-', count: 1 },
      { bin: 'C+', count: 0 },
      { bin: 'dropped', count: 1 },
    ]);
    const after = draw(
      [
        ...opening,
        rescued,
        split,
        dataset(3, {
          iteration: 1,
          adapter: 'critic-1',
          entries: [],
          available: { 'C-': 1, 'C+': 0 },
          dropped: [{ reason: 'left out to keep the share w', count: 2 }],
        }),
      ],
      null,
    );
    expect(after.adapters.find(({ name }) => name === 'critic-1')).toMatchObject({
      chosen: true,
      bins: [
        { bin: 'C-', count: 0 },
        { bin: 'C+', count: 0 },
        { bin: 'dropped', count: 2 },
      ],
    });
  });

  it('draws vote, losses, versions and scores', () => {
    const track = { adapter: 'generator-0', gradNorm: 1, lr: 0.1, tokens: 3 };
    const step = { type: 'training-step', iteration: 1, job: 'finetune/1', totalSteps: 2 } as const;
    const events: RunEvent[] = [
      ...opening.slice(0, 2),
      evaluation('base', 0, ['1000', '1000', '1100']),
      opening[2]!,
      split,
      rescued,
      { ...step, step: 0, tracks: [{ ...track, loss: 3 }] },
      { ...step, step: 1, tracks: [{ ...track, loss: 2 }] },
      { type: 'adapter', iteration: 1, adapter: 'generator-0', hash: '00', from: { job: 'finetune/1', steps: 2 } },
      evaluation('society', 1, ['1000', '1000', '1110']),
    ];
    const stage = draw(events, null);
    expect(stage.vote).toEqual({ answer: '5', count: 2, tied: false, accepted: true });
    expect(stage.tally).toEqual([
      { answer: '5', agents: [0, 1], won: true },
      { answer: '9', agents: [2], won: false },
    ]);
    expect(stage.steps).toEqual({ step: 2, total: 2 });
    expect(stage.adapters[0]).toMatchObject({ name: 'generator-0', losses: [3, 2], version: 1, training: false });
    expect(stage.adapters[1]).toMatchObject({ name: 'generator-1', losses: [], version: 0 });
    expect(stage.scores).toEqual([
      { iteration: 0, learner: 'base', right: 2, n: 4, correct: '1100' },
      { iteration: 1, learner: 'society', right: 3, n: 4, correct: '1110' },
    ]);
    expect(stage.counters).toEqual({ done: 2, problems: config.trainProblems });
  });

  it('draws an empty log', () => {
    expect(draw([], null)).toMatchObject({ question: null, tally: null, scores: [] });
  });
});

/** A recipe of the tests in which nobody votes, without a line about what its agents learn from. */
function withToy<T>(look: () => T): T {
  const end = register(toy as unknown as Recipe);
  try {
    return look();
  } finally {
    end();
  }
}

describe('a run of another recipe', () => {
  const said = (answer: string) => ({ text: `?#${answer}`, answer, finish: 'stop' as const, tokens: 4 });
  const learning = (turns: Partial<Turn>[], verdicts: Verdict[], learner: string, agent: string): Episode => ({
    ...debate({ problem: 1, answers: [['5']], votes: [], learner }),
    turns: turns.map((turn, at) => ({
      call: `call-${at}`,
      kind: 'answer',
      agent,
      seat: 0,
      layer: 0,
      parents: [],
      ...said('5'),
      ...turn,
    })),
    verdicts,
  });

  function drawRun(recipe: string, events: RunEvent[]) {
    const run = [started({}, recipe), problems({ 1: '5' }), ...events];
    const index = indexLog(run);
    const config = index.started!.config;
    return stageOf({ config, index, status: null, scene: restingScene(index) });
  }

  it('shows what a checker found where there is no vote', () => {
    const checked = (of: number[], scores: number[]) => ({ by: 'checker', of, answer: '5', scores });
    const episode = learning(
      [said('4'), { kind: 'hint', layer: 1, parents: [0], ...said('5') }],
      [checked([0], [0]), checked([1], [1])],
      'star',
      'single',
    );
    const stage = drawRun('star', [episode]);
    expect(stage).toMatchObject({ tally: null, vote: null, layered: true, reading: false, measure: 'single' });
    expect(stage.marks).toEqual([
      { slot: 0, answer: '4', score: 0, by: null },
      { slot: 0, answer: '5', score: 1, by: null },
    ]);
    expect(stage.agents).toHaveLength(1);
    expect(stage.agents[0]!.destinations).toMatchObject({ first: { bin: 'dropped' }, last: { bin: 'hinted' } });
    expect(stage.speakers).toEqual({ first: 'model', last: 'with the hint' });
    expect(stage.adapters).toMatchObject([
      {
        name: 'single',
        slot: null,
        bins: [
          { bin: 'direct', count: 0 },
          { bin: 'hinted', count: 1 },
          { bin: 'dropped', count: 1 },
        ],
      },
    ]);
  });

  it('puts samples at seats and lets all of them arrive at the one adapter', () => {
    const answers = [['5', '7', '5']];
    const stage = drawRun('majority-finetuning', [
      debate({ problem: 1, answers, votes: [won('5', 2)], learner: 'single' }),
    ]);
    expect(stage).toMatchObject({ layered: false, vote: { answer: '5', accepted: true }, measure: 'majority' });
    expect(arrivalsAt(stage, 'single').map(({ slot, bin }) => [slot, bin])).toEqual([
      [0, 'M'],
      [1, 'dropped'],
      [2, 'M'],
    ]);
  });

  it('has as many seats as take part, though other parts of the run have more', () => {
    const votes = [won('5', 2), won('5', 2)];
    const answers = ['5', '7', '5'];
    const debated = { problem: 1, purpose: 'evaluation', learner: 'base', iteration: 0 } as const;
    const stage = drawRun('debate', [debate({ ...debated, answers: [answers, answers], votes })]);
    expect(stage.agents.map(({ slot }) => slot)).toEqual([0, 1, 2]);
    expect(stage.layered).toBe(true);
    const samples = drawRun('debate', [
      debate({ ...debated, answers: [[...answers, ...answers]], votes: [won('5', 4)] }),
    ]);
    expect(samples.agents).toHaveLength(6);
    // They do not debate, although the recipe does.
    expect(samples.layered).toBe(false);
  });

  it('says why a vote is no label', () => {
    const answers = [['1', '2', '3']];
    const stage = drawRun('majority-finetuning', [
      debate({ problem: 1, answers, votes: [won('2', 1, true)], learner: 'single' }),
    ]);
    expect(stage.vote).toMatchObject({ accepted: false, why: 'label has too few votes' });
  });

  it('draws a tree with scores by the fates alone', () => {
    const leaf = (seat: number) => ({ kind: 'revision', layer: 1, seat, parents: [0] });
    const episode = learning(
      [{}, leaf(0), leaf(1), leaf(2)],
      [{ by: 'judge', of: [0, 1, 2, 3], scores: [0.1, 0.9, 0.3, 0.2], ranking: [1, 2, 3, 0] }],
      'tree',
      'grower',
    );
    withToy(() => {
      const stage = drawRun(toy.id, [episode]);
      expect(stage).toMatchObject({ tally: null, vote: null, layered: true });
      expect(stage.agents.map(({ first, last, reads }) => [first.text, last?.text, reads.length])).toEqual([
        ['?#5', '?#5', 0],
        ['', '?#5', 1],
        ['', '?#5', 1],
      ]);
      expect(stage.marks?.map(({ slot, score }) => [slot, score])).toEqual([
        [0, 0.1],
        [0, 0.9],
        [1, 0.3],
        [2, 0.2],
      ]);
      expect(stage.adapters[0]).toMatchObject({
        name: 'grower',
        bins: [
          { bin: 'best', count: 1 },
          { bin: 'dropped', count: 3 },
        ],
      });
    });
  });

  it('draws what the log says of a recipe that it does not know', () => {
    const index = withToy(() => indexLog([started({}, toy.id), problems({ 1: '5' })]));
    const stage = stageOf({ config: index.started!.config, index, status: null, scene: null });
    expect(stage).toMatchObject({ stages: [], vote: null, agents: [{ slot: 0 }] });
    expect(stage.learner.name).toBe('the untouched model');
  });
});

describe('Showcase', () => {
  const running = (phase: string) => ({
    state: 'running' as const,
    phase,
  });

  it('follows a debate to its vote and keeps that on show while the next one begins', () => {
    const showcase = new Showcase(stagesOf(config));
    const before = indexLog([...opening]);
    const first = sampling(['2+', '', '']);
    expect(showcase.look(0, before, running('answer'), first)).toMatchObject({
      scene: { sampling: first },
      phase: 'answer',
    });
    const more = sampling(['2+3', '', '']);
    expect(showcase.look(20, before, running('answer'), more).scene).toEqual({ sampling: more });

    const after = indexLog([...opening, rescued]);
    const next = sampling([''], 1, [], 2);
    const shown = showcase.look(40, after, running('ask'), next);
    expect(shown).toMatchObject({ scene: { held: viewOf(rescued) }, phase: 'vote' });
    expect(showcase.look(40 + shown.again!, after, running('answer'), next)).toMatchObject({
      scene: { sampling: next },
      phase: 'answer',
    });
  });

  it('samples a device that is faster than the eye', () => {
    const showcase = new Showcase(stagesOf(config));
    const events: RunEvent[] = [...opening];
    const seen = new Set<unknown>();
    for (let i = 0; i < 100; i++) {
      events.push({ ...rescued, problem: 10 + i });
      const { scene } = showcase.look(
        i * 50,
        indexLog([...events]),
        running('answer'),
        sampling(['#5'], 1, [], 10 + i),
      );
      seen.add(scene && 'held' in scene ? scene.held.problem : null);
    }
    expect(seen.size).toBeGreaterThan(2);
    expect(seen.size).toBeLessThan(10);
  });

  it('shows the building of data although finetuning has already begun', () => {
    const showcase = new Showcase(stagesOf(config));
    const partial = sampling(['#5', '#5', '#9'], 2, [['#5', '#7', '#9']]);
    const held = indexLog([...opening, rescued]);
    showcase.look(0, held, running('vote'), partial);
    const built = indexLog([
      ...opening,
      rescued,
      dataset(3, { iteration: 1, adapter: 'generator-0', entries: [], available: { G: 0 }, dropped: [] }),
    ]);
    const vote = showcase.look(10, built, running('finetune'), partial);
    expect(vote.phase).toBe('vote');
    const data = showcase.look(10 + vote.again!, built, running('finetune'), partial);
    expect(data.phase).toBe('data');
    expect(data.again).not.toBeNull();
    expect(showcase.look(20 + vote.again! + data.again!, built, running('finetune'), partial).phase).toBe('finetune');
  });

  it('rests on the last debate that was learnt from when nothing is at work', () => {
    const index = indexLog([...opening, rescued, { ...split, purpose: 'evaluation' }]);
    expect(new Showcase(stagesOf(config)).look(0, index, null, null)).toEqual({
      scene: { held: viewOf(rescued) },
      phase: null,
      again: null,
    });
  });
});
