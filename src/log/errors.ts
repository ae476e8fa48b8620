import { PolylogueError } from '../engine/errors';

/** An event cannot be written to the log, or a log does not fit the run that is replayed over it. */
export class LogError extends PolylogueError {}
