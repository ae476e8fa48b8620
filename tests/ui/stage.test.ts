/** The stage: what it draws of a log and of the text being sampled, and which debate it shows for how long. */
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import type { PartialDebate } from '../../src/lab/types';
import { resolveConfig } from '../../src/recipes/resolve';
import { indexLog } from '../../src/ui/model/logIndex';
import { destinationsOf } from '../../src/ui/stage/destinations';
import { restingScene, stageOf } from '../../src/ui/stage/model';
import { Showcase } from '../../src/ui/stage/showcase';
import { debate, evaluation, problems, started, won } from './logs';

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
  return { purpose: 'train', team: 'society', iteration: 1, problem, round, texts, earlier };
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
      { text: '2+3=5#5', answer: '5', done: false },
      { text: '2+', answer: null, done: false },
      { text: '', answer: null, done: false },
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
    expect(destinationsOf(index, rescued, 0, 2)).toMatchObject({ first: { bin: 'G' }, last: { bin: 'C+' } });
    expect(destinationsOf(index, rescued, 1, 2)).toMatchObject({ first: { bin: 'dropped' }, last: { bin: 'C-' } });
    expect(destinationsOf(index, rescued, 2, 2)).toMatchObject({ first: { bin: 'dropped' }, last: { bin: 'dropped' } });
    expect(destinationsOf(index, split, 2, 2).last).toEqual({ bin: 'dropped', why: 'label has too few votes' });
    expect(destinationsOf(index, { ...rescued, purpose: 'evaluation' }, 0, 2)).toEqual({ first: null, last: null });
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
        {
          type: 'dataset',
          iteration: 1,
          adapter: 'critic-1',
          entries: [],
          available: { 'C-': 1, 'C+': 0 },
          dropped: [{ reason: 'left out to keep the share w', count: 2 }],
        },
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
    const events: RunEvent[] = [
      ...opening.slice(0, 2),
      evaluation('base', 0, ['1000', '1000', '1100']),
      opening[2]!,
      split,
      rescued,
      { type: 'training-step', iteration: 1, team: 'society', step: 0, totalSteps: 2, tracks: [{ ...track, loss: 3 }] },
      { type: 'training-step', iteration: 1, team: 'society', step: 1, totalSteps: 2, tracks: [{ ...track, loss: 2 }] },
      { type: 'adapter-updated', iteration: 1, adapter: 'generator-0', steps: 2, hash: '00' },
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
      { iteration: 0, team: 'base', right: 2, n: 4 },
      { iteration: 1, team: 'society', right: 3, n: 4 },
    ]);
    expect(stage.counters).toEqual({ done: 2, problems: config.trainProblems });
  });

  it('draws an empty log', () => {
    expect(draw([], null)).toMatchObject({ question: null, tally: null, scores: [] });
  });
});

describe('Showcase', () => {
  const running = (phase: 'ask' | 'answer' | 'read' | 'revise' | 'vote' | 'data' | 'finetune') => ({
    state: 'running' as const,
    phase,
  });

  it('follows a debate to its vote and keeps that on show while the next one begins', () => {
    const showcase = new Showcase();
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
    expect(shown).toMatchObject({ scene: { held: rescued }, phase: 'vote' });
    expect(showcase.look(40 + shown.again!, after, running('answer'), next)).toMatchObject({
      scene: { sampling: next },
      phase: 'answer',
    });
  });

  it('samples a device that is faster than the eye', () => {
    const showcase = new Showcase();
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
    const showcase = new Showcase();
    const partial = sampling(['#5', '#5', '#9'], 2, [['#5', '#7', '#9']]);
    const held = indexLog([...opening, rescued]);
    showcase.look(0, held, running('vote'), partial);
    const built = indexLog([
      ...opening,
      rescued,
      { type: 'dataset', iteration: 1, adapter: 'generator-0', entries: [], available: { G: 0 }, dropped: [] },
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
    expect(new Showcase().look(0, index, null, null)).toEqual({ scene: { held: rescued }, phase: null, again: null });
  });
});
