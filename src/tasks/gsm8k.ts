/** GSM8K (Cobbe et al. 2021, arXiv 2110.14168): school problems in words; the answer follows the last `####`. */
import { afterHashes } from './answers';
import { numericAnswer } from './arithmeticChat';
import { chatPrompts } from './chatPrompts';
import { nearMiss } from './worked';
import { numberText, textField, withoutProblems } from './fileTask';
import { readNumber, sameNumber } from './numbers';
import type { FileTask } from './types';

const prompts = chatPrompts('a single number');

export const gsm8k: FileTask = {
  name: 'gsm8k',
  // 2: variables and units count, and other rules of docs/grading.md.
  revision: 2,
  title: 'GSM8K: school problems',
  description: 'School problems in words with a number as the answer, from a file in the layout of GSM8K.',
  dialect: 'chat',
  lineFormat: '{"question", "answer"} with the final number after ####',
  exampleLine: '{"question": "Ann has 3 apples and buys 4. How many has she?", "answer": "3 + 4 = 7\\n#### 7"}',
  readGold(answer) {
    const text = typeof answer === 'number' ? numberText(answer) : textField({ answer }, 'answer');
    const final = afterHashes(text) ?? text;
    const gold = readNumber(final);
    if (gold === null) throw new Error(`"${final.slice(0, 60)}" is not a number`);
    return gold;
  },
  readProblem(record) {
    const answer = textField(record, 'answer');
    const final = afterHashes(answer);
    if (final === null) throw new Error('"answer" has no #### with the final number after it');
    const gold = readNumber(final);
    if (gold === null) throw new Error(`"${final.slice(0, 60)}" after #### is not a number`);
    return { question: textField(record, 'question'), gold };
  },
  problems: withoutProblems('gsm8k'),
  ...prompts,
  candidates: (problem) => nearMiss(problem, prompts.stated),
  extractAnswer: numericAnswer,
  equal: sameNumber,
};
