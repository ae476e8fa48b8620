/** Replays: where they can stand in a log, what follows, what the log was there, and what is said. Worked out by hand. */
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { indexLog } from '../../src/ui/readings/logIndex';
import { Charted } from '../../src/ui/readings/charted';
import { Prefixes } from '../../src/ui/readings/prefixes';
import {
  placeIn,
  placeName,
  placeNamed,
  placeWithin,
  stepped,
  stepsOf,
  stretchesOf,
  whole,
  type Position,
  type ReplayUnit,
} from '../../src/ui/readings/replay';
import { recipeOf, stagesOf } from '../../src/ui/readings/runCast';
import { nextMove, REPLAY_SPEEDS, type ReplaySpeed } from '../../src/ui/readings/tour';
import { pictureAt } from '../../src/ui/stage/replayPicture';
import { sentenceAt } from '../../src/ui/stage/replaySentences';
import { dataset, debate, evaluation, problems, started, won } from './logs';

const test = debate({
  problem: 7,
  purpose: 'evaluation',
  learner: 'base',
  iteration: 0,
  answers: [
    ['4', '4', '3'],
    ['4', '4', '4'],
  ],
  votes: [won('4', 2), won('4', 3)],
});
const rescued = debate({
  problem: 1,
  answers: [
    ['5', '7', '9'],
    ['5', '5', '9'],
  ],
  votes: [won('5', 1, true), won('5', 2)],
});
const spoiled = debate({
  problem: 2,
  answers: [
    ['3', '2', null],
    ['2', '2', null],
  ],
  votes: [won('3', 1, true), won('2', 2)],
});
const step = (at: number, loss: number): RunEvent => ({
  type: 'training-step',
  iteration: 1,
  job: 'society',
  step: at,
  totalSteps: 2,
  tracks: [
    { adapter: 'generator-0', loss, gradNorm: 1, lr: 0.1, tokens: 9 },
    { adapter: 'generator-1', loss: loss + 0.5, gradNorm: 1, lr: 0.1, tokens: 9 },
  ],
});
const set = (agent: number): RunEvent =>
  dataset(3, {
    iteration: 1,
    adapter: `generator-${agent}`,
    entries: [{ problem: 1, kind: 'G', agent, round: 1 }],
    available: { G: 1 },
    dropped: [],
  });

/** By index: 2 a test, 3 its result, 5 and 6 debates, 7 and 8 data sets, 9 and 10 steps, 11 an adapter, 12 the end. */
const log: RunEvent[] = [
  started(),
  problems({ 7: '4', 1: '5', 2: '3' }),
  test,
  evaluation('base', 0, ['1010', '1010', '1110']),
  { type: 'iteration-started', iteration: 1 },
  rescued,
  spoiled,
  set(0),
  set(1),
  step(0, 1),
  step(1, 0.5),
  { type: 'adapter', iteration: 1, adapter: 'generator-0', hash: '00', from: { job: 'society', steps: 2 } },
  { type: 'run-finished', iterations: 1 },
];
const at = (event: number, step = 0): Position => ({ event, step });

function walk(from: Position, unit: ReplayUnit, direction: 1 | -1 = 1): string[] {
  const places: string[] = [];
  for (let place = stepped(log, from, unit, direction); place; place = stepped(log, place, unit, direction))
    places.push(`${place.event}.${place.step}`);
  return places;
}

describe('places', () => {
  it('gives an episode a step a seat of each layer, and one for its outcome', () => {
    expect(stepsOf(rescued)).toBe(7);
    expect(stepsOf(log[0]!)).toBe(1);
    expect(Array.from({ length: 7 }, (_, step) => placeIn(rescued, step))).toEqual([
      { layer: 0, seats: 3, visible: 1 },
      { layer: 0, seats: 3, visible: 2 },
      { layer: 0, seats: 3, visible: 3 },
      { layer: 1, seats: 3, visible: 1 },
      { layer: 1, seats: 3, visible: 2 },
      { layer: 1, seats: 3, visible: 3 },
      'outcome',
    ]);
  });

  it('steps by agent through every answer, outcome, data set and training step', () => {
    const debateSteps = (event: number) => Array.from({ length: 7 }, (_, step) => `${event}.${step}`);
    const all = [...debateSteps(2), '3.0', ...debateSteps(5), ...debateSteps(6), '7.0', '8.0', '9.0', '10.0', '12.0'];
    expect(walk(at(0), 'agent')).toEqual(all);
    expect(walk(at(12), 'agent', -1)).toEqual(all.slice(0, -1).reverse());
  });

  it('steps by round over the answers of a layer, all data sets, and a whole training', () => {
    const rounds = ['2.2', '2.5', '2.6', '3.0', '5.2', '5.5', '5.6', '6.2', '6.5', '6.6', '8.0', '10.0', '12.0'];
    expect(walk(at(0), 'round')).toEqual(rounds);
    expect(walk(at(12), 'round', -1)).toEqual(rounds.slice(0, -1).reverse());
    // From the middle of a training back to what was before it.
    expect(stepped(log, at(10), 'round', -1)).toEqual(at(8));
    expect(stepped(log, at(5, 3), 'round', -1)).toEqual(at(5, 2));
  });

  it('steps by iteration to the ends of iterations, and back to the beginning', () => {
    expect(walk(at(0), 'iteration')).toEqual(['3.0', '12.0']);
    expect(walk(at(12), 'iteration', -1)).toEqual(['3.0', '2.0']);
    expect(stepped(log, at(2, 0), 'iteration', -1)).toBeNull();
  });

  it('stands in an address, and an address stands for a place of the log or its end', () => {
    expect(placeName(at(5, 3))).toBe('replay/5.3');
    expect(placeName(at(9))).toBe('replay/9');
    expect(placeNamed('replay/5.3')).toEqual(at(5, 3));
    expect(placeNamed('replay/9')).toEqual(at(9));
    for (const wrong of [null, '', 'replay/', 'replay/-1', 'replay/1.2.3', 'train/society/1/17', 'replay/1e9'])
      expect(placeNamed(wrong)).toBeNull();
    expect(placeWithin(log, at(5, 99))).toEqual(at(5, 6));
    expect(placeWithin(log, at(99))).toEqual(at(12));
    expect(placeWithin([], at(3))).toEqual(at(0));
    expect(whole(log, 6)).toEqual(at(6, 6));
  });

  it('tells stretches of a log apart', () => {
    expect(stretchesOf(log)).toEqual([
      { kind: 'test', iteration: 0, from: 2, to: 5 },
      { kind: 'debate', iteration: 1, from: 5, to: 7 },
      { kind: 'data', iteration: 1, from: 7, to: 9 },
      { kind: 'train', iteration: 1, from: 9, to: 13 },
    ]);
  });
});

describe('the beginning of a log', () => {
  it('is what an index of that beginning is', () => {
    const full = indexLog(log);
    const prefixes = new Prefixes();
    for (const length of [1, 3, 6, 9, 13, 4, 2]) {
      const { summary, rows, groups, datasets, length: read } = prefixes.at(log, full, length);
      // A copied first event is another log to the index, which reads it anew.
      const alone = indexLog([{ ...log[0]! }, ...log.slice(1, length)]);
      expect(read).toBe(length);
      expect(summary).toEqual(alone.summary);
      expect(rows).toEqual(alone.rows);
      expect([...groups.keys()]).toEqual([...alone.groups.keys()]);
      expect([...groups.values()].map((group) => group.rows)).toEqual(
        [...alone.groups.values()].map((group) => group.rows),
      );
      expect(datasets).toEqual(alone.datasets);
    }
    expect(full.rows).toHaveLength(3);
  });
});

describe('the picture of a place', () => {
  const stages = stagesOf(started().config);
  const moment = (id: string | null) => stages.find((stage) => stage.id === id)?.moment ?? null;
  const picture = (place: Position, typed = 1) => pictureAt(log, indexLog(log), new Prefixes(), stages, place, typed);

  it('shows a layer as it is written, on the log before the episode', () => {
    const shown = picture(at(5, 2), 0.5);
    expect(shown.index.rows).toHaveLength(1);
    expect(moment(shown.phase)).toBe('answer');
    expect(shown.status.state).toBe('running');
    // "?#5" by half.
    expect(shown.scene).toMatchObject({ sampling: { problem: 1, round: 1, texts: ['?#', '?#', '?#'], earlier: [] } });
    expect(shown.visible).toBeNull();
  });

  it('covers the seats that have not answered, and keeps the layer before', () => {
    const shown = picture(at(5, 3));
    expect(shown.visible).toBe(1);
    expect(shown.status.state).toBe('paused');
    expect(shown.scene).toMatchObject({
      sampling: { round: 2, texts: ['?#5', '?#5', '?#9'], earlier: [['?#5', '?#7', '?#9']] },
    });
  });

  it('holds an outcome, data, training and the end', () => {
    expect(picture(at(5, 6)).index.rows).toHaveLength(2);
    expect(picture(at(5, 6)).scene).toMatchObject({ held: { problem: 1 } });
    expect([at(5, 6), at(7), at(9), at(3), at(12)].map((place) => moment(picture(place).phase))).toEqual([
      'verdict',
      'data',
      'train',
      'evaluate',
      null,
    ]);
    expect(picture(at(9)).status.activity).toMatchObject({ kind: 'finetune', step: 0, totalSteps: 2 });
    expect(picture(at(9)).index.summary.filter(({ type }) => type === 'training-step')).toHaveLength(1);
  });
});

describe('what charts draw', () => {
  it('is replaced when something came that they draw, though indices share their lists, and only then', () => {
    const charted = new Charted();
    const prefixes = new Prefixes();
    const drawn = (length: number) => charted.of(prefixes.at(log, indexLog(log), length));
    const before = drawn(4);
    // A debate, then the next one: nothing to draw.
    expect([drawn(6), drawn(7)]).toEqual([drawn(6), drawn(6)]);
    expect(drawn(7)).not.toBe(before);
    const after = drawn(10);
    expect(after.summary.filter(({ type }) => type === 'training-step')).toHaveLength(1);
    // The log grows by a step, and the index of all of it with it.
    expect(drawn(11)).not.toBe(after);
    expect(drawn(4)).not.toBe(after);
    const growing = log.slice(0, 10);
    const whole = charted.of(indexLog(growing));
    growing.push(log[10]!);
    expect(charted.of(indexLog([...growing]))).not.toBe(whole);
  });
});

describe('playing', () => {
  const speed = (key: string): ReplaySpeed => REPLAY_SPEEDS.find((one) => one.key === key)!;

  function played(key: string): string[] {
    const places: string[] = [];
    let place = at(0);
    for (let move = nextMove(log, indexLog(log), place, speed(key)); move;) {
      expect(move.hold).toBeGreaterThan(0);
      place = move.to;
      places.push(`${place.event}.${place.step}`);
      move = nextMove(log, indexLog(log), place, speed(key));
    }
    return places;
  }

  it('shows every layer, outcome and training step in slow motion, and ends', () => {
    const all = ['2.2', '2.5', '2.6', '3.0', '5.2', '5.5', '5.6', '6.2', '6.5', '6.6', '8.0', '9.0', '10.0', '12.0'];
    expect(played('slow')).toEqual(all);
    expect(played('read')).toEqual(all);
  });

  it('shows in highlights the first debate of a group and the next in which an agent changes its answer', () => {
    const same = debate({
      problem: 3,
      answers: [
        ['1', '1', '1'],
        ['1', '1', '1'],
      ],
      votes: [won('1', 3), won('1', 3)],
    });
    const longer = [...log.slice(0, 5), same, ...log.slice(5)];
    const places: string[] = [];
    for (let place: Position | null = at(4); place;) {
      const move = nextMove(longer, indexLog(longer), place, speed('highlights'));
      place = move?.to ?? null;
      if (place && place.event < 9) places.push(`${place.event}.${place.step}`);
    }
    // 5 is the first, in 6 an agent changes its answer, 7 only passes.
    expect(places).toEqual(['5.2', '5.5', '5.6', '6.2', '6.5', '6.6', '7.6']);
  });

  it('rests on the last step of a training', () => {
    for (const key of ['slow', 'read', 'highlights']) {
      const holdOf = (event: number) => nextMove(log, indexLog(log), at(event - 1), speed(key))?.hold ?? 0;
      expect(holdOf(10)).toBeGreaterThan(holdOf(9));
    }
  });

  it('reaches the end at full speed', () => {
    expect(played('full').at(-1)).toBe('12.0');
  });
});

describe('what is said', () => {
  const say = (event: number, step = 0) => sentenceAt(log, indexLog(log), recipeOf(started().config), at(event, step));

  it('says of each place what happens', () => {
    expect(say(5, 0)).toBe('Agent A answers 5.');
    expect(say(5, 2)).toBe("3 agents answer, and none sees another's answer: 5, 7 and 9.");
    expect(say(5, 4)).toBe('Agent B goes from 7 to 5.');
    expect(say(5, 5)).toBe('They read each other: B goes from 7 to 5; A and C stay.');
    expect(say(5, 6)).toBe('The vote: 5, with 2 of 3, which is right.');
    expect(say(6, 6)).toBe('The vote: 2, with 2 of 3, which is wrong (3 is right). The agents are not told.');
    expect(say(2, 5)).toBe('They read each other: C goes from 3 to 4; A and B stay.');
    expect(say(2, 6)).toBe('The vote: 4, with 3 of 3, which is right. Nobody learns from a test.');
    expect(say(3)).toBe('Before finetuning the untouched model is right on 3 of 4 held-out problems (debate).');
    expect(say(7)).toBe('The examples are chosen: 2 examples in 2 data sets.');
    expect(say(9)).toBe('2 adapters learn, each from its own examples: step 1 of 2, mean loss 1.25.');
    expect(say(10)).toBe(
      '2 adapters learn, each from its own examples: step 2 of 2, mean loss 0.75 after 1.25 at the start.',
    );
    expect(say(0)).toBe('The run begins.');
    expect(say(1)).toBe('3 training problems are drawn.');
    expect(say(11)).toBe('Generator A has learnt in 2 steps.');
  });

  it('compares the loss of who still learns with its own first loss, and says who is done', () => {
    const alone = step(1, 0.5) as Extract<RunEvent, { type: 'training-step' }>;
    const longer = [...log.slice(0, 10), { ...alone, tracks: alone.tracks.slice(1) }];
    // The other track had 1 at the start, this one 1.5.
    expect(sentenceAt(longer, indexLog(longer), recipeOf(started().config), at(10))).toBe(
      'Generator B still learns: step 2 of 2, loss 1.00 after 1.50 at the start. One is done.',
    );
  });

  it('says whose labels they are, and what becomes of a vote that is none', () => {
    const labels = (learner: string): RunEvent => ({
      type: 'pseudo-labels',
      iteration: 1,
      learner,
      problems: 2,
      byVotes: [],
      accepted: 1,
      acceptedRight: 1,
    });
    const split = debate({
      problem: 2,
      answers: [
        ['3', '2', '1'],
        ['3', '2', '1'],
      ],
      votes: [won('2', 1, true), won('2', 1, true)],
    });
    const own = [...log.slice(0, 5), split, labels('society'), labels('single')];
    const told = (event: number, step = 0) =>
      sentenceAt(own, indexLog(own), recipeOf(started().config), at(event, step));
    expect(told(5, 6)).toBe(
      'The vote: 2, with 1 of 3, drawn at random, which is wrong (3 is right). It has too few votes for a label: nobody learns from this problem.',
    );
    expect(told(6)).toBe('1 of 2 votes become labels to learn from; 1 of them are right.');
    expect(told(7)).toMatch(/^For comparison, one model: 1 of 2 votes become labels/);
  });
});
