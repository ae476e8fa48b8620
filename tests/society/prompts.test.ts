/** What a check and a refinement are asked, in both dialects. */
import { describe, expect, it } from 'vitest';
import { asksForAnswer, promptOf } from '../../src/society/prompts';
import { TASKS } from '../../src/tasks';
import { arithmetic } from '../../src/tasks/arithmetic';
import { arithmeticChat } from '../../src/tasks/arithmeticChat';
import { TaskError } from '../../src/tasks/errors';
import type { Task } from '../../src/tasks/types';
import { turn } from './handmade';

const problem = { id: 1, question: '7+3*4+5-6*7' };
const { answer: _, ...check } = turn(null, { kind: 'critique', parents: [0], text: '3*4=12#-18' });
const said = (own: string | null, critique = check) => ({
  turns: [turn(own, { text: own === null ? 'nothing' : `so \\boxed{${own}}` }), critique],
  verdicts: [],
});
const critique = { kind: 'critique', seat: 0, parents: [0] };
const refinement = { kind: 'refinement', seat: 0, parents: [0, 1] };
const content = (task: Task, before: Parameters<typeof promptOf>[2], asked: Parameters<typeof promptOf>[3]) =>
  promptOf(task, problem, before, asked).messages.map((message) => message.content);

it('a check has no answer of its own, a refinement has', () => {
  expect(['critique', 'refinement'].map(asksForAnswer)).toEqual([false, true]);
});

describe('the compact dialect', () => {
  it('checks an answer, and refines it beside what the check arrived at', () => {
    expect(content(arithmetic, said('12'), critique)).toEqual(['7+3*4+5-6*7@12']);
    expect(content(arithmetic, said('12'), refinement)).toEqual(['7+3*4+5-6*7@12~-18']);
  });

  it('writes x for what cannot be read', () => {
    expect(content(arithmetic, said(null), critique)).toEqual(['7+3*4+5-6*7@x']);
    expect(content(arithmetic, said('12', { ...check, text: '3*4=' }), refinement)).toEqual(['7+3*4+5-6*7@12~x']);
  });
});

describe('the chat dialect', () => {
  it('quotes the whole solution and the whole check, each in a fence that it cannot close', () => {
    const [asked = ''] = content(arithmeticChat, said('12'), critique);
    expect(asked).toContain(problem.question);
    expect(asked).toContain('Solution:\n```\nso \\boxed{12}\n```');
    expect(asked).not.toContain('End with the final answer');
    const fenced = { ...check, text: 'step 1:\n```\nis wrong' };
    const [refined = ''] = content(arithmeticChat, said('12', fenced), refinement);
    expect(refined).toContain('Solution:\n```\nso \\boxed{12}\n```');
    expect(refined).toContain('Check:\n````\nstep 1:\n```\nis wrong\n````');
    expect(refined).toMatch(/\\boxed\{answer\}\.$/);
  });

  it('names a text that may be shortened: the check before the solution', () => {
    const { quotes } = promptOf(arithmeticChat, problem, said('12'), refinement);
    expect([quotes?.others, quotes?.own]).toEqual([[check.text], 'so \\boxed{12}']);
    expect(quotes?.messages({ others: [4], own: 2 })[0]?.content).toContain('Check:\n```\n3*4= […]\n```');
    const shortened = { others: [4], own: 2 };
    expect(content(arithmeticChat, said('12'), { ...refinement, shortened })).toEqual(
      quotes?.messages(shortened).map((message) => message.content),
    );
  });

  it('has fewer words around its quotes than a revision, by which memory is planned', () => {
    const size = (messages: { content: string }[] = []) => messages.reduce((sum, one) => sum + one.content.length, 0);
    for (const task of TASKS.filter(({ dialect }) => dialect === 'chat')) {
      const revision = size(task.revisePrompt(problem, 'own', task.summarise(['other'])));
      expect(size(task.refinePrompt?.(problem, 'own', 'other')), task.name).toBeLessThan(revision);
      expect(size(task.verifyPrompt?.(problem, 'own')), task.name).toBeLessThan(revision);
    }
  });

  it('stands for an empty text', () => {
    const empty = said('12', { ...check, text: '' });
    expect(content(arithmeticChat, empty, refinement)[0]).toContain('Check:\n```\n(no response)\n```');
  });
});

it('a task without such words is refused by name', () => {
  const { verifyPrompt: _v, refinePrompt: _r, ...plain } = arithmetic;
  expect(() => promptOf(plain, problem, said('1'), critique)).toThrow(TaskError);
  expect(() => promptOf(plain, problem, said('1'), refinement)).toThrow(/"arithmetic": has no prompt that improves/);
});
