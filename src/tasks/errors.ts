import { FileError, PolylogueError } from '../engine/errors';

/** A task is unknown or cannot give what is asked of it. */
export class TaskError extends PolylogueError {}

/** A file of problems is not what its task reads; names the line where one is to blame. */
export class ProblemFileError extends FileError {
  constructor(
    file: string,
    /** 1-based; null when the file as a whole is wrong. */
    readonly line: number | null,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(file, line === null ? problem : `line ${line}: ${problem}`, options);
  }
}
