/**
 * Where a response says its final answer. Only what is marked as the answer is read (a box, `####`, "the answer is"): the last
 * number of a text is often an intermediate result, and a text without a mark is unreadable, never guessed at.
 */

import { readNumber } from './numbers';

/** Contents of the last closed, non-empty \boxed{…} or \fbox{…} (braces nest; also `\boxed 5` and `boxed{5}`), or null. */
export function lastBoxed(text: string): string | null {
  let found: string | null = null;
  for (const match of text.matchAll(/\\(?:boxed|fbox)\s*|(?<![\\\w])boxed(?=\{)/g)) {
    const start = match.index + match[0].length;
    const content = text[start] === '{' ? braced(text, start) : (/^[^\s{}$\\]+/.exec(text.slice(start))?.[0] ?? null);
    // "\boxed{}" and "\boxed{answer}" are the instruction quoted, and a box that is cut off may hold half a number.
    if (content !== null && !/^\s*(?:answer)?\s*$/i.test(content)) found = content.trim();
  }
  return found;
}

/** Text between the brace at `start` and its partner; null when it has none. `\{` and `\}` are no braces. */
function braced(text: string, start: number): string | null {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return text.slice(start + 1, i);
  }
  return null;
}

/** What follows the last `####` on its line (GSM8K's mark), or null. */
export function afterHashes(text: string): string | null {
  const mark = text.lastIndexOf('####');
  if (mark < 0) return null;
  return firstLine(text.slice(mark + 4)) || null;
}

/** Whose answer is told: in a debate a response also says what others answered ("agent 2's final answer is 5"). */
const SPEAKERS = 'agent|assistant|critic|expert|model|opinion|other|solver|student';
const OTHERS =
  String.raw`\b(?:(?:${SPEAKERS})s?(?:\s+\w{1,8})?['’]s?|their|his|her|its|others?|previous|original|initial|first|wrong|` +
  'incorrect)';
/** "answer is", "answer:", "**Answer**:", "answer to the question is", with words after it that say nothing. */
const STATED = new RegExp(
  String.raw`(?<!${OTHERS}\s+(?:(?:own|final)\s+)?)\banswer\b(?:\s+to\s+(?:the|this)\s+(?:question|problem))?\**(?:\s+is\b|\s*[:=])` +
    String.raw`(?:[\s:*]*(?:\b(?:therefore|thus|indeed|simply|equal to|approximately|about)\b))?[\s:*]*`,
  'gi',
);

/** What follows the last "answer is" or "answer:" of the response's own up to the end of its sentence, or null. */
export function statedAnswer(text: string): string | null {
  return sentenceAfter(text, STATED);
}

/** A full stop, comma or semicolon ends an answer unless a digit follows at once (3.5, 1,234); so does a reason. */
const END = /[.,;](?!\d)|\s+(?:because|since|as)\s|\s+—\s/;
/** As `END`, but a comma before another letter of a choice goes on with a list. */
const LETTERS_END = /[.;](?!\d)|,(?!\d|\s*(?:(?:and|or)\s+)?\(?[A-J]\b)|\s+(?:because|since|as)\s|\s+—\s/;

/** What follows the last mark on its line, or where it ends a line on the next, up to `end`; null without one. */
function sentenceAfter(text: string, mark: RegExp, end = END): string | null {
  const last = [...text.matchAll(mark)].at(-1);
  if (!last) return null;
  const rest = text.slice(last.index + last[0].length);
  // On a line of its own a dash with a space behind it begins a list: no minus.
  const line = firstLine(/\n[^\S\n]*$/.test(last[0]) ? rest.replace(/^-\s+/, '') : rest);
  const [answer = ''] = line.split(end);
  const plain = answer.replaceAll('**', '').trim();
  return plain.replace(/^["'“”‘’`]+|["'“”‘’`]+$/g, '').trim() || null;
}

/** The marked final answer of a response: its box, else after `####`, else after "the answer is"; null without a mark. */
export function markedAnswer(text: string): string | null {
  return lastBoxed(text) ?? hashedAnswer(text) ?? statedAnswer(text);
}

/** After `####`; where that is no number but a heading ("#### Step 4"), the answer that is stated in it or below it. */
function hashedAnswer(text: string): string | null {
  const hashes = afterHashes(text);
  if (hashes === null || readNumber(hashes) !== null) return hashes;
  return statedAnswer(text.slice(text.lastIndexOf('####'))) ?? hashes;
}

const EQUATIONS = /=[^=]*(?:[,;]|\\\\|\b(?:and|or)\b)[\s}]*(?:\\(?:quad|text\{[^{}]*\})\s*)*\\?\p{L}\w*\s*=/u;

/** Does a text hold several equations ("x = 5, y = 6")? They have no one right-hand side. */
export function severalEquations(text: string): boolean {
  return EQUATIONS.test(text);
}

/** The right-hand side of the last equals sign ("x = 5", "2 + 3 = 5"); the text itself where there is none or several equations are. */
export function rightHandSide(text: string): string {
  if (severalEquations(text)) return text.trim();
  return (text.split(/(?<![<>!\\])=|\\approx\b|≈/).at(-1) ?? text).trim();
}

/** The letter of a choice in a text that is a letter, (B), B), B. or B: followed by the choice; null otherwise. */
export function choiceLetter(text: string): string | null {
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
const CHOSEN = new RegExp(String.raw`\b(?:correct|right|best)\s+(?:option|choice)\s+is\b[\s:*]*`, 'gi');

/**
 * The letter that a response chooses: boxed, after `####`, after "the answer is", or all there is; null otherwise. In
 * running text the letter must be a capital, and A and I must not begin a sentence ("the answer is A dog").
 */
export function chosenLetter(text: string): string | null {
  const box = lastBoxed(text);
  if (box !== null) return choiceLetter(box);
  const stated = sentenceAfter(text, STATED, LETTERS_END) ?? sentenceAfter(text, CHOSEN, LETTERS_END);
  const hashes = afterHashes(text);
  // Without a letter it is a heading above the statement.
  if (hashes !== null) return choiceLetter(hashes) ?? (stated === null ? null : statedLetter(stated));
  // A response that begins with a letter may be going through the choices, so only a bare letter is an answer.
  return stated === null ? (/^\s*\(?([A-J])[).:]?\s*$/.exec(text)?.[1] ?? null) : statedLetter(stated);
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
      .replace(/^(?:\s|\\\[|\\\(|\$\$)*\n/, '')
      .trimStart()
      .split('\n', 1)[0]
      ?.trim() ?? ''
  );
}
