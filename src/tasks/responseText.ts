/** The part of a response in which an answer is looked for, and places in it, found without patterns that could go astray. */
import { halfWidth } from './numbers';

/** A longer response is read from its end: that is where answers stand. */
export const MAX_RESPONSE = 200_000;
/** What is read behind and before a word that may mark an answer. */
const WINDOW = 1000;
const BEFORE = 60;

const THINKING =
  /<\/?\s?(?:think|thinking|thought|reasoning|reflection)\s?>|\[\/?THINK\]|<\|(?:begin|end)_of_thought\|>|[◁⟨]\/?think[▷⟩]/gi;

/**
 * A response without its thinking and with single spaces; null when it was cut while it thought. Where a thinking ends
 * that never began (the prompt began it), all before the end is thinking.
 */
export function answerText(response: string): string | null {
  const spoken = withoutThinking(response.slice(-MAX_RESPONSE));
  return spoken === null ? null : halfWidth(singleSpaces(spoken));
}

function withoutThinking(text: string): string | null {
  let spoken = '';
  let from = 0;
  let thinking = false;
  for (const tag of text.matchAll(THINKING)) {
    const closes = tag[0].includes('/') || tag[0].includes('end_');
    if (closes) {
      if (!thinking) spoken = '';
      thinking = false;
    } else {
      if (!thinking) spoken += text.slice(from, tag.index);
      thinking = true;
    }
    from = tag.index + tag[0].length;
  }
  return thinking ? null : spoken + text.slice(from);
}

/** Runs of white space as one space, or as a line break with what is needed of an empty line. */
function singleSpaces(text: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let i = 0; i < text.length;) {
    if (!isSpace(text.charCodeAt(i))) {
      i++;
      continue;
    }
    const start = i;
    let lines = 0;
    while (i < text.length && isSpace(text.charCodeAt(i))) if (text.charCodeAt(i++) === 10) lines++;
    if (i - start === 1 && lines === 0) continue;
    parts.push(text.slice(from, start), lines === 0 ? ' ' : '\n');
    from = i;
  }
  return parts.join('') + text.slice(from);
}

/** Spaces that carry no meaning; narrow and no-break ones group digits. */
function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

/** Each place of a word, the last first, with what follows. At most 64: a text that repeats it for ever says nothing. */
export function* windowsOf(text: string, word: string): Generator<{ at: number; window: string }> {
  let at = text.length;
  for (let found = 0; found < 64 && at > 0; found++) {
    at = lastIndexOf(text, word, at - 1);
    if (at < 0) return;
    yield { at, window: text.slice(at, at + WINDOW) };
  }
}

export function windowBefore(text: string, at: number): string {
  return text.slice(Math.max(0, at - BEFORE), at).replaceAll('\n', ' ');
}

/** Without regard to case; `word` is in small letters. */
function lastIndexOf(text: string, word: string, from: number): number {
  const [small, capital] = [word, (word[0] as string).toUpperCase() + word.slice(1)];
  return Math.max(
    text.lastIndexOf(small, from),
    text.lastIndexOf(capital, from),
    text.lastIndexOf(word.toUpperCase(), from),
  );
}
