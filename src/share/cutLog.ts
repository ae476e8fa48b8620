/** The end of a log that was cut: the program was killed, or the disk was full, in the middle of its last line. */

/** A last line that was not written to its end. */
export interface CutLine {
  /** Counted from 1, as editors do. */
  line: number;
  /** The line as it lies in the file. */
  bytes: Uint8Array;
}

const BLANKS = [0x0a, 0x0d, 0x20, 0x09];

/**
 * Parts a file of JSON lines from its last line where that is no JSON. Only the last line that is not empty is looked at.
 * @returns null where that line is JSON, and where no line stands before it
 */
export function cutEnd(log: Uint8Array): { whole: Uint8Array; cut: CutLine } | null {
  let end = log.length;
  while (end > 0 && BLANKS.includes(log[end - 1]!)) end--;
  const start = end === 0 ? 0 : log.lastIndexOf(0x0a, end - 1) + 1;
  const whole = log.subarray(0, start);
  if (whole.every((byte) => BLANKS.includes(byte)) || isJson(log.subarray(start, end))) return null;
  return { whole, cut: { line: lineFeeds(whole) + 1, bytes: log.subarray(start) } };
}

/** The sentence that every reader says. @param kept where its bytes are now; left out where the file stays as it is */
export function cutSentence(file: string, { line, bytes }: CutLine, kept?: string): string {
  const where = kept === undefined ? '' : `; its ${bytes.length.toLocaleString('en')} bytes are kept in ${kept}`;
  return `${file}: line ${line} was not written to its end and is left out${where}.`;
}

/** A character that was cut in two is no text, and so no JSON. */
function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}

function lineFeeds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) count++;
  return count;
}
