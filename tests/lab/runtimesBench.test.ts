/** Runtimes side by side: speeds of each by rows, and how many of their greedy answers are those of the first. */
import { expect, it } from 'vitest';
import { greedyQuestions, measureRuntimes, runtimesConfig, type Asks } from '../../src/lab/bench/runtimes';
import { VoiceError } from '../../src/runtimes/errors';
import type { Answer, Question } from '../../src/runtimes/types';

const config = runtimesConfig(true);
const answer = (ids: number[]): Answer => ({ text: ids.join(), finish: 'stop', tokens: ids.length, ids });
const problem = ({ draw }: Question): number => draw.problem;

function scripted(name: string, say: (question: Question) => Answer): Asks & { asked: number[] } {
  const asked: number[] = [];
  return {
    name,
    asked,
    ask: async (questions) => {
      asked.push(questions.length);
      return questions.map(say);
    },
  };
}

async function measured(runtimes: Asks[], rows = [1, 8]) {
  const found = [];
  for await (const one of measureRuntimes(runtimes, { config, rows, seconds: 0, compared: 6 })) found.push(one);
  return found;
}

it('measures every runtime at every number of rows, and compares with the first', async () => {
  const odd = greedyQuestions(config, 1)[0]!.draw.problem;
  const first = scripted('first', (question) => answer([problem(question), 1]));
  const alike = scripted('alike', (question) => answer([problem(question), 1]));
  const other = scripted('other', (question) => answer([problem(question), problem(question) === odd ? 2 : 1]));
  const found = await measured([first, alike, other]);
  expect(found.slice(0, 6).map((one) => [one.runtime, 'rows' in one && one.rows])).toEqual([
    ['first', 1],
    ['first', 8],
    ['alike', 1],
    ['alike', 8],
    ['other', 1],
    ['other', 8],
  ]);
  for (const one of found.slice(0, 6)) expect('rows' in one && one.tokensPerSecond).toBeGreaterThan(0);
  expect(found.slice(6)).toEqual([
    { runtime: 'alike', with: 'first', same: 6, texts: 6, of: 6 },
    { runtime: 'other', with: 'first', same: 5, texts: 5, of: 6 },
  ]);
  // One before them is not counted.
  expect(first.asked).toEqual([1, 1, 8, 8, 6]);
});

it('compares texts where ids are not given, and draws nothing as zero', async () => {
  const first = scripted('first', (question) => answer([problem(question)]));
  const texts = scripted('texts', (question) => ({ text: String(problem(question)), finish: 'stop', tokens: 3 }));
  expect((await measured([first, texts])).at(-1)).toEqual({
    runtime: 'texts',
    with: 'first',
    same: null,
    texts: 6,
    of: 6,
  });
});

it('leaves out who fails, and measures the others', async () => {
  const gone = scripted('gone', () => {
    // Its name is said anyway.
    throw new VoiceError('endpoint:http://127.0.0.1:1/v1#gone', 'the server is not there');
  });
  const late = scripted('late', (question) => {
    if (late.asked.length > 4) throw new Error('late: it has had enough');
    return answer([problem(question)]);
  });
  const [first, last] = ['first', 'last'].map((name) => scripted(name, (question) => answer([problem(question)])));
  const found = await measured([gone, late, first!, last!]);
  expect(found.filter((one) => 'why' in one)).toEqual([
    { runtime: 'gone', why: 'the server is not there' },
    { runtime: 'late', why: 'late: it has had enough' },
  ]);
  expect(found.filter((one) => 'rows' in one).map(({ runtime }) => runtime)).toEqual([
    'late',
    'late',
    'first',
    'first',
    'last',
    'last',
  ]);
  expect(found.at(-1)).toEqual({ runtime: 'last', with: 'first', same: 6, texts: 6, of: 6 });
  expect(gone.asked).toEqual([1]);
});

it('asks the same problems without a draw, whatever is measured', () => {
  for (const embedded of [true, false]) {
    const asked = runtimesConfig(embedded);
    const [few, many] = [greedyQuestions(asked, 3), greedyQuestions(asked, 10)];
    expect(many.slice(0, 3)).toEqual(few);
    expect(few.every(({ sampling }) => sampling?.temperature === 0)).toBe(true);
    expect(asked.sampling.maxTokens).toBe(64);
  }
});
