/** The part of a response in which an answer is looked for, and places in it, found without patterns that could go astray. */
import { halfWidth } from './numbers';

/** A longer response is read from its end: that is where answers stand. */
export const MAX_RESPONSE = 200_000;
/** What is read behind and before a word that may mark an answer. */
const WINDOW = 1000;
const BEFORE = 60;

/** Marks of a thinking's begin and end, as models write them. */
const THINKING =
  /<\/?\s?(?:seed:)?(?:think|thinking|thought|thoughts|reasoning|reflection|analysis)\s?>|\[\/?THINK\]|<\|(?:begin|end)_of_thought\|>|<\|(?:START|END)_THINKING\|>|[◁⟨]\/?think[▷⟩]/gi;
const CLOSES = /^.?\/|(?:^<\|)?end_/i;
/** Channels of a turn: what is not said in the final one is thinking. Its marks may be without the bars. */
const CHANNEL = /<\|channel\|>\s?([a-z]+)[^<]{0,80}<\|message\|>/gi;
const TURN_MARKS = /<\|(?:start|end|return|message|call)\|>/g;

/**
 * A response without its thinking and with single spaces; null when it was cut while it thought. Where a thinking ends
 * that never began (the prompt began it), all before the end is thinking.
 */
export function answerText(response: string): string | null {
  const channel = finalChannel(response.slice(-MAX_RESPONSE));
  const spoken = channel === null ? null : withoutThinking(channel);
  return spoken === null ? null : halfWidth(singleSpaces(spoken));
}

/** What is said in the last final channel; the text itself where there are no channels, null where none of them is final. */
function finalChannel(text: string): string | null {
  const channels = [...text.matchAll(CHANNEL)];
  const last = channels.at(-1);
  if (!last) return /<\|channel\|>\s?(?!final\b)[a-z]*/i.test(text) ? null : text;
  if ((last[1] as string).toLowerCase() !== 'final') return null;
  return text.slice(last.index + last[0].length).replace(TURN_MARKS, '\n');
}

/** Thinkings may stand in thinkings: what is said stands outside of all of them. */
function withoutThinking(text: string): string | null {
  let spoken = '';
  let from = 0;
  let depth = 0;
  for (const tag of text.matchAll(THINKING)) {
    const between = text.slice(from, tag.index);
    if (CLOSES.test(tag[0])) {
      if (depth === 0) spoken = '';
      depth = Math.max(0, depth - 1);
    } else {
      if (depth === 0) spoken += between;
      // The prompt began a thinking, and the model began it again.
      if (depth === 0 || between.trim() !== '') depth++;
    }
    from = tag.index + tag[0].length;
  }
  return depth > 0 ? null : spoken + text.slice(from);
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
