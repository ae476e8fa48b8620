/** Parts of the work that are asked together: what stands in a call, in which order results come, and what failures do. */
import { describe, expect, it } from 'vitest';
import type { Answer, Asking, Question } from '../../src/runtimes/types';
import { together, type Company } from '../../src/society/together';

const answerTo = ({ call }: Question): Answer => ({ text: `to ${call}`, finish: 'stop', tokens: 1 });

/** Answers what it is asked, and keeps the names of each call. */
function listening(): Asking & { calls: string[][] } {
  const calls: string[][] = [];
  return {
    calls,
    async ask(questions) {
      calls.push(questions.map(({ call }) => call));
      return questions.map(answerTo);
    },
  };
}

const questions = (...calls: string[]): Question[] => calls.map((call) => ({ call }) as Question);

/** Asks so many times, two questions each; gives all texts. */
async function rounds(part: string, count: number, asking: Asking): Promise<string[]> {
  const texts: string[] = [];
  for (let round = 1; round <= count; round++) {
    const answers = await asking.ask(questions(`${part}${round}x`, `${part}${round}y`));
    texts.push(...answers.map(({ text }) => text));
  }
  return texts;
}

const company = (most: number, newcomers: number): Company => ({ most: () => most, newcomers, first: newcomers });

async function all<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const part of parts) found.push(part);
  return found;
}

describe('parts that are played together', () => {
  it('have the beginning of one beside the end of another in a call, and their own answers', async () => {
    const runtime = listening();
    const played = await all(together(runtime, 'abc', company(2, 1), (part, asking) => rounds(part, 2, asking)));
    expect(runtime.calls.map((call) => call.join(' '))).toEqual([
      'a1x a1y',
      'a2x a2y b1x b1y',
      'b2x b2y c1x c1y',
      'c2x c2y',
    ]);
    expect(played).toEqual(['a', 'b', 'c'].map((part) => ['1x', '1y', '2x', '2y'].map((one) => `to ${part}${one}`)));
  });

  it('begin side by side where several may', async () => {
    const runtime = listening();
    await all(together(runtime, 'abcde', company(2, 2), (part, asking) => rounds(part, 1, asking)));
    expect(runtime.calls.map((call) => call.join(' '))).toEqual(['a1x a1y b1x b1y', 'c1x c1y d1x d1y', 'e1x e1y']);
  });

  it('begin alone where the first results should come early', async () => {
    const runtime = listening();
    await all(
      together(runtime, 'abcde', { most: () => 4, newcomers: 2, first: 1 }, (part, asking) => rounds(part, 2, asking)),
    );
    expect(runtime.calls.map((call) => call.map((name) => name.slice(0, 2)).join(' '))).toEqual([
      'a1 a1',
      'a2 a2 b1 b1 c1 c1',
      'b2 b2 c2 c2 d1 d1 e1 e1',
      'd2 d2 e2 e2',
    ]);
  });

  it('are alone where only one may be at work, from when it is so', async () => {
    const runtime = listening();
    const alone = { most: () => (runtime.calls.length < 2 ? 2 : 1), newcomers: 1, first: 1 };
    await all(together(runtime, 'abcd', alone, (part, asking) => rounds(part, 2, asking)));
    expect(runtime.calls.map((call) => [...new Set(call.map((name) => name.slice(0, 2)))].join(' '))).toEqual([
      'a1',
      'a2 b1',
      'b2',
      'c1',
      'c2',
      'd1',
      'd2',
    ]);
  });

  it('give their results in order, whoever ends first and whoever asks nothing', async () => {
    const runtime = listening();
    const counts: Record<string, number> = { a: 3, b: 0, c: 1, d: 2 };
    const seen: string[] = [];
    for await (const part of together(runtime, 'abcd', company(3, 3), async (name, asking) => {
      await rounds(name, counts[name] ?? 0, asking);
      return name;
    })) {
      // Nothing is asked while a result is looked at.
      const before = runtime.calls.length;
      await new Promise((resolve) => setTimeout(resolve));
      expect(runtime.calls.length).toBe(before);
      seen.push(part);
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
    expect(await all(together(runtime, '', company(2, 1), async () => 0))).toEqual([]);
  });

  it('end with the failure of the runtime, or of the part whose turn it is, behind the results before', async () => {
    const broken: Asking = { ask: () => Promise.reject(new Error('no device')) };
    await expect(all(together(broken, 'ab', company(2, 1), (part, asking) => rounds(part, 1, asking)))).rejects.toThrow(
      'no device',
    );
    const seen: string[] = [];
    const failing = together(listening(), 'abc', company(2, 2), async (part, asking) => {
      await rounds(part, 1, asking);
      if (part === 'b') throw new Error('b fails');
      return part;
    });
    await expect(
      (async () => {
        for await (const part of failing) seen.push(part);
      })(),
    ).rejects.toThrow('b fails');
    expect(seen).toEqual(['a']);
  });

  it('may be left in the middle', async () => {
    const runtime = listening();
    for await (const part of together(runtime, 'abc', company(2, 1), (name, asking) => rounds(name, 2, asking))) {
      expect(part[0]).toBe('to a1x');
      break;
    }
    expect(runtime.calls.length).toBe(2);
  });
});
