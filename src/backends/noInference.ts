/**
 * Stands where transformers.js imports onnxruntime-web, in the page only (see vite.config.ts). The lab uses the library's tokenizers and chat
 * templates; its models run on the lab's own engine. Without this module every build would carry a runtime of 27 MB that is never
 * loaded, and static hosts with a limit of 25 MB per file would refuse the site.
 */
import { PolylogueError } from '../engine/errors';

/** Somebody asked transformers.js for a model. */
export class NoInferenceError extends PolylogueError {
  constructor() {
    super(
      'The ONNX runtime is left out of this build: transformers.js is here for tokenizers only. ' +
        'Models run on the engine under src/engine; to run one with transformers.js, take the alias out of vite.config.ts.',
    );
  }
}

/** The library looks here for settings while it is loaded, and writes its log level. */
export const env: Record<string, unknown> = {};

export class InferenceSession {
  /** @throws NoInferenceError always */
  static create(): Promise<never> {
    return Promise.reject(new NoInferenceError());
  }
}

/** For `instanceof`: nothing is one of these. */
export class Tensor {}
