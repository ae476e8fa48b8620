/** What can go wrong with a runtime beside the engine. Each message names the runtime and says what to do. */
import { PolylogueError } from '../engine/errors';

/** A runtime beside the engine failed. The run's log is kept up to its last event, and the run can be resumed. */
export class VoiceError extends PolylogueError {
  constructor(
    /** As the setting `seats` names it. */
    readonly runtime: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${runtime}: ${problem}`, options);
  }
}

/** It cannot be reached, or a browser may not read what it answers. */
export class EndpointUnreachableError extends VoiceError {}
/** It refused a request, and would refuse it again. */
export class EndpointRefusedError extends VoiceError {}
/** It has too much to do, and had it at every further try. */
export class EndpointBusyError extends VoiceError {}
/** It answered with something that is no answer of the protocol. */
export class EndpointAnswerError extends VoiceError {}
/** Its answer ended before its end. */
export class EndpointCutError extends VoiceError {}
/** It said nothing for too long. */
export class EndpointSilentError extends VoiceError {}
/** Another model answered than was asked. */
export class OtherModelError extends VoiceError {}

/** The files of a model lack something that its runtime needs, or cannot be read by it. */
export class VoiceModelError extends VoiceError {}
/** The files of a runtime are not where they should be. */
export class RuntimeFilesError extends VoiceError {}
/** The device that it computed on is gone, or there is none. */
export class VoiceDeviceError extends VoiceError {}
/** Its worker ended, or never answered. */
export class VoiceWorkerError extends VoiceError {}
