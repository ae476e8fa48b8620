import { FileError, PolylogueError } from '../engine/errors';

/** A task is unknown or cannot give what is asked of it. */
export class TaskError extends PolylogueError {}

/** A file of problems, examples or text is not what its reader takes; names the line where one is to blame. */
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

/**
 * Why rows of a dataset on the hub could not be had: no connection, no such dataset (or not for everyone), too many requests, a
 * server that keeps failing, or an answer that is not what its interface promises.
 */
export type HubDatasetProblem = 'offline' | 'missing' | 'limited' | 'failing' | 'unreadable';

/** Rows of a dataset on the hub could not be had. Nothing was kept; the message says what to do. */
export class HubDatasetError extends PolylogueError {
  constructor(
    readonly dataset: string,
    readonly problem: HubDatasetProblem,
    what: string,
    options?: ErrorOptions,
  ) {
    super(`${dataset}: ${what} ${DATASET_ADVICE[problem]}`, options);
  }
}

const DATASET_ADVICE: Record<HubDatasetProblem, string> = {
  offline: 'Check the connection (or what blocks it) and load it again, or choose a file on your computer.',
  missing: 'Check that its page on huggingface.co opens without an account; otherwise choose a file on your computer.',
  limited: 'Load it again in a few minutes, or load fewer rows.',
  failing: 'Load it again later, or choose a file on your computer.',
  unreadable: 'Load it again; when that does not help, download the dataset yourself and choose it as a file.',
};
