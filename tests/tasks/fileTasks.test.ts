import { describe, expect, it } from 'vitest';
import { isFileTask, taskFor, taskNamed, TASKS } from '../../src/tasks';
import { arithmeticChat, paperProblem } from '../../src/tasks/arithmeticChat';
import { ProblemFileError, TaskError } from '../../src/tasks/errors';
import { bindProblems } from '../../src/tasks/fileTask';
import { gsm8k } from '../../src/tasks/gsm8k';
import { importProblems } from '../../src/tasks/importer';
import { jsonl } from '../../src/tasks/jsonl';
import { multipleChoice } from '../../src/tasks/multipleChoice';
import type { FileTask } from '../../src/tasks/types';

const bytes = (...lines: unknown[]) =>
  new TextEncoder().encode(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));

const imported = (task: FileTask, ...lines: unknown[]) =>
  importProblems(task, 'some/where/data.jsonl', bytes(...lines));

describe('importing', () => {
  it('reads GSM8K: thousands separators, negative numbers, marks inside the text', () => {
    const file = imported(
      gsm8k,
      { question: 'One?', answer: 'So 5 * 2 = <<5*2=10>>10.\n#### 10' },
      '',
      { question: ' Two? ', answer: '#### 1,234,567' },
      { question: 'Three?', answer: '#### not yet\n#### -3' },
      { question: 'Four?', answer: '#### $2.50\r' },
    );
    expect(file.problems.map(({ question, gold }) => [question, gold])).toEqual([
      ['One?', '10'],
      ['Two?', '1234567'],
      ['Three?', '-3'],
      ['Four?', '2.5'],
    ]);
    expect(file).toMatchObject({ name: 'data.jsonl', repeated: 0 });
    // python3 -c 'import hashlib; print(hashlib.sha256(b"One?").hexdigest()[:8])' is 588216e4
    expect(file.problems[0]?.id).toBe(0x588216e4);
  });

  it('keeps ids when lines move or join, and leaves repetitions out', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((question, index) => ({ question, answer: index }));
    const ids = (...lines: unknown[]) =>
      Object.fromEntries(imported(jsonl, ...lines).problems.map(({ question, id }) => [question, id]));
    expect(ids(c, a)).toEqual({ a: ids(a, b)['a'], c: ids(a, b, c)['c'] });
    const repeated = imported(jsonl, a, b, { question: 'a', answer: '0.0' });
    expect([repeated.problems.length, repeated.repeated]).toEqual([2, 1]);
  });

  it('reads the layouts of multiple choice', () => {
    const gold = (line: unknown) => imported(multipleChoice, line).problems[0]?.gold;
    expect(gold({ question: 'q', choices: ['w', 'x', 'y', 'z'], answer: 0 })).toBe('A');
    expect(gold({ question: 'q', choices: ['w', 'x', 'y', 'z'], answer: 'd' })).toBe('D');
    expect(gold({ question: 'q', choices: { label: ['A', 'B'], text: ['w', 'x'] }, answerKey: 'B' })).toBe('B');
    expect(gold({ question: 'q', choices: { label: ['1', '2'], text: ['w', 'x'] }, answerKey: '2' })).toBe('B');
    const nested = {
      question: {
        stem: 'Where?',
        choices: [
          { label: 'A', text: 'here' },
          { label: 'B', text: 'there' },
        ],
      },
      answerKey: 'A',
    };
    expect(imported(multipleChoice, nested).problems[0]).toMatchObject({
      question: 'Where?\nA) here\nB) there',
      gold: 'A',
    });
  });

  // labels, answer → letter of the right choice
  it.each([
    [['1', '2', '3', '4'], 2, 'B'],
    [[1, 2, 3, 4], 2, 'B'],
    [[1, 2, 3, 4], '4', 'D'],
    [['0', '1'], 1, 'B'],
    [['0', '1'], 0, 'A'],
    // a label and an index at once: the label counts
    [['2', '1', '0'], 0, 'C'],
    [['A', 'B', 'C', 'D'], 'c', 'C'],
    [[' A', 'B '], 'B', 'B'],
    // labels that differ in capitals alone
    [['A', 'a'], 'a', 'B'],
    [['a', 'A'], 'A', 'B'],
    [['x1', 'X2'], 'X1', 'A'],
  ])('takes of the labels %j the answer %j for %s', (label, answer, letter) => {
    const texts = label.map((_, index) => `choice ${index}`);
    const gold = (line: unknown) => imported(multipleChoice, line).problems[0]?.gold;
    for (const field of ['answer', 'answerKey']) {
      expect(gold({ question: 'q', choices: { label, text: texts }, [field]: answer })).toBe(letter);
      const choices = label.map((one, index) => ({ label: one, text: texts[index] }));
      expect(gold({ question: { stem: 'q', choices }, [field]: answer })).toBe(letter);
    }
  });

  it.each([
    [{ choices: { label: ['1', '2'], text: ['w', 'x'] }, answer: 0 }, /"answer" 0 is none of 1, 2/],
    [{ choices: { label: ['1', '2'], text: ['w', 'x'] }, answer: 1.5 }, /"answer" 1.5 is none of 1, 2/],
    [{ choices: { label: ['A', 'B'], text: ['w', 'x'] }, answer: 1 }, /"answer" 1 is none of A, B/],
    [{ choices: { label: ['1', '1'], text: ['w', 'x'] }, answer: 1 }, /has the label "1" twice/],
    [{ choices: { label: ['1', 1], text: ['w', 'x'] }, answer: 1 }, /has the label "1" twice/],
    [{ choices: { label: ['ab', 'aB'], text: ['w', 'x'] }, answer: 'AB' }, /"answer" "AB" is none of ab, aB/],
    [{ choices: { label: ['A', ' '], text: ['w', 'x'] }, answer: 'A' }, /has the label " ", which is neither/],
    [{ choices: { label: ['A', null], text: ['w', 'x'] }, answer: 'A' }, /has the label null, which is neither/],
    [{ choices: ['Rome', 'Paris'], answer: 'Paris' }, /"Paris" is none of A, B; it is the text of a choice/],
    [{ choices: ['7', '8'], answer: '8' }, /"8" is none of A, B; it is the text of a choice/],
    [{ choices: ['w', 'x'], answer: -1 }, /"answer" -1 is no index/],
    [{ choices: ['w', 'x'], answer: true }, /"answer" true is neither a label nor an index/],
    [{ choices: ['w', 'x'], answer: 0, answerKey: 'B' }, /"answer" and "answerKey" name different choices/],
  ])('refuses %j', (line, reason) => {
    expect(() => imported(multipleChoice, { question: 'q', ...line })).toThrow(reason);
  });

  it.each([
    [gsm8k, '{"question": "q"', /line 2: is not JSON/],
    [gsm8k, [1], /line 2: is not a JSON object; a line is \{"question", "answer"\}/],
    [gsm8k, { answer: '#### 1' }, /line 2: "question" is missing/],
    [gsm8k, { question: ' ', answer: '#### 1' }, /line 2: "question" is empty/],
    [gsm8k, { question: 'q', answer: 5 }, /line 2: "answer" is not text/],
    [gsm8k, { question: 'q', answer: '5' }, /line 2: "answer" has no ####/],
    [gsm8k, { question: 'q', answer: '#### five' }, /line 2: "five" after #### is not a number/],
    [
      gsm8k,
      { question: 'first', answer: '#### 2' },
      /line 2: asks the question of line 1 but has another answer \(2, not 1\)/,
    ],
    [multipleChoice, { question: 'q', answer: 1 }, /line 2: "choices" is not a list/],
    [multipleChoice, { question: 'q', choices: ['a'], answer: 0 }, /line 2: "choices" holds 1; 2 to 10/],
    [multipleChoice, { question: 'q', choices: ['a', 'b'], answer: 2 }, /line 2: "answer" 2 is no index/],
    [multipleChoice, { question: 'q', choices: ['a', 'b'], answer: 'C' }, /line 2: "answer" "C" is none of A, B/],
    [multipleChoice, { question: 'q', choices: ['a', 'b'] }, /line 2: "answer" \(or "answerKey"\) is missing/],
    [multipleChoice, { question: 'q', choices: [1, 'b'], answer: 0 }, /line 2: "choices" holds something/],
    [jsonl, { question: 'q', answer: true }, /line 2: "answer" is not text/],
  ])('names file and line of what is wrong (%#)', (task, line, message) => {
    const first =
      task === multipleChoice
        ? { question: 'first', choices: ['a', 'b'], answer: 0 }
        : { question: 'first', answer: '#### 1' };
    expect(() => imported(task, first, line)).toThrow(ProblemFileError);
    expect(() => imported(task, first, line)).toThrow(message);
    expect(() => imported(task, first, line)).toThrow(/^some\/where\/data\.jsonl: line 2: /);
  });

  it('refuses an empty file and bytes that are no text', () => {
    expect(() => imported(jsonl, '', ' ')).toThrow(/data\.jsonl: holds no problems; a line is/);
    const broken = new Uint8Array([...bytes({ question: 'q', answer: 1 }), 0x0a, 0xff, 0xfe]);
    expect(() => importProblems(jsonl, 'data.jsonl', broken)).toThrow('data.jsonl: line 2: is not UTF-8 text');
  });
});

describe('splitting', () => {
  const file = imported(jsonl, ...Array.from({ length: 60 }, (_, i) => ({ question: `q${i}`, answer: i })));
  const task = bindProblems(jsonl, file, 20);
  const ids = (problems: { id: number }[]) => problems.map(({ id }) => id);

  it('is the same for a seed, without overlap, and longer lists begin with shorter ones', () => {
    const evaluation = ids(task.problems('evaluation', 20, 7));
    const train = ids(task.problems('train', 40, 7));
    expect(new Set([...evaluation, ...train]).size).toBe(60);
    expect(ids(task.problems('evaluation', 5, 7))).toEqual(evaluation.slice(0, 5));
    expect(ids(task.problems('train', 9, 7))).toEqual(train.slice(0, 9));
    expect(ids(task.problems('train', 40, 8))).not.toEqual(train);
    // Another number of evaluation problems trains on the same ones.
    expect(ids(bindProblems(jsonl, file, 40).problems('train', 20, 7))).toEqual(train.slice(0, 20));
  });

  it('draws again for an iteration, never from what is held out', () => {
    const held = new Set(ids(task.problems('evaluation', 20, 7)));
    const draws = [0, 1, 2].map((iteration) => ids(task.problems('train', 15, 7, iteration)));
    expect(draws.flat().some((id) => held.has(id))).toBe(false);
    expect(new Set(draws.map(String)).size).toBe(3);
  });

  it('refuses what the file does not hold, and another file than the configuration names', () => {
    expect(() => task.problems('train', 41, 7)).toThrow(TaskError);
    expect(() => task.problems('evaluation', 21, 7)).toThrow(/21 evaluation problems asked for.*lower/);
    const wanted = { task: 'jsonl', trainProblems: 40, evaluationProblems: 20 };
    expect(ids(taskFor(wanted, file).problems('evaluation', 20, 7))).toEqual(ids(task.problems('evaluation', 20, 7)));
    expect(() => taskFor({ ...wanted, trainProblems: 41 }, file)).toThrow(/holds 60 problems, and 41 for training/);
    expect(() => taskFor(wanted)).toThrow(/needs its file/);
    const data = { name: 'other.jsonl', sha256: '0'.repeat(64) };
    expect(() => taskFor({ ...wanted, data }, file)).toThrow(/data\.jsonl: is not the other\.jsonl of this run/);
    expect(() => taskNamed('gsm8k').problems('train', 1, 1)).toThrow(/its problems are in a file/);
    expect(TASKS.filter(isFileTask).map(({ name }) => name)).toEqual(['gsm8k', 'multiple-choice', 'jsonl', 'prompts']);
  });
});

describe('arithmetic in chat', () => {
  it("draws the paper's problems: operands to 29, exact answers, no overlap", () => {
    expect(paperProblem([7, 29, 4, 15, 6, 17])).toEqual({
      id: ((((7 * 30 + 29) * 30 + 4) * 30 + 15) * 30 + 6) * 30 + 17,
      question: 'What is the result of 7+29*4+15-6*17?',
      gold: '36',
    });
    const train = arithmeticChat.problems('train', 500, 7);
    const evaluation = arithmeticChat.problems('evaluation', 500, 7);
    expect(new Set([...train, ...evaluation].map(({ id }) => id)).size).toBe(1000);
    expect(arithmeticChat.problems('train', 100, 7)).toEqual(train.slice(0, 100));
    expect(arithmeticChat.problems('train', 100, 7, 1)).not.toEqual(train.slice(0, 100));
    const operands = train.flatMap(({ question }) => (question.match(/\d+/g) ?? []).map(Number));
    expect([Math.min(...operands), Math.max(...operands)]).toEqual([0, 29]);
    expect(train.every(({ id }) => id < 30 ** 6)).toBe(true);
  });
});

describe('chat prompts', () => {
  const problem = { id: 1, question: 'What is 1+1?' };

  it('solve and judge: the problem, and where the answer goes', () => {
    const [solve] = gsm8k.solvePrompt(problem);
    expect(solve?.role).toBe('user');
    expect(solve?.content).toContain('What is 1+1?');
    expect(solve?.content).toContain('\\boxed{answer}');
    const judge = gsm8k.judgePrompt?.(problem, ['two', 'three']) ?? [];
    expect(judge[0]?.content).toMatch(/What is 1\+1\?[^]*Agent 1:\n```\ntwo\n```\n\nAgent 2:\n```\nthree\n```/);
    expect(judge[0]?.content).toContain('\\boxed{answer}');
  });

  it('revise: the own response is an own turn, then what the others said', () => {
    const messages = gsm8k.revisePrompt(problem, 'I say \\boxed{2}.', 'They say 3.');
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[0]).toEqual(gsm8k.solvePrompt(problem)[0]);
    expect(messages[1]?.content).toBe('I say \\boxed{2}.');
    expect(messages[2]?.content).toMatch(/They say 3\.[^]*What is 1\+1\?/);
    expect(gsm8k.revisePrompt(problem, ' ', 's')[1]?.content).toBe('(no response)');
  });

  it('no response can close its fence', () => {
    const summary = gsm8k.summarise(['```\ncode\n```', 'plain', null]);
    expect(summary).toContain('````\n```\ncode\n```\n````');
    expect(summary).toContain('Agent 3:\n```\n(no response)\n```');
    expect(gsm8k.summarisePrompt?.(problem, ['x'])[0]?.content).toMatch(/What is 1\+1\?[^]*Opinion 1:\n```\nx\n```/);
  });
});
