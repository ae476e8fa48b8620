/** What can go wrong with a worker as such, whatever it was asked. */
import { PolylogueError } from '../engine/errors';

export type Fault =
  /** Its script could not be loaded, or failed before the worker answered for the first time. */
  | 'not-started'
  /** It ended, or a message to or from it could not be read. */
  | 'died'
  /** It does not answer: it is stuck in a computation that never lets go. */
  | 'silent'
  /** It answers, but what it was asked makes no progress. */
  | 'stalled'
  /** A call took longer than it may. */
  | 'late'
  /** It was ended on purpose, because somebody wanted to stop and it did not. */
  | 'ended';

/** A worker failed and was ended; what it was asked was not done. */
export class WorkerFailedError extends PolylogueError {
  constructor(
    /** For people: "engine", "lab". */
    readonly worker: string,
    readonly fault: Fault,
    /** What happened, as a sentence. */
    readonly happened: string,
  ) {
    super(happened);
  }
}

/** A worker failed as often in a row as it is started again. */
export class GaveUpError extends PolylogueError {
  constructor(
    readonly failure: WorkerFailedError,
    readonly times: number,
  ) {
    super(
      `${failure.message} It was started again ${times} times without getting any further, so this stops here. ` +
        'Reload the page and try again; if it happens again, change the settings or the model.',
    );
  }
}

/** @param detail what the platform said; @param seconds that were waited */
export function failure(worker: string, fault: Fault, detail = '', seconds = 0): WorkerFailedError {
  const said = detail === '' ? '' : ` (${detail.replace(/\.$/, '')})`;
  const happened = {
    'not-started': `The ${worker} could not be started${said}. Its program did not load, or it failed at once.`,
    died: `The ${worker} ended unexpectedly${said}.`,
    silent: `The ${worker} did not answer for ${seconds} seconds.`,
    stalled: `The ${worker} made no progress for ${seconds} seconds.`,
    late: `The ${worker} took longer than ${seconds} seconds for what it was asked.`,
    ended: `The ${worker} was ended, because it did not stop in time.`,
  }[fault];
  return new WorkerFailedError(worker, fault, happened);
}
