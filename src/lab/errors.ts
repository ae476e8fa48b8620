/** Typed errors of the lab. */
import { PolylogueError } from '../engine/errors';

/**
 * A resumed run computed something else than its log says. The log is kept as it was; nothing was appended. Happens when
 * it is resumed on another device, browser or version, or with another model.
 */
export class LogMismatchError extends PolylogueError {
  constructor(
    /** Index of the event that differs. */
    readonly index: number,
    readonly field: string,
    reason: string,
  ) {
    super(`Event ${index} of the stored log cannot be reproduced (${field}): ${reason}. The stored log is unchanged.`);
  }
}

/** Something else is running: in this tab, or in another one of this browser. */
export class LabBusyError extends PolylogueError {}

/** The engine worker failed and another one took its place: what was asked of it can be asked again. */
export class EngineReplacedError extends PolylogueError {}

/** The engine worker is gone, and what was asked of it is not to be asked again. */
export class EngineGoneError extends PolylogueError {}

/** A command came before the lab was connected to its engine, or for a run that it cannot be done to. */
export class LabStateError extends PolylogueError {}
