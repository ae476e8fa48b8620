/**
 * Where a response says its final answer. Only what is marked as the answer is read (a box, `####`, "the answer is"): the last
 * number of a text is often an intermediate result, and a text without a mark is unreadable, never guessed at.
 */

/** Contents of the last closed, non-empty \boxed{…} or \fbox{…} (braces nest; also `\boxed 5`), or null. */
export function lastBoxed(text: string): string | null {
  let found: string | null = null;
  for (const match of text.matchAll(/\\(?:boxed|fbox)\s*/g)) {
    const start = match.index + match[0].length;
    const content = text[start] === '{' ? braced(text, start) : (/^[^\s{}$\\]+/.exec(text.slice(start))?.[0] ?? null);
    // "\boxed{}" is the instruction quoted, and a box that is cut off may hold half a number.
    if (content !== null && content.trim() !== '') found = content.trim();
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

/** What follows the last "answer is" or "answer:" up to the end of its sentence, or null. */
export function statedAnswer(text: string): string | null {
  const marks = [...text.matchAll(/\banswer\b(?:\s+is\b|\s*[:=])[\s:*]*/gi)];
  const last = marks.at(-1);
  if (!last) return null;
  const line = firstLine(text.slice(last.index + last[0].length));
  // A full stop, comma or semicolon ends it unless a digit follows at once (3.5, 1,234); so does a reason.
  const [answer = ''] = line.split(/[.,;](?!\d)|\s+(?:because|since|as)\s|\s+—\s/);
  return answer.replaceAll('**', '').trim() || null;
}

/** The marked final answer of a response: its box, else after `####`, else after "the answer is"; null without a mark. */
export function markedAnswer(text: string): string | null {
  return lastBoxed(text) ?? afterHashes(text) ?? statedAnswer(text);
}

/** The right-hand side of the last equals sign ("x = 5", "2 + 3 = 5"), or the text itself. */
export function rightHandSide(text: string): string {
  return (text.split(/(?<![<>!\\])=|\\approx\b|≈/).at(-1) ?? text).trim();
}

/** The letter of a choice in a text that is a letter, (B), B), B. or B: followed by the choice; null otherwise. */
export function choiceLetter(text: string): string | null {
  const plain = text
    .replace(/\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}/g, '$1')
    .replaceAll('**', '')
    .trim();
  return /^(?:option|choice)?\s*\(?([A-J])(?:\)|[.:,](?!\w)|\)?\s*$)/i.exec(plain)?.[1]?.toUpperCase() ?? null;
}

/**
 * The letter that a response chooses: boxed, after `####`, after "the answer is", or all there is; null otherwise. In
 * running text the letter must be a capital, and A and I must not begin a sentence ("the answer is A dog").
 */
export function chosenLetter(text: string): string | null {
  const box = lastBoxed(text);
  if (box !== null) return choiceLetter(box);
  const hashes = afterHashes(text);
  if (hashes !== null) return choiceLetter(hashes);
  const stated = statedAnswer(text);
  // A response that begins with a letter may be going through the choices, so only a bare letter is an answer.
  if (stated === null) return /^\s*\(?([A-J])[).:]?\s*$/.exec(text)?.[1] ?? null;
  const match = /^(?:[Oo]ption|[Cc]hoice)?\s*\(?([A-J])(?=\)|[.:,]|\s|$)(.*)$/s.exec(stated);
  if (!match) return null;
  const [, letter = '', tail = ''] = match;
  const article = (letter === 'A' || letter === 'I') && /^\s+\p{L}/u.test(tail);
  return article ? null : letter;
}

function firstLine(text: string): string {
  return text.trimStart().split('\n', 1)[0]?.trim() ?? '';
}
