import { PolylogueError } from '../engine/errors';

/** A setting is unknown, out of range or does not go with another one. */
export class ConfigurationError extends PolylogueError {
  constructor(
    readonly key: string,
    problem: string,
  ) {
    super(`${key}: ${problem}`);
  }
}

/** Training left the finite numbers. */
export class DivergenceError extends PolylogueError {}
