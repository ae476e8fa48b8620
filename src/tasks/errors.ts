import { PolylogueError } from '../engine/errors';

/** A task is unknown or cannot give what is asked of it. */
export class TaskError extends PolylogueError {}
