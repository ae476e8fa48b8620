/** A JSON list cut into its elements, so that each has its line in messages. */
import { checkLimit, PROBLEM_LIMITS } from '../engine/limits';
import { ProblemFileError } from './errors';

export interface ListElement {
  /** Where it begins, from 1. */
  line: number;
  /** JSON, not checked yet. */
  text: string;
}

/**
 * The elements of the list that a text consists of.
 * @throws ProblemFileError where the list is not closed, has an empty place, or something stands behind it
 */
export function splitJsonList(file: string, text: string): ListElement[] {
  const elements: ListElement[] = [];
  const marks = /["[\]{},\n]/g;
  let line = 1;
  let depth = 0;
  let from = 0;
  let closed = -1;
  const add = (end: number, last: boolean): void => {
    const element = text.slice(from, end);
    checkLimit(elements.length + 1, PROBLEM_LIMITS.lines, (problem) => new ProblemFileError(file, line, problem));
    if (element.trim() !== '') elements.push({ line: line - breaks(element.trimStart()), text: element.trim() });
    else if (!last || elements.length > 0)
      throw new ProblemFileError(file, line, 'is not JSON: the list has a comma with nothing behind it');
  };
  // Ends: every mark is looked for behind the last one.
  for (let found = marks.exec(text); found !== null && closed < 0; found = marks.exec(text)) {
    const { 0: mark, index } = found;
    if (mark === '\n') line++;
    else if (mark === '[' || mark === '{') {
      if (depth++ === 0) from = index + 1;
    } else if (mark === ']' || mark === '}') {
      if (--depth > 0) continue;
      add(index, true);
      closed = index;
    } else if (mark === ',' && depth === 1) {
      add(index, false);
      from = index + 1;
    } else if (mark === '"') {
      marks.lastIndex = endOfString(text, index);
      line += breaks(text.slice(index, marks.lastIndex));
    }
  }
  if (closed < 0) throw new ProblemFileError(file, line, 'is not JSON: the list ends before its closing ]');
  const behind = text.slice(closed + 1);
  if (behind.trim() !== '') {
    throw new ProblemFileError(
      file,
      line + breaks(behind) - breaks(behind.trimStart()),
      'has something behind the end of the list; give one list of objects, or one object a line',
    );
  }
  return elements;
}

/** Behind the closing quote of the string that begins there, or the text's end. A pattern would need a stack as long as the string. */
function endOfString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function breaks(text: string): number {
  return text.split('\n').length - 1;
}
