import { describe, expect, it } from 'vitest';
import { STREAMS } from '../../src/random';
import type { GroupKey } from '../../src/events';
import { unpackNumbers } from '../../src/pack';
import type { Answer, Question, Runtime } from '../../src/runtimes/types';
import { makeBatches } from '../../src/society/batches';
import { debate } from '../../src/society/debate';
import { diversityOf } from '../../src/society/diversity';
import { answersOf } from '../../src/society/episode';
import { promptOf } from '../../src/society/prompts';
import { arithmetic, problemOf } from '../../src/tasks/arithmetic';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { heldDebate, same, turn } from './handmade';

const seat = (adapter: string) => ({ agent: adapter, adapter });
const players = { learner: 'society', first: ['g0', 'g1', 'g2'].map(seat), later: ['c0', 'c1', 'c2'].map(seat) };
const group: GroupKey = { purpose: 'train', learner: 'society', iteration: 2 };
const settings = {
  rounds: 3,
  draws: { stream: STREAMS.sample, iteration: 2 },
  tieBreak: { seed: 1, stream: STREAMS.tieBreak, iteration: 2, agent: STREAMS.sample },
};

/** Answers with round·100 + problem digit·10 + agent; agent 2 is unreadable in round 1. */
function scripted(calls: Question[][]): Runtime {
  return asking({
    ask(questions) {
      calls.push(questions);
      return Promise.resolve(
        questions.map(({ draw, seat }) => ({
          text: draw.round === 1 && seat === 2 ? 'oops' : `#${draw.round * 100 + (draw.problem % 10) * 10 + seat}`,
          finish: 'stop' as const,
          tokens: 2,
          ids: [7, 8],
          logprobs: [-0.12345, -0.0001],
          margins: [1.005, 0.004],
        })),
      );
    },
  });
}

/** A runtime that can only be asked. */
function asking(runtime: Pick<Runtime, 'ask'>): Runtime {
  return runtime as Runtime;
}

describe('debate', () => {
  it('is synchronous: one call a round, everybody reads the others of the round before', async () => {
    const calls: Question[][] = [];
    const held = await debate(
      scripted(calls),
      arithmetic,
      group,
      [problemOf(111111), problemOf(111112)],
      players,
      settings,
    );
    expect(calls.map((call) => call.length)).toEqual([6, 6, 6]);
    expect(calls[0]?.map(({ adapter }) => adapter)).toEqual(['g0', 'g1', 'g2', 'g0', 'g1', 'g2']);
    expect(calls[0]?.[4]).toMatchObject({
      messages: [{ role: 'user', content: '1+1*1+1-1*2' }],
      draw: { stream: STREAMS.sample, iteration: 2, agent: 1, problem: 111112, round: 1 },
      at: { ...group, problem: 111112 },
      call: 'answer-1',
      kind: 'answer',
      seat: 1,
      layer: 0,
    });
    expect(calls[1]?.map(({ messages }) => messages[0]?.content)).toEqual([
      '1+1*1+1-1*1@110~111,x',
      '1+1*1+1-1*1@111~110,x',
      '1+1*1+1-1*1@x~110,111',
      '1+1*1+1-1*2@120~121,x',
      '1+1*1+1-1*2@121~120,x',
      '1+1*1+1-1*2@x~120,121',
    ]);
    expect(calls[2]?.[0]?.messages[0]?.content).toBe('1+1*1+1-1*1@210~211,212');
    expect(calls[2]?.map(({ adapter }) => adapter)).toEqual(['c0', 'c1', 'c2', 'c0', 'c1', 'c2']);
    expect(held.map(({ problem }) => problem)).toEqual([111111, 111112]);
    const answers = [0, 1, 2].map((layer) => answersOf(held[1]!, layer).map((at) => held[1]!.turns[at]?.answer));
    expect(answers).toEqual([
      ['120', '121', null],
      ['220', '221', '222'],
      ['320', '321', '322'],
    ]);
    expect(held[0]?.verdicts.map(({ count, tied }) => [count, tied])).toEqual([
      [1, true],
      [1, true],
      [1, true],
    ]);
    const [first, , , revision] = held[0]!.turns;
    expect(unpackNumbers(first?.logprobs ?? '', 1000)).toEqual([-0.123, 0]);
    expect(unpackNumbers(first?.margins ?? '', 100)).toEqual([1, 0]);
    expect(unpackNumbers(first?.ids ?? '')).toEqual([7, 8]);
    expect(revision).toMatchObject({ call: 'revision-2-0', parents: [0, 1, 2], layer: 1, agent: 'c0' });
  });

  it('reads no half word where a response in words was cut', async () => {
    const said: [text: string, finish: 'stop' | 'length'][] = [
      ['The answer is 12', 'length'],
      ['The answer is 12', 'stop'],
      ['\\boxed{12}', 'length'],
      ['\\boxed{12} or 1.', 'length'],
      ['The answer is 7. So 7 it i', 'length'],
    ];
    const runtime = asking({
      ask: (questions) =>
        Promise.resolve(
          questions.map(({ seat }): Answer => {
            const [text, finish] = said[seat] as (typeof said)[number];
            return { text, finish, tokens: 3 };
          }),
        ),
    });
    const seats = said.map(() => ({ agent: 'base', adapter: null }));
    const base = { learner: 'base', first: seats, later: seats };
    const one = { ...settings, rounds: 1 };
    const held = await debate(runtime, arithmeticChat, group, [{ id: 1, question: '?' }], base, one);
    expect(held[0]?.turns.map(({ answer }) => answer)).toEqual([null, '12', '12', '12', '7']);
    // The log has the text as it was, and nothing that the runtime did not give.
    expect(held[0]?.turns.map(({ text }) => text)).toEqual(said.map(([text]) => text));
    expect(held[0]?.turns[0]).not.toHaveProperty('logprobs');
  });

  it('lets the base summarise for each seat, and each read its own summary', async () => {
    const calls: Question[][] = [];
    const summaries = { stream: STREAMS.summarise };
    const two = { ...settings, rounds: 2, summaries };
    const problem = { id: 1, question: 'What is 1 + 1?' };
    const [held] = await debate(scripted(calls), arithmeticChat, group, [problem], players, two);
    expect(calls.map((call) => call.map(({ kind }) => kind))).toEqual([
      Array(3).fill('answer'),
      Array(3).fill('summary'),
      Array(3).fill('revision'),
    ]);
    expect(calls[1]?.[2]).toMatchObject({ adapter: null, draw: { stream: STREAMS.summarise, agent: 2, round: 2 } });
    expect(held?.turns.map(({ parents }) => parents)).toEqual([
      [],
      [],
      [],
      [1, 2],
      [0, 2],
      [0, 1],
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect(held?.turns[3]).not.toHaveProperty('answer');
    // Every prompt can be rebuilt from the log.
    for (const [at, question] of calls.flat().entries()) {
      expect(promptOf(arithmeticChat, problem, held!, held!.turns[at]!).messages).toEqual(question.messages);
    }
  });
});

describe('diversity', () => {
  const debates = [heldDebate(1, ['5', '5', '6']), heldDebate(2, [null, null, null]), heldDebate(3, ['1', '1', '1'])];

  it('counts agreement, answers and texts', () => {
    const { consensus, distinctAnswers, distinctTexts } = diversityOf(debates, 0, same);
    expect(consensus).toBeCloseTo((2 / 3 + 0 + 1) / 3, 12);
    expect(distinctAnswers).toBeCloseTo(1, 12);
    expect(distinctTexts).toBeCloseTo(4 / 3, 12);
    const texts = [turn('1', { text: 'a#1' }), turn('1', { text: 'b#1', seat: 1 })];
    const unvoted = { ...heldDebate(4), turns: texts };
    expect(diversityOf([unvoted], 0, same)).toEqual({ distinctAnswers: 1, distinctTexts: 2 });
  });
});

describe('makeBatches', () => {
  const name = { seed: 1, stream: STREAMS.shuffle, iteration: 1, agent: 0, problem: 1 };

  it('uses every example once an epoch and keeps the short last batch', () => {
    const batches = makeBatches(10, 3, 4, name);
    expect(batches.map((batch) => batch.length)).toEqual([4, 4, 2, 4, 4, 2, 4, 4, 2]);
    for (const epoch of [0, 3, 6]) {
      expect(
        batches
          .slice(epoch, epoch + 3)
          .flat()
          .sort((a, b) => a - b),
      ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    expect(batches.slice(0, 3)).not.toEqual(batches.slice(3, 6));
    expect(makeBatches(10, 1, 4, name)).toEqual(batches.slice(0, 3));
    expect(makeBatches(0, 3, 4, name)).toEqual([]);
  });
});
