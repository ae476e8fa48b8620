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

/** A run names a site that nobody has allowed in this visit. */
export class EndpointNotAllowedError extends PolylogueError {
  constructor(readonly origin: string) {
    super(
      `Some agents need ${origin}, and it was not allowed in this visit. Allow it beside the seats in the settings, or beside Resume.`,
    );
  }
}

/** A command came before the lab was connected to its engine, or for a run that it cannot be done to. */
export class LabStateError extends PolylogueError {}

/** A run is to be repeated or checked with other weights than it was made with. */
export class OtherModelError extends PolylogueError {
  constructor(name: string, hash: string, wanted: string) {
    super(
      `The model ${name} is another one here: its weights have the sha-256 ${hash}, and the run was made with ${wanted}. Get that model, or start a new run.`,
    );
  }
}
