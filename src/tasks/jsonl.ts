/**
 * Own questions from a JSONL file. Answers may be numbers, LaTeX or short texts; numbers are compared exactly, expressions as
 * mathematics, texts of words without regard to case and white space.
 */
import { afterHashes, lastBoxed, markedAnswer, MAX_ANSWER, namedValue } from './answers';
import { chatPrompts } from './chatPrompts';
import { numberText, textField, withoutProblems } from './fileTask';
import { Budget, OutOfSteps } from './math/budget';
import { sameFormula } from './math/equal';
import { halfWidth, mayBeUnit, readNumber } from './numbers';
import type { FileTask } from './types';
import { sameAmount, unitOf } from './units';

/**
 * An answer in the form that is voted on: a number as `canonicalNumber` writes it, with its variable (x = 2) and a unit that is known
 * (20 ¢), otherwise text without its clothing.
 */
export function canonicalAnswer(given: string): string | null {
  if (given.length > MAX_ANSWER) return null;
  const text = halfWidth(given);
  const { name, value } = namedValue(text);
  const number = readNumber(text) ?? readNumber(value);
  if (number !== null) {
    const unit = unitOf(value);
    const amount = unit ? `${number} ${unit.symbol}` : number;
    return name === null ? amount : `${name} = ${amount}`;
  }
  const plain = text
    .replace(/\s+/g, ' ')
    .replace(/^ ?(?:the )?(?:final )?answer ?: ?(?=\S)/i, '')
    .replace(/(?<![.\\]) ?\. ?$/, '')
    .replace(/^ ?\$+([^$]*)\$+ ?$/, '$1')
    .replace(/^ ?\\[([](.*)\\[)\]] ?$/, '$1')
    .replace(/\\(?:left|right)(?![a-zA-Z])(?!\s?\.)|\\displaystyle(?![a-zA-Z])/g, '')
    .replace(/\\[dt]frac(?![a-zA-Z])/g, '\\frac')
    .replace(/(?<!\\)\\(?:[;: ]|,(?!\d))/g, ' ')
    .replace(
      /(?<=[\d})]) ?\\(?:text|textnormal|mbox|mathrm) ?\{ ?(?!and\b|or\b|if\b|for\b|mod\b)([\p{L}. ]{2,30})\} ?(?:\^\{?[23]\}? ?)?$/u,
      (_, words: string) => (mayBeUnit(words) ? '' : ` ${words}`),
    )
    .replace(/^ ?\\(?:text|textbf|textnormal|textrm|mathrm|mbox) ?\{([^{}]*)\} ?$/, '$1')
    .replace(/^ ?\*\*|\*\* ?$/g, '')
    .replace(/ +/g, ' ')
    .replace(/^ ?["“”]+|["“”]+ ?$/g, '')
    .replace(/(?<![.\\]) ?\. ?$/, '')
    .trim();
  return plain === '' ? null : plain;
}

/** Equality of canonical answers. Steps are counted: what asks for too much work equals nothing but its own text. */
export function sameAnswer(a: string, b: string, budget = new Budget()): boolean {
  if (a === b) return true;
  if (a.length > MAX_ANSWER || b.length > MAX_ANSWER) return false;
  const [x, y] = [namedValue(a), namedValue(b)];
  if (x.name !== null && y.name !== null && x.name !== y.name) return false;
  const amounts = sameAmount(x.value, y.value);
  if (amounts !== null) return amounts;
  const number = readNumber(x.value);
  if (number !== null && number === readNumber(y.value)) return true;
  const [left, right] = [wordsOf(a), wordsOf(b)];
  if (left !== null || right !== null) return left !== null && right !== null && sameWords(left, right, budget);
  if (written(a) === written(b)) return true;
  try {
    budget.spend(a.length + b.length);
  } catch (error) {
    if (error instanceof OutOfSteps) return false;
    throw error;
  }
  // Days and numbers of parts are no differences and quotients: 2024-01-05 is not 2024-05-01.
  return !isParts(a) && !isParts(b) && sameFormula(a, b, budget);
}

const EMPTY = /^(?:there (?:is|are) )?(?:no (?:real )?solutions?|none)$|^(?:\\emptyset|\\varnothing|∅|\\\{ ?\\\})$/;
const WORD = /\p{L}{3,}/gu;
const FORMULA_WORDS =
  /^(?:sin|cos|tan|cot|sec|csc|log|exp|sqrt|arcsin|arccos|arctan|sinh|cosh|tanh|and|inf|infinity)$/i;

/** The words of a text, without regard to case; null for a formula. Words are no products: "even" is not e·v·e·n. */
function wordsOf(text: string): string | null {
  const plain = text
    .toLowerCase()
    .replace(/\\ ?(?:text|mathrm|mbox) ?\{([^{}]*)\}/g, '$1')
    .trim();
  if (EMPTY.test(plain)) return 'no solution';
  if (/^[\p{L}\p{M}\d\s'’.,:&;-]+$/u.test(plain) && (plain === 'no' || words(plain) || /[^ -~]/.test(plain)))
    return plain;
  return null;
}

function words(text: string): boolean {
  return (text.match(WORD) ?? []).some((word) => !FORMULA_WORDS.test(word)) && !/^[\d\s,.-]+$/.test(text);
}

/** Lists of words have no order, as lists of numbers have none. */
function sameWords(a: string, b: string, budget: Budget): boolean {
  const [left, right] = [a, b].map((text) => text.split(/\s*(?:[,;]|\band\b|\bor\b)\s*/).filter((part) => part !== ''));
  if (!left || !right || left.length !== right.length || left.length > 60) return false;
  const rest = [...right];
  return left.every((part) => {
    const index = rest.findIndex(
      (other) =>
        other === part || (left.length > 1 && !wordsOf(part) && !wordsOf(other) && sameAnswer(part, other, budget)),
    );
    if (index >= 0) rest.splice(index, 1);
    return index >= 0;
  });
}

/** LaTeX without what is written in several ways and says nothing. */
function written(text: string): string {
  return text
    .replace(/\\\\ ?\[-?\d*\.?\d*(?:pt|em|ex|mm|cm|in)\]/g, '\\\\')
    .replace(/\\(le|ge|ne)(?:q|qslant)?(?![a-zA-Z])/g, '\\$1 ')
    .replace(/\\[lc]?dots(?![a-zA-Z])|…/g, '...')
    .replace(/(\\[a-zA-Z]+) +(?![a-zA-Z ])/g, '$1')
    .replace(/ +(?=\\)| *([^\w\s\\]) */g, '$1')
    .replace(/\\\\ +/g, '\\\\')
    .replace(/,?&(?:\\text\{ ?(?:if|for|when) ?\})?/g, '&')
    .replace(/\\\\(?=\\end)/g, '')
    .trim();
}

function isParts(text: string): boolean {
  return /^\d+(?:[-/.:]\d+){2,}$|^\d+[-/]0\d*$|^0\d+[-/]\d+$/.test(text);
}

export const jsonl: FileTask = {
  name: 'jsonl',
  // 2: variables and units count, and other rules of docs/grading.md.
  revision: 2,
  title: 'Own questions',
  description: 'Own questions with numbers, expressions or short texts as answers, from a file.',
  dialect: 'chat',
  lineFormat: '{"question", "answer"} with text or a number as the answer',
  exampleLine: '{"question": "Which fraction is 0.75?", "answer": "3/4"}',
  readGold(answer) {
    const isNumber = typeof answer === 'number' && Number.isFinite(answer);
    const text = isNumber ? numberText(answer) : textField({ answer }, 'answer');
    // Worked solutions mark their answer as responses do.
    const gold = canonicalAnswer(lastBoxed(text) ?? afterHashes(text) ?? text);
    if (gold === null) throw new Error(`"answer" is empty or has more than ${MAX_ANSWER} characters`);
    return gold;
  },
  readProblem(record) {
    return { question: textField(record, 'question'), gold: jsonl.readGold(record['answer'], record) };
  },
  problems: withoutProblems('jsonl'),
  ...chatPrompts('as short as possible'),
  extractAnswer(completion) {
    const marked = markedAnswer(completion);
    return marked === null ? null : canonicalAnswer(marked);
  },
  equal: (a, b) => sameAnswer(a, b),
};
