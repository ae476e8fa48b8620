/** Grading of responses that are in a file, by the functions with which a run grades its own. */
import { ProblemFileError } from './errors';
import { readNumber } from './numbers';
import { readRecords } from './records';
import type { FileTask, Task } from './types';

export interface Grade {
  /** Line of the file, from 1. */
  line: number;
  /** The answer that was read, in canonical form; null where none is. */
  answer: string | null;
  /** The true answer in canonical form. */
  gold: string;
  right: boolean;
}

const FORM = {
  column: 'gold',
  line: '{"gold", "response"}: the true answer as the files of the task have it, and a text',
};

/** Is the answer of a response the true one? An answer that cannot be read is wrong. */
export function gradeResponse(task: Task, response: string, gold: string): Omit<Grade, 'line'> {
  const answer = task.extractAnswer(response);
  return { answer, gold, right: answer !== null && task.equal(answer, gold) };
}

/**
 * Grades every line of a file; keys beside `gold`, `response` and `choices` are ignored.
 * @throws ProblemFileError naming file and line of what cannot be read
 */
export function gradeFile(task: Task | FileTask, file: string, bytes: Uint8Array): Grade[] {
  const records = readRecords(file, bytes, FORM);
  if (records.length === 0) throw new ProblemFileError(file, null, `holds no lines; a line is ${FORM.line}`);
  return records.map(({ line, fields }) => {
    try {
      const { response } = fields;
      if (typeof response !== 'string') {
        throw new Error(response === undefined ? '"response" is missing' : '"response" is not text');
      }
      return { line, ...gradeResponse(task, response, goldOf(task, fields)) };
    } catch (cause) {
      throw new ProblemFileError(file, line, (cause as Error).message.replace(/^"answer"/, '"gold"'), { cause });
    }
  });
}

function goldOf(task: Task | FileTask, fields: Readonly<Record<string, unknown>>): string {
  const { gold } = fields;
  if (gold === undefined || gold === null) throw new Error('"gold" is missing');
  if ('readGold' in task) return task.readGold(gold, fields);
  const number = typeof gold === 'string' || typeof gold === 'number' ? readNumber(String(gold)) : null;
  if (number === null) throw new Error(`"gold" ${JSON.stringify(gold)} is not a number`);
  return number;
}
