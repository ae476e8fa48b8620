/** What comes in by a link or a bundle and cannot be used. */
import { PolylogueError } from '../engine/errors';

/** A link that cannot be read; the message says why and what to do. */
export class LinkError extends PolylogueError {
  constructor(problem: string) {
    super(`This link cannot be opened: ${problem}`);
  }
}

/** Settings that no link can hold. */
export class LinkTooLongError extends PolylogueError {}

/** What cannot be written for other programs; the message says why and what to do. */
export class ExportError extends PolylogueError {}

/** A bundle that could not be had from its address; the message says why and what to do. */
export class RemoteBundleError extends PolylogueError {
  constructor(address: string, problem: string) {
    super(`${address.slice(0, 200)} ${problem}.`);
  }
}
