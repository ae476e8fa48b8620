import { describe, expect, it } from 'vitest';
import { STREAMS } from '../../src/random';
import type { Question, Society } from '../../src/recipes/types';
import { makeBatches } from '../../src/society/batches';
import { debate, rounded } from '../../src/society/debate';
import { consensus, distinctAnswers, distinctTexts } from '../../src/society/diversity';
import { arithmetic, problemOf } from '../../src/tasks/arithmetic';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { heldDebate, response, same } from './handmade';

const players = { team: 'society' as const, generators: ['g0', 'g1', 'g2'], critics: ['c0', 'c1', 'c2'] };
const settings = {
  rounds: 3,
  draws: { stream: STREAMS.sample, iteration: 2 },
  tieBreak: { seed: 1, stream: STREAMS.tieBreak, iteration: 2, agent: STREAMS.sample },
};

/** Answers with round·100 + problem digit·10 + agent; agent 2 is unreadable in round 1. */
function scripted(calls: Question[][]): Pick<Society, 'ask'> {
  return {
    ask(questions) {
      calls.push(questions);
      return Promise.resolve(
        questions.map(({ name }) => ({
          text:
            name.round === 1 && name.agent === 2
              ? 'oops'
              : `#${name.round * 100 + (name.problem % 10) * 10 + name.agent}`,
          finish: 'stop' as const,
          tokens: 2,
          logprobs: [-0.12345, -0.0001],
          margins: [1.005, 0.004],
        })),
      );
    },
  };
}

describe('debate', () => {
  it('is synchronous: one call a round, everybody reads the others of the round before', async () => {
    const calls: Question[][] = [];
    const held = await debate(
      scripted(calls) as Society,
      arithmetic,
      [problemOf(111111), problemOf(111112)],
      players,
      settings,
    );
    expect(calls.map((call) => call.length)).toEqual([6, 6, 6]);
    expect(calls[0]?.map(({ adapter }) => adapter)).toEqual(['g0', 'g1', 'g2', 'g0', 'g1', 'g2']);
    expect(calls[0]?.[4]).toMatchObject({
      messages: [{ role: 'user', content: '1+1*1+1-1*2' }],
      name: { stream: STREAMS.sample, iteration: 2, agent: 1, problem: 111112, round: 1 },
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
    expect(held[1]?.responses.map((round) => round.map(({ answer }) => answer))).toEqual([
      ['120', '121', null],
      ['220', '221', '222'],
      ['320', '321', '322'],
    ]);
    expect(held[0]?.votes.map(({ count, tied }) => [count, tied])).toEqual([
      [1, true],
      [1, true],
      [1, true],
    ]);
    expect(held[0]?.responses[0]?.[0]).toMatchObject({ logprobs: [-0.123, 0], margins: [1, 0] });
  });

  it('reads no half word where a response in words was cut', async () => {
    const said: [text: string, finish: 'stop' | 'length'][] = [
      ['The answer is 12', 'length'],
      ['The answer is 12', 'stop'],
      ['\\boxed{12}', 'length'],
      ['\\boxed{12} or 1.', 'length'],
      ['The answer is 7. So 7 it i', 'length'],
    ];
    const society: Pick<Society, 'ask'> = {
      ask: (questions) =>
        Promise.resolve(
          questions.map(({ name }) => {
            const [text, finish] = said[name.agent] as (typeof said)[number];
            return { text, finish, tokens: 3, logprobs: [], margins: [] };
          }),
        ),
    };
    const seats = said.map(() => null);
    const team = { team: 'base' as const, generators: seats, critics: seats };
    const held = await debate(society as Society, arithmeticChat, [{ id: 1, question: '?' }], team, {
      ...settings,
      rounds: 1,
    });
    expect(held[0]?.responses[0]?.map(({ answer }) => answer)).toEqual([null, '12', '12', '12', '7']);
    // The log has the text as it was.
    expect(held[0]?.responses[0]?.map(({ text }) => text)).toEqual(said.map(([text]) => text));
  });

  it('rounds idempotently and without negative zero', () => {
    for (let i = 0; i < 2000; i++) {
      const value = -Math.exp(i / 100 - 12);
      const once = rounded(value, 1000);
      expect(Object.is(rounded(once, 1000), once)).toBe(true);
      expect(Object.is(JSON.parse(JSON.stringify(once)), once)).toBe(true);
    }
  });
});

describe('diversity', () => {
  const debates = [heldDebate(1, ['5', '5', '6']), heldDebate(2, [null, null, null]), heldDebate(3, ['1', '1', '1'])];

  it('counts agreement, answers and texts', () => {
    expect(consensus(debates, 0)).toBeCloseTo((2 / 3 + 0 + 1) / 3, 12);
    expect(distinctAnswers(debates, 0, same)).toBeCloseTo(1, 12);
    expect(distinctTexts(debates, 0)).toBeCloseTo(4 / 3, 12);
    const texts = { problem: 4, responses: [[response('1', 'a#1'), response('1', 'b#1')]], votes: [] };
    expect(distinctTexts([texts], 0)).toBe(2);
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
