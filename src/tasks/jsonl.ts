/**
 * Own questions from a JSONL file. Answers may be numbers, LaTeX or short texts; numbers are compared exactly, expressions as
 * mathematics, texts of words without regard to case and white space.
 */
import { afterHashes, lastBoxed, markedAnswer, rightHandSide, severalEquations } from './answers';
import { chatPrompts } from './chatPrompts';
import { textField, withoutProblems } from './fileTask';
import { prepareLatex, sameLatex } from './latex';
import { readNumber, sameNumber } from './numbers';
import type { FileTask } from './types';

/** Brackets whose notation two tuples or intervals must share. */
const BRACKETED = /^([([{]|\\\{).*([)\]}])$/s;

/** An answer in the form that is voted on: a number as `canonicalNumber` writes it, otherwise text without its clothing. */
export function canonicalAnswer(text: string): string | null {
  const number = readNumber(text) ?? readNumber(rightHandSide(text));
  if (number !== null) return number;
  const plain = text
    .replace(/^\s*answer\s*:\s*(?=\S)/i, '')
    .replace(/\s*\.\s*$/, '')
    .replace(/^\s*\$+([^$]*)\$+\s*$/, '$1')
    .replace(/^\s*\\[([](.*)\\[)\]]\s*$/s, '$1')
    .replace(/\\(?:left|right|displaystyle)(?![a-zA-Z])/g, '')
    .replace(/\\[dt]frac(?![a-zA-Z])/g, '\\frac')
    .replace(/\\[,!;: ]/g, ' ')
    .replace(severalEquations(text) ? '' : /^\s*[a-zA-Z]\s*=(?!=)/, '')
    .replace(/^\s*\\(?:text|textbf|textrm|mathrm|mbox)\s*\{([^{}]*)\}\s*$/, '$1')
    .replaceAll('**', '')
    .replace(/\s+/g, ' ')
    .replace(/^\s*["“”]+|["“”]+\s*$/g, '')
    .replace(/\s*\.\s*$/, '')
    .trim();
  return plain === '' ? null : plain;
}

/** Equality of canonical answers. Expressions are compared once `prepareLatex` is done. */
export function sameAnswer(a: string, b: string): boolean {
  if (a === b || sameNumber(a, b)) return true;
  if (isWords(a) && isWords(b)) return a.toLowerCase() === b.toLowerCase();
  const [left, right] = [BRACKETED.exec(a), BRACKETED.exec(b)];
  if (left && right && (left[1] !== right[1] || left[2] !== right[2])) return false;
  return sameLatex(a, b);
}

/** Words are no expressions: "even" is not e·v·e·n. Short ones (x, ab, AB) may be; "no" is a word. */
function isWords(text: string): boolean {
  return /^(?:[\p{L}\s'’.-]{3,}|no)$/iu.test(text);
}

export const jsonl: FileTask = {
  name: 'jsonl',
  title: 'Own questions',
  description: 'Own questions with numbers, expressions or short texts as answers, from a file.',
  dialect: 'chat',
  lineFormat: '{"question", "answer"} with text or a number as the answer',
  exampleLine: '{"question": "Which fraction is 0.75?", "answer": "3/4"}',
  readProblem(record) {
    const { answer } = record;
    const isNumber = typeof answer === 'number' && Number.isFinite(answer);
    const text = isNumber ? String(answer) : textField(record, 'answer');
    // Worked solutions mark their answer as responses do.
    const gold = canonicalAnswer(lastBoxed(text) ?? afterHashes(text) ?? text);
    if (gold === null) throw new Error('"answer" is empty');
    return { question: textField(record, 'question'), gold };
  },
  prepare: prepareLatex,
  problems: withoutProblems('jsonl'),
  ...chatPrompts('as short as possible'),
  extractAnswer(completion) {
    const marked = markedAnswer(completion);
    return marked === null ? null : canonicalAnswer(marked);
  },
  equal: sameAnswer,
};
