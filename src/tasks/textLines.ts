/** Files of text: one strict reading of bytes for all that is learnt from, measured or asked. */
import { checkLimit, PROBLEM_LIMITS } from '../engine/limits';
import { ProblemFileError } from './errors';

/**
 * The lines of a UTF-8 text, without their line feeds. A byte-order mark at the beginning of a line is left out.
 * It ends: every turn goes on by a byte or more.
 * @param bounded whether the file is one of problems, whose lines are counted
 * @throws ProblemFileError naming the line with a byte that is not UTF-8, and what to do
 */
export function textLines(file: string, bytes: Uint8Array, bounded = false): string[] {
  const above = (problem: string) => new ProblemFileError(file, null, problem);
  if (bounded) checkLimit(bytes.length, PROBLEM_LIMITS.fileBytes, above);
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new ProblemFileError(file, null, 'is UTF-16 text; save it as UTF-8');
  }
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const lines: string[] = [];
  for (let start = 0; start <= bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    if (bounded) checkLimit(lines.length + (start < bytes.length ? 1 : 0), PROBLEM_LIMITS.lines, above);
    const end = newline < 0 ? bytes.length : newline;
    try {
      lines.push(decoder.decode(bytes.subarray(start, end)));
    } catch (cause) {
      throw new ProblemFileError(file, lines.length + 1, 'is not UTF-8 text; save the file as UTF-8', { cause });
    }
    start = end + 1;
  }
  return lines;
}

/** The same as one text. @throws as `textLines` */
export function plainText(file: string, bytes: Uint8Array): string {
  return textLines(file, bytes).join('\n');
}

/** The same for a text that is in memory already: what has no UTF-8 form is refused alike. @throws as `textLines` */
export function plainString(name: string, text: string): string {
  // Halves of characters would be encoded as U+FFFD without a word.
  if (/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)) {
    throw new ProblemFileError(name, null, 'is not UTF-8 text: it holds half a character; copy it again');
  }
  return plainText(name, new TextEncoder().encode(text));
}

/** A text as messages quote it: its beginning, when it is long. */
export function clipped(text: string, length = 60): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}
