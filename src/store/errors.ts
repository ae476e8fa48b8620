/** Typed errors of the run store. None of them loses what was stored before. */
import { PolylogueError } from '../engine/errors';

/** The browser refuses to store more. What was stored so far stays; the run can be resumed once there is room. */
export class StorageFullError extends PolylogueError {
  constructor(doing: string, options?: ErrorOptions) {
    super(
      `The browser's storage is full (while ${doing}). Everything up to here is kept: delete old runs or free disk ` +
        'space, then resume this run.',
      options,
    );
  }
}

/** The database cannot be opened: blocked by another tab, newer than this page, or storage is switched off. */
export class StoreUnavailableError extends PolylogueError {}

/** There is no run with this id. */
export class RunNotFoundError extends PolylogueError {
  constructor(readonly runId: string) {
    super(`There is no stored run ${runId}; it may have been deleted in another tab.`);
  }
}

/** The file of problems that a run reads is not stored in this browser. */
export class ProblemsMissingError extends PolylogueError {
  constructor(
    readonly sha256: string,
    /** As the run names it. */
    name = 'the file',
  ) {
    super(
      `The problems of this run, ${name}, are not stored in this browser. Open the run and choose the same file again (its ` +
        `sha-256 begins with ${sha256.slice(0, 12)}).`,
    );
  }
}

/** Events were to be appended at another place than the end of the log: somebody else writes to the same run. */
export class LogConflictError extends PolylogueError {
  constructor(runId: string, from: number, stored: number) {
    super(
      `Run ${runId}: events from ${from} do not continue its log of ${stored} events; another tab may be writing to ` +
        'it. Nothing was written.',
    );
  }
}

/** What is stored does not add up (an event or adapter is missing, or the digest differs). */
export class StoredRunError extends PolylogueError {}

/** A stored log of an older format: it can be read for ever, and no longer go on. */
export class OldFormatError extends StoredRunError {
  constructor(
    run: string,
    readonly format: number,
  ) {
    super(
      `The run ${run} was written in log format ${format}, which can be read and not continued. What it has computed stays. ` +
        'Start a new run with its settings.',
    );
  }
}

/** A stored log that cannot be read as a whole, and so cannot go on. */
export class DamagedLogError extends StoredRunError {
  constructor(
    run: string,
    /** Events before the damage. */
    readonly readable: number,
    reason: string,
  ) {
    super(
      `The stored log of the run ${run} is damaged: ${reason}. The run cannot go on. Download it to keep its ${readable} readable ` +
        'events, delete it, or start a new run with its settings.',
    );
  }
}
