/**
 * Own prompts from a file, without true answers: a prompt is asked as it is. What a model puts into \boxed{…} is read as its answer, so
 * samples can be counted; what is right is not known, and nothing says so.
 */
import { lastBoxed } from './answers';
import { chatPrompts } from './chatPrompts';
import { textField, withoutProblems } from './fileTask';
import { canonicalAnswer, sameAnswer } from './jsonl';
import type { FileTask } from './types';

export const prompts: FileTask = {
  name: 'prompts',
  revision: 1,
  title: 'Own prompts, without answers',
  description: 'Own prompts from a file, without true answers: for methods that learn from preferences.',
  dialect: 'chat',
  ungraded: true,
  lineFormat: '{"question"} with the prompt as text, and no answer',
  exampleLine: '{"question": "Explain in two sentences why the sky is blue."}',
  readGold() {
    throw new Error('the task prompts has no true answers; choose jsonl for questions with answers');
  },
  readProblem(record) {
    if (record['answer'] !== undefined)
      throw new Error('"answer" is given, and the task prompts has none; choose the task jsonl, or leave it out');
    return { question: textField(record, 'question') };
  },
  problems: withoutProblems('prompts'),
  ...chatPrompts('as short as possible'),
  solvePrompt: ({ question }) => [{ role: 'user', content: question }],
  extractAnswer(completion) {
    const boxed = lastBoxed(completion);
    return boxed === null ? null : canonicalAnswer(boxed);
  },
  equal: (a, b) => sameAnswer(a, b),
};
