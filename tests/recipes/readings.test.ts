/** The three readings of the paper: what each does, worked out by hand. */
import { describe, expect, it } from 'vitest';
import { drawUniform, STREAMS } from '../../src/random';
import { releasedCritic, votesNeeded, withEarlierTurns } from '../../src/recipes/readings';
import type { Answer, Question } from '../../src/runtimes/types';
import { debate } from '../../src/society/debate';
import { DROPPED } from '../../src/society/selection';
import { majorityVote } from '../../src/society/vote';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { same } from '../society/handmade';
import { FakeRuntime, logOf, of, smallConfig } from './fakeRuntime';

const ref = (problem: number, kind: string, turn = 4) => ({ problem, turn, kind });

describe('a label', () => {
  it('needs the votes of the setting only as fixed', () => {
    const minimumVotes = 2;
    expect(votesNeeded({ agents: 3, minimumVotes })).toBe(2);
    expect(votesNeeded({ agents: 3, minimumVotes, reading: 'fixed' })).toBe(2);
    expect(votesNeeded({ agents: 3, minimumVotes, reading: 'written' })).toBe(1);
    expect(votesNeeded({ agents: 3, minimumVotes, reading: 'released' })).toBe(1);
  });

  it('is the last in lexicographic order where the released code breaks a tie: 7 before 100 and 12', () => {
    expect(majorityVote(['100', '7', '12'], same, 'last')).toEqual({ answer: '7', count: 1, tied: true });
    expect(majorityVote(['7', '100', '12', null], same, 'last').answer).toBe('7');
    // Only among those with the most votes.
    expect(majorityVote(['9', '3', '3'], same, 'last')).toEqual({ answer: '3', count: 2, tied: false });
    expect(majorityVote([null, null], same, 'last').answer).toBeNull();
  });
});

describe('a critic’s set as released', () => {
  const draw = { seed: 1, stream: STREAMS.select, iteration: 1, agent: 0 };
  const taken = (problem: number) => drawUniform({ ...draw, problem }, 0) < 0.5;
  const examples = [ref(1, 'C-'), ref(2, 'C+'), ref(3, 'C-'), ref(4, 'C+'), ref(5, 'C+'), ref(6, 'C-'), ref(7, 'C-')];

  it('has every C−, and after the k-th one the k-th C+ by a draw, as long as there are some', () => {
    const set = releasedCritic({ examples, available: { 'C-': 4, 'C+': 3 }, dropped: [] }, draw);
    const wanted = [1, 3, 6, 7].flatMap((problem, k) => {
      const other = [2, 4, 5][k];
      return other !== undefined && taken(problem) ? [problem, other] : [problem];
    });
    expect(set.examples.map(({ problem }) => problem)).toEqual(wanted);
    const left = 7 - wanted.length;
    expect(set.dropped).toEqual(left > 0 ? [{ reason: DROPPED.share, count: left }] : []);
    // The draws are not all alike, or the test would show nothing.
    expect(new Set([1, 3, 6].map(taken)).size).toBe(2);
  });

  it('learns the turns before each example as well', () => {
    const set = withEarlierTurns({ examples: [ref(1, 'C-', 5)], available: {}, dropped: [] }, () => [0, 2]);
    expect(set.examples).toEqual([ref(1, 'earlier', 0), ref(1, 'earlier', 2), ref(1, 'C-', 5)]);
  });
});

it('agents speak in turn as released: later ones read what others said in the same round', async () => {
  class Speaker extends FakeRuntime {
    protected override answer({ kind, seat, layer }: Question): Answer {
      const text = kind === 'summary' ? `summary for ${seat}` : `\\boxed{${10 * layer + seat}}`;
      return { text, finish: 'stop', tokens: 1 };
    }
  }
  const problems = [{ id: 1, question: 'What is 1 + 1?' }];
  const seats = ['a', 'b', 'c'].map((agent) => ({ agent, adapter: null }));
  const held = async (inTurn: boolean) => {
    const players = { learner: 'society', first: seats, later: seats };
    const group = { purpose: 'train', learner: 'society', iteration: 1 } as const;
    const draws = { stream: STREAMS.sample, iteration: 1 };
    const summaries = { stream: STREAMS.summarise };
    const settings = { rounds: 2, draws, summaries, tieBreak: 'last', inTurn } as const;
    const [episode] = await debate(new Speaker(), arithmeticChat, group, problems, players, settings);
    return episode!;
  };
  const apart = await held(false);
  expect(apart.turns.map(({ kind }) => kind).join(' ')).toBe(
    'answer answer answer summary summary summary revision revision revision',
  );
  expect(apart.turns.slice(3, 6).map(({ parents }) => parents)).toEqual([
    [1, 2],
    [0, 2],
    [0, 1],
  ]);
  const inTurn = await held(true);
  // Turns 3 summary A, 4 revision A, 5 summary B, 6 revision B, 7 summary C, 8 revision C.
  expect(inTurn.turns.slice(3).map(({ kind, seat, parents }) => [kind, seat, parents])).toEqual([
    ['summary', 0, [1, 2]],
    ['revision', 0, [0, 3]],
    ['summary', 1, [4, 2]],
    ['revision', 1, [1, 5]],
    ['summary', 2, [4, 6]],
    ['revision', 2, [2, 7]],
  ]);
  expect(inTurn.verdicts.at(-1)).toMatchObject({ of: [4, 6, 8], answer: '12' });
});

it('runs each reading: as written more problems have a label, as released critics learn first answers too', async () => {
  const run = async (reading: string) => logOf(new FakeRuntime(), smallConfig({ iterations: 1, reading }));
  const [fixed, written, released] = [await run('fixed'), await run('written'), await run('released')];
  const accepted = (events: typeof fixed) => of(events, 'pseudo-labels').map((one) => one.accepted);
  expect(accepted(written)[0]).toBeGreaterThan(accepted(fixed)[0]!);
  // So has the single model beside it: a reading is of the whole comparison.
  expect(accepted(written)[1]).toBeGreaterThan(accepted(fixed)[1]!);
  const kinds = (events: typeof fixed) =>
    new Set(
      of(events, 'dataset')
        .filter(({ adapter }) => adapter.startsWith('critic'))
        .flatMap(({ examples }) => examples.map(({ kind }) => kind)),
    );
  expect([kinds(fixed).has('earlier'), kinds(released).has('earlier')]).toEqual([false, true]);
  // Every C− is there.
  for (const { adapter, examples, available } of of(released, 'dataset'))
    if (adapter.startsWith('critic'))
      expect(examples.filter(({ kind }) => kind === 'C-')).toHaveLength(available['C-'] ?? 0);
});

it('breaks ties as released in every vote of the run: the untouched model’s and the single one’s too', async () => {
  const events = await logOf(new FakeRuntime(), smallConfig({ iterations: 1, reading: 'released' }));
  const tied = of(events, 'episode').flatMap(({ turns, verdicts, learner }) =>
    verdicts.filter(({ tied: even }) => even).map((vote) => ({ turns, vote, learner })),
  );
  expect(new Set(tied.map(({ learner }) => learner))).toEqual(new Set(['base', 'single', 'society']));
  for (const { turns, vote } of tied) {
    const answers = vote.of.flatMap((at) => turns[at]?.answer ?? []);
    const most = answers.filter((one) => answers.filter((other) => other === one).length === vote.count);
    expect(vote.answer).toBe(most.sort().at(-1));
  }
});
