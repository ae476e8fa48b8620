/** Reads a JSONL file of problems for a task: one object a line, blank lines skipped. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { ProblemFileError, TaskError } from './errors';
import type { FileTask, Problem, ProblemFile, Task } from './types';

/**
 * Every problem of a file. A problem's id comes from its question alone, so it is the same wherever the line stands; a question
 * that comes again with the same answer is left out, and with another answer refused.
 * @param file as messages name it; the last part of the path is kept.
 * @throws ProblemFileError naming file and line; nothing is skipped silently.
 */
export function importProblems(task: FileTask, file: string, bytes: Uint8Array): ProblemFile {
  const known = new Map<string, { line: number; gold: string }>();
  const ids = new Set<number>();
  const problems: Problem[] = [];
  let repeated = 0;
  textLines(file, bytes).forEach((text, index) => {
    if (text.trim() === '') return;
    const line = index + 1;
    const { question, gold } = readLine(task, file, line, text);
    const earlier = known.get(question);
    if (earlier && !task.equal(earlier.gold, gold)) {
      throw new ProblemFileError(
        file,
        line,
        `asks the question of line ${earlier.line} but has another answer (${gold}, not ${earlier.gold})`,
      );
    }
    if (earlier) {
      repeated++;
      return;
    }
    known.set(question, { line, gold });
    problems.push({ id: freeId(question, ids), question, gold });
  });
  if (problems.length === 0) throw new ProblemFileError(file, null, `holds no problems; a line is ${task.lineFormat}`);
  const name = file.split(/[/\\]/).at(-1) ?? file;
  return { name, sha256: bytesToHex(sha256(bytes)), problems, repeated };
}

/**
 * The same for a task that is named, once the library with which it compares answers is there.
 * @throws TaskError when no task of that name reads a file
 */
export async function readProblemFile(task: Task | FileTask, file: string, bytes: Uint8Array): Promise<ProblemFile> {
  if (!('readProblem' in task)) throw new TaskError(`task "${task.name}": makes its own problems and reads no file`);
  await task.prepare?.();
  return importProblems(task, file, bytes);
}

/** Lines as text; a byte that is not UTF-8 is found in its line. */
function textLines(file: string, bytes: Uint8Array): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const lines: string[] = [];
  for (let start = 0; start <= bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      lines.push(decoder.decode(bytes.subarray(start, end)));
    } catch (cause) {
      throw new ProblemFileError(file, lines.length + 1, 'is not UTF-8 text', { cause });
    }
    start = end + 1;
  }
  return lines;
}

function readLine(task: FileTask, file: string, line: number, text: string): Omit<Problem, 'id'> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProblemFileError(file, line, `is not JSON (${(cause as Error).message})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProblemFileError(file, line, `is not a JSON object; a line is ${task.lineFormat}`);
  }
  try {
    return task.readProblem(value as Record<string, unknown>);
  } catch (cause) {
    throw new ProblemFileError(file, line, (cause as Error).message, { cause });
  }
}

/** The first 32 bits of the question's sha-256, or the next number that is free. */
function freeId(question: string, taken: Set<number>): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8ToBytes(question));
  let id = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  while (taken.has(id)) id = (id + 1) >>> 0;
  taken.add(id);
  return id;
}
