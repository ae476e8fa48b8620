/** Prompts without true answers: read, asked as they are, never graded, and refused by what needs true answers. */
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { LogReader } from '../../src/log/read';
import { resultsOf } from '../../src/log/results';
import { recipes } from '../../src/recipes';
import { checkConfig, resolveConfig } from '../../src/recipes/resolve';
import type { Answer, Question, ScoreQuestion } from '../../src/runtimes/types';
import { taskFor } from '../../src/tasks';
import { readProblemFile } from '../../src/tasks/importer';
import { prompts } from '../../src/tasks/prompts';
import { describeEvent, summary } from '../../tools/cli/runReport';
import { FakeRuntime, logOf, of } from '../recipes/fakeRuntime';

const bytes = (...lines: object[]) => new TextEncoder().encode(lines.map((line) => JSON.stringify(line)).join('\n'));
const file = readProblemFile(
  prompts,
  'own.jsonl',
  bytes(...Array.from({ length: 6 }, (_, n) => ({ question: `Tell me about ${n}.` }))),
);
const data = { 'data.name': file.name, 'data.sha256': file.sha256 };
const few = { task: 'prompts', ...data, trainProblems: 4, evaluationProblems: 2, warmupProblems: 2, iterations: 1 };
const able = { teacher: 'vote', judge: 'likelihood' };

describe('the file', () => {
  it('holds questions and no answers', () => {
    expect(file.problems.map(({ question, gold }) => [question, gold]).slice(0, 2)).toEqual([
      ['Tell me about 0.', undefined],
      ['Tell me about 1.', undefined],
    ]);
    const again = readProblemFile(prompts, 'x.jsonl', bytes({ question: 'a' }, { question: 'a' }));
    expect([again.problems.length, again.repeated]).toEqual([1, 1]);
    expect(() => readProblemFile(prompts, 'x.jsonl', bytes({ question: 'a' }, { question: 'b', answer: 4 }))).toThrow(
      'x.jsonl: line 2: "answer" is given, and the task prompts has none; choose the task jsonl, or leave it out',
    );
    expect(() => readProblemFile(prompts, 'x.jsonl', bytes({ prompt: 'a' }))).toThrow(/line 1: "question" is missing/);
  });

  it('is asked as it is, and a box is an answer', () => {
    expect(prompts.solvePrompt({ id: 1, question: 'Why?' })).toEqual([{ role: 'user', content: 'Why?' }]);
    expect(prompts.extractAnswer('so \\boxed{ 12 }')).toBe('12');
    expect(prompts.extractAnswer('the answer is 12')).toBeNull();
  });
});

describe('before the start', () => {
  it.each(recipes().flatMap(({ id, ungraded }) => (ungraded ? [] : [id])))('%s refuses it', (recipe) => {
    const { task, ...rest } = { ...few, warmupProblems: undefined };
    const settings = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    expect(() => resolveConfig('gsm8k-quick', { task, ...(settings as Record<string, string>) }, recipe)).toThrow(
      new RegExp(
        `^task: prompts has no true answers, and ${recipe} is evaluated by them; choose the recipe preference-loop`,
      ),
    );
  });

  it('nobody who would need true answers is a teacher or a judge', () => {
    const given = (more: Record<string, string>) =>
      resolveConfig('gsm8k-quick', { ...few, ...more }, 'preference-loop');
    expect(() => given({})).toThrow(/^teacher: prompts has no true answers for a checker; choose teacher=/);
    expect(() => given({ teacher: 'vote', judge: 'checker' })).toThrow(/^judge: prompts has no true answers/);
    expect(checkConfig(given(able))).toEqual(given(able));
  });
});

/** Seats say 7, 7, 8 and nothing in a box; the policy's held-out answers are more probable than the untouched model's. */
class Scripted extends FakeRuntime {
  protected override answer({ at, seat }: Question): Answer {
    const text = [`\\boxed{7} ${at.learner}`, '\\boxed{7}', '\\boxed{8}', 'who knows'][seat] as string;
    return { text, finish: 'stop', tokens: 10 };
  }
  override async reward(questions: ScoreQuestion[]): Promise<number[]> {
    return questions.map(({ of: about }) => [3, 1, 2, 0][about?.turn ?? 0] as number);
  }
  async score(questions: ScoreQuestion[]): Promise<number[]> {
    return questions.map(({ completion }) => (completion.endsWith('policy') ? -10 : -30));
  }
}

describe('a run', () => {
  const config = resolveConfig('gsm8k-quick', { ...few, ...able }, 'preference-loop');
  const play = async () => {
    const runtime = new Scripted();
    return { runtime, events: await logOf(runtime, config, taskFor(config, file)) };
  };

  it('gives no accuracy, and the win rate', async () => {
    const { events } = await play();
    for (const { scores } of of(events, 'evaluation')) expect(scores).toEqual([]);
    for (const { turns, verdicts } of of(events, 'episode'))
      for (const said of [...turns, ...verdicts]) expect(said).not.toHaveProperty('right');
    const won = of(events, 'measured').flatMap(({ values }) =>
      values.filter(({ label }) => label.startsWith('win rate')),
    );
    expect(won).toEqual([{ label: 'win rate against the untouched model', value: 2, of: 2 }]);
    // Best: 7 with two votes; worst: nothing readable, with none.
    const [, pairs] = of(events, 'dataset');
    expect(pairs?.examples.map(({ turn, rejected }) => [turn, rejected?.turn])).toEqual([
      [0, 3],
      [0, 3],
      [0, 3],
      [0, 3],
    ]);
    const results = resultsOf(events);
    expect(results.iterations.map(({ methods }) => methods)).toEqual([{}, {}]);
    const [started] = of(events, 'run-started');
    expect(summary(results, started!)).toContain('accuracy: not given, there are no true answers');
    const tested = events.find(({ type }) => type === 'evaluation') as RunEvent;
    expect(describeEvent(tested)?.text).toBe('iteration 0, base: accuracy not given, there are no true answers');
  });

  it('has a log that can be read back', async () => {
    const { events } = await play();
    const reader = new LogReader();
    expect(events.map((event) => reader.line(JSON.stringify(event)))).toEqual(events);
  });
});
