/** A JSON list cut into its elements, so that each has its line in messages. */
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
  const marks = /"(?:[^"\\]|\\[^])*"?|[[\]{},\n]/g;
  let line = 1;
  let depth = 0;
  let from = 0;
  let closed = -1;
  const add = (end: number, last: boolean): void => {
    const element = text.slice(from, end);
    if (element.trim() !== '') elements.push({ line: line - breaks(element.trimStart()), text: element.trim() });
    else if (!last || elements.length > 0)
      throw new ProblemFileError(file, line, 'is not JSON: the list has a comma with nothing behind it');
  };
  for (const { 0: mark, index } of text.matchAll(marks)) {
    if (closed >= 0) break;
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
    } else if (mark.length > 1) line += breaks(mark);
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

function breaks(text: string): number {
  return text.split('\n').length - 1;
}
