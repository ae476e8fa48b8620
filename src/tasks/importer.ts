/** Reads a file of problems for a task: JSON lines, a JSON list of objects, or a CSV with a header. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { checkLimit, PROBLEM_LIMITS } from '../engine/limits';
import { ProblemFileError, TaskError } from './errors';
import { readRecords, type FileRecord } from './records';
import { clipped } from './textLines';
import type { FileTask, Problem, ProblemFile, Task } from './types';

/**
 * Every problem of a file. A problem's id comes from its question alone, so it is the same wherever the line stands; a question
 * that comes again with the same answer is left out, and with another answer refused.
 * @param file as messages name it; the last part of the path is kept.
 * @throws ProblemFileError naming file and line; nothing is skipped silently.
 */
export function importProblems(task: FileTask, file: string, bytes: Uint8Array): ProblemFile {
  const known = new Map<string, { line: number; gold: string | undefined }>();
  const ids = new Set<number>();
  const problems: Problem[] = [];
  let repeated = 0;
  for (const record of readRecords(file, bytes, { column: 'question', line: task.lineFormat })) {
    const { line } = record;
    const { question, gold } = readProblem(task, file, record);
    const earlier = known.get(question);
    if (earlier?.gold !== undefined && gold !== undefined && !task.equal(earlier.gold, gold)) {
      throw new ProblemFileError(
        file,
        line,
        `asks the question of line ${earlier.line} but has another answer (${clipped(gold)}, not ${clipped(earlier.gold)})`,
      );
    }
    if (earlier) {
      repeated++;
      continue;
    }
    const tooMany = (problem: string) => new ProblemFileError(file, line, problem);
    checkLimit(problems.length + 1, PROBLEM_LIMITS.problems, tooMany);
    known.set(question, { line, gold });
    problems.push({ id: freeId(question, ids), question, ...(gold !== undefined && { gold }) });
  }
  if (problems.length === 0) throw new ProblemFileError(file, null, `holds no problems; a line is ${task.lineFormat}`);
  const name = file.split(/[/\\]/).at(-1) ?? file;
  return { name, sha256: bytesToHex(sha256(bytes)), problems, repeated };
}

/**
 * The same for any task.
 * @throws TaskError when no task of that name reads a file
 */
export function readProblemFile(task: Task | FileTask, file: string, bytes: Uint8Array): ProblemFile {
  if (!('readProblem' in task)) throw new TaskError(`task "${task.name}": makes its own problems and reads no file`);
  return importProblems(task, file, bytes);
}

function readProblem(task: FileTask, file: string, { line, fields }: FileRecord): Omit<Problem, 'id'> {
  try {
    return task.readProblem(fields);
  } catch (cause) {
    throw new ProblemFileError(file, line, clipped((cause as Error).message, 300), { cause });
  }
}

/** The first 32 bits of the question's sha-256, or the next number that is free: there are far more numbers than problems. */
function freeId(question: string, taken: Set<number>): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8ToBytes(question));
  let id = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  while (taken.has(id)) id = (id + 1) >>> 0;
  taken.add(id);
  return id;
}
