/** Other words for the same debate, names of seats, and training on another task. */
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../src/recipes/resolve';
import { runRecipe } from '../../src/recipes/run';
import { recipeNamed } from '../../src/recipes';
import { taskFor, wordsOf } from '../../src/tasks';
import { readProblemFile } from '../../src/tasks/importer';
import { gsm8k } from '../../src/tasks/gsm8k';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { promptOf, type Asked } from '../../src/society/prompts';
import { trainingSets } from '../../src/share/exports/sets';
import type { RunEvent } from '../../src/events';
import { FakeRuntime } from './fakeRuntime';

const lines = Array.from({ length: 8 }, (_, n) =>
  JSON.stringify({ question: `Tom has ${n} apples and buys one. How many has he?`, answer: `So.\n#### ${n + 1}` }),
);
const FILE = readProblemFile(gsm8k, 'few.jsonl', new TextEncoder().encode(lines.join('\n')));
const DATA = { 'data.name': FILE.name, 'data.sha256': FILE.sha256 };
const PROBLEM = { id: 1, question: 'What is 2+2?' };
const SAID = {
  turns: [0, 1, 2].map((seat) => ({ kind: 'answer', seat, text: `I think \\boxed{${seat}}`, answer: String(seat) })),
  verdicts: [],
};
const revision = (seat: number): Asked => ({ kind: 'revision', seat, parents: [seat, (seat + 1) % 3, (seat + 2) % 3] });
const first = (seat: number): Asked => ({ kind: 'answer', seat, parents: [] });
const textOf = (settings: Record<string, unknown>, asked: Asked) =>
  promptOf(wordsOf({ task: 'arithmetic-chat', ...settings }), PROBLEM, SAID, asked).messages;

/** a + b·c + d − e·f from the text of a prompt. */
function solved(prompt: string): number {
  const [, a, b, c, d, e, f] = /(\d+)\+(\d+)\*(\d+)\+(\d+)-(\d+)\*(\d+)/.exec(prompt)!.map(Number);
  return a! + b! * c! + d! - e! * f!;
}

describe('prompts', () => {
  it('ask agents to examine each other, or to work out one solution together; all else is the same', () => {
    const debate = textOf({}, revision(1));
    const together = textOf({ prompts: { tone: 'cooperate' } }, revision(1));
    expect(debate.at(-1)?.content).toContain('examine each of them and your own');
    expect(together.at(-1)?.content).toContain('You work on this problem together with other agents');
    expect(together.at(-1)?.content).not.toContain('examine');
    // Both quote the two others, in order, and go on in the agent's own conversation.
    for (const messages of [debate, together]) {
      expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
      expect(messages[1]?.content).toBe('I think \\boxed{1}');
      expect(messages[2]?.content).toMatch(/boxed\{2\}[\s\S]*boxed\{0\}/);
    }
    expect(textOf({ prompts: { tone: 'cooperate' } }, first(0))).toEqual(textOf({}, first(0)));
  });

  it('begin with the seat’s name where that is asked for, and nothing else of them changes', () => {
    const named = { prompts: { ids: true } };
    for (const [seat, letter] of [
      [0, 'A'],
      [2, 'C'],
      [27, 'B1'],
    ] as const) {
      const [plain, own] = [textOf({}, first(seat)), textOf(named, first(seat))];
      expect(own[0]?.content).toBe(`You are agent ${letter}.\n\n${plain[0]?.content}`);
    }
    const [asked, ...later] = textOf(named, revision(0));
    const [plain, ...same] = textOf({}, revision(0));
    expect(asked?.content).toBe(`You are agent A.\n\n${plain?.content}`);
    expect(later).toEqual(same);
    // A summary is asked of the untouched model, which is nobody's seat.
    const summary: Asked = { kind: 'summary', seat: 0, parents: [1, 2] };
    expect(textOf(named, summary)).toEqual(textOf({}, summary));
  });

  it('are those that were asked when data sets are made', async () => {
    // Everybody gives the true answer, whatever the round.
    class Solver extends FakeRuntime {
      protected override answer(question: Parameters<FakeRuntime['ask']>[0][number]) {
        const text = `so \\boxed{${solved(question.messages[0]!.content)}}`;
        return { ...super.answer(question), text, ids: [...text].map((one) => one.charCodeAt(0)) };
      }
    }
    const runtime = new Solver();
    const config = resolveConfig('arithmetic-chat-quick', {
      ...{ model: 'somebody/model', iterations: 1, trainProblems: 3, evaluationProblems: 2, summary: 'concatenate' },
      ...{ 'prompts.ids': true, 'prompts.tone': 'cooperate' },
    });
    const events: RunEvent[] = [];
    const parts = { runtime, task: taskFor(config), config };
    for await (const event of runRecipe(recipeNamed(config.recipe), parts)) events.push(event);
    const asked = runtime.asked.flat().filter(({ at }) => at.purpose === 'train');
    expect(asked.every(({ messages }) => messages[0]!.content.startsWith('You are agent '))).toBe(true);
    const texts = new Set(asked.map(({ messages }) => JSON.stringify(messages)));
    const learnt = trainingSets(events).flatMap(({ examples }) =>
      examples.map(({ messages }) => JSON.stringify(messages)),
    );
    expect(learnt.length).toBeGreaterThan(0);
    for (const prompt of learnt) expect(texts).toContain(prompt);
  });
});

describe('training on another task', () => {
  const config = resolveConfig('gsm8k-quick', {
    ...{ model: 'somebody/model', trainProblems: 50, evaluationProblems: 8, ...DATA },
    'transfer.from': 'arithmetic-chat',
  });
  const task = taskFor(config, FILE);

  it('draws training problems there and held-out ones from the file, which needs to hold no more', () => {
    const train = task.problems('train', 50, 3, 1);
    const own = arithmeticChat.problems('train', 50, 3, 1);
    expect(train.map(({ question, gold }) => [question, gold])).toEqual(
      own.map(({ question, gold }) => [question, gold]),
    );
    const held = task.problems('evaluation', 8, 3);
    expect(held.map(({ question }) => question).sort()).toEqual(FILE.problems.map(({ question }) => question).sort());
    const ids = [...train, ...held].map(({ id }) => id);
    expect(new Set(ids).size).toBe(58);
    for (const id of ids) expect(id < 2 ** 32).toBe(true);
    // Without it 8 problems are too few for 50 and 8.
    expect(() => taskFor({ ...config, transfer: { from: 'none' } } as typeof config, FILE)).toThrow('holds 8 problems');
  });

  it('leaves out problems whose ids the file has', () => {
    const [one] = task.problems('train', 1, 3);
    const file = { ...FILE, problems: [{ ...FILE.problems[0]!, id: one!.id }, ...FILE.problems.slice(1)] };
    const [other] = taskFor(config, file).problems('train', 1, 3);
    expect(other).toEqual(task.problems('train', 2, 3)[1]);
  });

  it('asks and reads as the tested task does', () => {
    const [problem] = task.problems('train', 1, 3);
    expect(task.solvePrompt(problem!)).toEqual(gsm8k.solvePrompt(problem!));
    expect(task.extractAnswer('so \\boxed{7}')).toBe(gsm8k.extractAnswer('so \\boxed{7}'));
  });
});

describe('settings', () => {
  it.each([
    ['arithmetic-tiny', { 'prompts.tone': 'cooperate' }, 'prompts.tone: needs a task in words'],
    ['arithmetic-tiny', { 'prompts.ids': true }, 'prompts.ids: needs a task in words'],
    ['arithmetic-tiny', { 'transfer.from': 'arithmetic-chat' }, 'transfer.from: arithmetic cannot be tested'],
    ['arithmetic-chat-quick', { 'transfer.from': 'arithmetic-chat' }, 'use the task gsm8k or jsonl'],
    ['arithmetic-chat-quick', { 'prompts.tone': 'rude' }, 'prompts.tone'],
  ])('of %s refuse %j', (preset, set, words) => {
    expect(() => resolveConfig(preset, set as Record<string, string>)).toThrow(words);
  });

  it('leave no trace in a configuration where they are off', () => {
    const plain = resolveConfig('arithmetic-chat-quick', {});
    expect(resolveConfig('arithmetic-chat-quick', { 'prompts.ids': false, 'prompts.tone': 'debate' })).toEqual(plain);
    expect(wordsOf(plain)).toBe(wordsOf({ task: 'arithmetic-chat' }));
  });
});
