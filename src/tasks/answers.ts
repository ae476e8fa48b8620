/**
 * Where a response says its final answer. Only what is marked as the answer is read (a box, `####`, "the answer is"): the last
 * number of a text is often an intermediate result, and a text without a mark is unreadable, never guessed at.
 */

import { readNumber } from './numbers';
import { answerText, windowBefore, windowsOf } from './responseText';

/** Longest answer that is read, in characters. */
export const MAX_ANSWER = 1000;
/** "\boxed{}" and "\boxed{answer}" are the instruction quoted. */
const PLACEHOLDER =
  /^\s*(?:\\text\{\s*)?(?:(?:your\s|final\s|the\s)*answer|\?+|_+|\.\.\.|…|\\l?dots|\\phantom\{[^{}]*\})?\s*\}?\s*$/i;
/** What may stand between boxes that are one list. */
const BETWEEN_BOXES =
  /^(?:[\s$,;&]|\\[()[\]]|\\q?quad|\\text\{\s*(?:and|or)?\s*\}|\b(?:and|or)\b|\b[a-z](?:_\{?\d\}?)?\s*=)*$/i;

interface Box {
  content: string;
  start: number;
  end: number;
}

/** Every closed \boxed{…} or \fbox{…} that is no placeholder (braces nest; also `\boxed 5` and `boxed{5}`), in one pass. */
export function boxesIn(text: string): { boxes: Box[]; steps: number } {
  const boxes: Box[] = [];
  /** Where the braces that are open began, and whether a box did so; null for others. */
  const open: ({ start: number; from: number } | null)[] = [];
  const push = (content: string, start: number, end: number): void => {
    if (!PLACEHOLDER.test(content.slice(0, MAX_ANSWER))) boxes.push({ content: content.trim(), start, end });
  };
  let pending: number | null = null;
  let steps = 0;
  /** Boxes among the open braces. */
  let within = 0;
  for (let i = 0; i < text.length; i++) {
    steps++;
    const character = text[i] as string;
    if (character === '{') {
      if (pending !== null) within++;
      open.push(pending === null ? null : { start: pending, from: i + 1 });
      pending = null;
    } else if (character === '}') {
      const box = open.pop();
      if (box) within--;
      // Of nested boxes the outer one counts.
      if (box && i - box.from <= MAX_ANSWER && within === 0) push(text.slice(box.from, i), box.start, i + 1);
      pending = null;
    } else if (character === '\\' || (character === 'b' && !/[\\\w]/.test(text[i - 1] ?? ''))) {
      const name = /^(?:\\(?:boxed|fbox)(?![a-zA-Z])|boxed(?=\{))/.exec(text.slice(i, i + 8))?.[0];
      pending = name ? i : null;
      if (name) {
        i += name.length - 1;
        const bare = /^\s?([^\s{}$\\]{1,40})/.exec(text.slice(i + 1, i + 43));
        if (bare && name !== 'boxed') push(bare[1] as string, pending as number, i + 1 + bare[0].length);
      } else if (character === '\\') i++;
    } else if (!/\s/.test(character)) pending = null;
  }
  return { boxes, steps };
}

/** Contents of the last box; boxes that a comma, "and" or "or" joins are one list. null without a box. */
export function lastBoxed(response: string): string | null {
  return boxedAnswer(response)?.content ?? null;
}

/** What a box in a box holds. */
function unwrapped(content: string): string {
  const inner = /^\\(?:boxed|fbox)\s?\{(.*)\}$/s.exec(content)?.[1];
  if (inner === undefined) return content;
  let depth = 0;
  for (const character of inner) {
    if (character === '{') depth++;
    else if (character === '}' && --depth < 0) return content;
  }
  return unwrapped(inner.trim());
}

function boxedAnswer(text: string): Box | null {
  const { boxes } = boxesIn(text);
  let last = boxes.length - 1;
  const joined = boxes.slice(-1);
  for (; last > 0; last--) {
    const [before, after] = [boxes[last - 1] as Box, boxes[last] as Box];
    const between = text.slice(before.end, after.start);
    if (between.length > 40 || !/[,;&]|and|or/i.test(between) || !BETWEEN_BOXES.test(between)) break;
    joined.unshift(before);
  }
  const [first] = joined;
  if (!first) return null;
  const content = joined.map((box) => unwrapped(box.content)).join(', ');
  return content.length > MAX_ANSWER ? null : { content, start: first.start, end: (joined.at(-1) as Box).end };
}

/** What follows the last `####` on its line (GSM8K's mark), or null. */
export function afterHashes(text: string): string | null {
  const mark = text.lastIndexOf('####');
  if (mark < 0) return null;
  return firstLine(text.slice(mark + 4)) || null;
}

/** Whose answer is told: in a debate a response also says what others answered ("agent 2's final answer is 5"). */
const SPEAKERS = 'agent|assistant|critic|expert|model|opinion|other|solver|student';
const OTHERS = new RegExp(
  String.raw`(?:\b(?:(?:${SPEAKERS})s?(?: \w{1,8})?['’]s?|their|his|her|its|others?|previous|original|initial|first|wrong|` +
    String.raw`incorrect)) (?:(?:own|final) )?$`,
  'i',
);
/** "answer is", "answer:", "**Answer**:", "answer to the question is", with words after it that say nothing. */
const STATED = new RegExp(
  String.raw`^answer\b(?: to (?:the|this) (?:question|problem))?\**(?:\s?is\b|\s?[:=])` +
    String.raw`(?:[\s:*]{0,8}(?:\b(?:therefore|thus|indeed|simply|equal to|approximately|about)\b))?[\s:*]{0,8}`,
  'i',
);

/** What follows the last "answer is" or "answer:" of the response's own up to the end of its sentence, or null. */
export function statedAnswer(text: string): string | null {
  return sentenceAfter(answerText(text) ?? '', ANSWER)?.text ?? null;
}

/** A full stop, comma or semicolon ends an answer unless a digit follows at once (3.5, 1,234); so does a reason. */
const END = /[.,;](?!\d|\\)|\s(?:because|since|as)\s|\s—\s/;
/** As `END`, but a comma before another letter of a choice goes on with a list. */
const LETTERS_END = /[.;](?!\d)|,(?!\d|\s?(?:(?:and|or)\s)?\(?[A-J]\b)|\s(?:because|since|as)\s|\s—\s/;

interface Mark {
  /** What each mark begins with, in small letters; found without a pattern. */
  word: string;
  pattern: RegExp;
  /** What must not stand before it. */
  not?: RegExp;
}

const ANSWER: Mark = { word: 'answer', pattern: STATED, not: OTHERS };

/** What follows the last mark on its line, or where it ends a line on the next, up to `end`; null without one. */
function sentenceAfter(text: string, mark: Mark, end = END): { text: string; at: number } | null {
  for (const { at, window } of windowsOf(text, mark.word)) {
    const found = mark.pattern.exec(window);
    if (!found || /\w/.test(text[at - 1] ?? '') || mark.not?.test(windowBefore(text, at))) continue;
    const rest = window.slice(found[0].length);
    // On a line of its own a dash with a space behind it begins a list: no minus.
    const line = firstLine(/\n ?$/.test(found[0]) ? rest.replace(/^-\s/, '') : rest);
    const answer = formulaAt(line) ?? line.split(end)[0] ?? '';
    // In a sentence it is an exclamation; a factorial stands in a formula.
    const plain = answer
      .replace(/(?<=\w)!+\s?$/, '')
      .replace(/^\s*\*\*|\*\*\s*$|(?<=\S)\*\*(?=[\s,.]|$)/g, '')
      .trim();
    const told = plain.replace(/^["'“”‘’`]+|["'“”‘’`]+$/g, '').trim();
    return told === '' ? null : { text: told, at };
  }
  return null;
}

/** The formula that a line begins with, whatever commas and stops it holds; null where it goes on or there is none. */
function formulaAt(line: string): string | null {
  const found = /^(?:\\\((.{1,400}?)\\\)|\$([^$]{1,400})\$)\s?(?:[.,;!]|$)/.exec(line);
  const formula = found?.[1] ?? found?.[2];
  return formula !== undefined && /[,;\\!^=]/.test(formula) ? formula : null;
}

/**
 * The places where a response marks its final answer, the most binding first: its box, else after `####`, else after "the answer is".
 * A box that has no answer of the task's kind gives way to what is said elsewhere, so a task takes the first that it can read.
 */
export function markedAnswers(response: string): string[] {
  const text = answerText(response);
  if (text === null) return [];
  const box = boxedAnswer(text);
  const hashes = hashedAnswer(text);
  const stated = sentenceAfter(text, ANSWER);
  // "The answer is 5. \boxed{unknown}" takes the statement back, "\boxed{5 + 7}. The answer is 12." does not.
  const word =
    box !== null && /^(?:\\text\{)?\s*\p{L}[\p{L}\s]*\}?$/u.test(box.content) && (stated?.at ?? 0) < box.start;
  if (word) return [box.content];
  return [box?.content, hashes, stated?.text].filter((answer): answer is string => typeof answer === 'string');
}

/** The marked final answer of a response: its box, else after `####`, else after "the answer is"; null without a mark. */
export function markedAnswer(text: string): string | null {
  return markedAnswers(text)[0] ?? null;
}

/** After `####`; where that is no number but a heading ("#### Step 4"), the answer that is stated in it or below it. */
function hashedAnswer(text: string): string | null {
  const hashes = afterHashes(text);
  if (hashes === null || readNumber(hashes) !== null) return hashes;
  return sentenceAfter(text.slice(text.lastIndexOf('####')), ANSWER)?.text ?? hashes;
}

/** A name: x, x_1, f(x), AB, total cost, \theta, \text{Area}. Letters beside letters may be a product (xy). */
const NAME =
  /^(?:\\?(?:[a-zA-Z]|[A-Z]{2}|[a-zA-Z]+'?|(?:text|mathrm)\{[^{}]*\}|\p{L}[\p{L}'’-]*(?:\s[\p{L}'’-]+)*))(?:_(?:\w|\{\w{1,8}\}))?'?\s?(?:\(\w{1,3}\))?$/u;
const PRODUCT = /^(?:[a-cxyzkmnpq]{2,3}|[a-z]{2})$/;
/** Sums of numbers: 16 - 3, \frac{1}{2} \times 4. */
const CALCULATION = /^(?:[\d\s+\-−*/().,×÷·^{}$%!]|\\(?:times|cdot|div|[dt]?frac|left|right|\$|%|[,!;:]))+$/;

/** Letters that are numbers: 2.718 = e names nothing. */
const CONSTANT = /^\\?(?:e|i|pi)$/;
/** A variable, not a label such as "total" or "AB": x, \theta, x_1, f(x). */
const VARIABLE = /^(?:[a-zA-Z]|\\(?!text|mathrm)[a-zA-Z]+)(?:_(?:\w|\{\w{1,8}\}))?'?\s?(?:\(\w{1,3}\))?$/;

/** The value of an equation, and of which variable it is; null for a calculation, a label, or no equation. */
export interface NamedValue {
  name: string | null;
  value: string;
}

/**
 * The value of "x = 5", "5 = x" or "2 + 3 = 5": where a name or calculations alone stand beside the last equals sign. The text itself where
 * there is none, where several equations are, and for equations such as 2x + 3y = 6, which have no value.
 */
export function namedValue(text: string): NamedValue {
  if (text.length > MAX_ANSWER) return { name: null, value: text };
  const sides = text.split(/(?<![<>!\\=])=(?!=)|\\approx\b|≈/).map((side) => side.trim());
  const whole = { name: null, value: text.trim() };
  if (sides.length < 2) return whole;
  const plain = sides.map((side) => side.replace(/^\$|\\[()[\]]|\$$/g, '').trim());
  const [first = ''] = plain;
  const last = plain.at(-1) as string;
  const before = plain.slice(0, -1);
  if (isName(last) && !CONSTANT.test(last) && before.every((side) => CALCULATION.test(side))) {
    return { name: VARIABLE.test(last) ? last : null, value: sides.at(-2) as string };
  }
  if (before.every((side, i) => (i === 0 && isName(side)) || CALCULATION.test(side))) {
    return { name: VARIABLE.test(first) ? first : null, value: sides.at(-1) as string };
  }
  return whole;
}

function isName(side: string): boolean {
  return NAME.test(side) && !PRODUCT.test(side);
}

/** `namedValue` where it does not matter of what it is. */
export function rightHandSide(text: string): string {
  return namedValue(text).value;
}

/** The letter of a choice in a text that is a letter, (B), B), B. or B: followed by the choice; null otherwise. */
export function choiceLetter(text: string): string | null {
  if (text.length > MAX_ANSWER) return null;
  const plain = withoutClothing(text).replace(/^(?:the\s+)?(?:correct\s+)?answer(?:\s+is|\s*:)\s*/i, '');
  const match = /^(?:option|choice)?\s*\(?([A-J])(?=\)|[.:,](?!\w)|\s*$)(.*)$/is.exec(plain);
  return match && !namesAnother(match[2] ?? '') ? (match[1]?.toUpperCase() ?? null) : null;
}

/** What follows a letter goes on with a second one (", C", "and C", "or C"): nothing is chosen. */
function namesAnother(tail: string): boolean {
  return /^\)?\s*(?:,\s*(?:and|or)\b|[,&/]|and\b|or\b)\s*\(?[A-J]\)?\s*(?:$|[,.]|and\b|or\b)/i.test(tail);
}

/** A letter or words without what LaTeX, Markdown and quotation put around them. */
function withoutClothing(text: string): string {
  return text
    .replace(/\\(?:text|textbf|textrm|texttt|textit|mathrm|mathbf)\s*\{([^{}]*)\}/g, '$1')
    .replace(/\\[()[\]]|\*\*|[$"“”`]/g, '')
    .replace(/^\s*\[([A-Ja-j])\]/, '$1')
    .trim();
}

/** "The correct option is B", "the right choice is (B)". */
const CHOSEN: readonly Mark[] = ['correct', 'right', 'best'].map((word) => ({
  word,
  pattern: new RegExp(String.raw`^${word} (?:option|choice) is\b[\s:*]{0,8}`, 'i'),
}));

/**
 * The letter that a response chooses: boxed, after `####`, after "the answer is", or all there is; null otherwise. In
 * running text the letter must be a capital, and A and I must not begin a sentence ("the answer is A dog").
 */
export function chosenLetter(response: string): string | null {
  const text = answerText(response);
  if (text === null) return null;
  const box = boxedAnswer(text);
  const boxed = box && choiceLetter(box.content);
  if (boxed) return boxed;
  // A box with several letters, or with words, chooses nothing; one with a formula is no choice at all.
  if (box && (namesSeveral(box.content) || /^(?:\\text\{)?[\p{L}\s]+\}?$/u.test(box.content))) return null;
  const stated = [ANSWER, ...CHOSEN]
    .map((mark) => sentenceAfter(text, mark, LETTERS_END))
    .find((found) => found !== null);
  const hashes = afterHashes(text);
  // Without a letter it is a heading above the statement.
  if (hashes !== null) return choiceLetter(hashes) ?? (stated ? statedLetter(stated.text) : null);
  // A response that begins with a letter may be going through the choices, so only a bare letter is an answer.
  return stated ? statedLetter(stated.text) : (/^\s*\(?([A-J])[).:]?\s*$/.exec(text)?.[1] ?? null);
}

function namesSeveral(content: string): boolean {
  return /^\W*[A-J]\W+(?:(?:and|or)\W+)?[A-J]\b/i.test(withoutClothing(content));
}

function statedLetter(stated: string): string | null {
  const match = /^(?:[Oo]ption|[Cc]hoice)?\s*\(?([A-J])(?=\)|[.:,]|\s|$)(.*)$/s.exec(withoutClothing(stated));
  if (!match) return null;
  const [, letter = '', tail = ''] = match;
  const article = (letter === 'A' || letter === 'I') && /^\s+\p{L}/u.test(tail);
  return article || namesAnother(tail) ? null : letter;
}

/** The first line with something in it besides the opening of a formula. */
function firstLine(text: string): string {
  return (
    text
      .slice(0, MAX_ANSWER)
      .replace(/^(?:\s|\\\[|\\\(|\$\$)*\n/, '')
      .trimStart()
      .split('\n', 1)[0]
      ?.trim() ?? ''
  );
}
