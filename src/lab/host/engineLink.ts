/** The lab's line to its engine worker, which may be replaced by another one while calls wait for it. */
import { transfer, type Remote } from 'comlink';
import type { EngineNotice } from '../../engine/resilient';
import type { ModelFolder } from '../../models/folder';
import { lifeline, type Lifeline } from '../../supervision';
import type { EngineHostApi } from './engineHost';
import { EngineGoneError, EngineReplacedError } from '../errors';
import { carryTypedErrors } from './remoteErrors';

/** Why the engine worker that the lab had is gone. */
export interface EngineEnd {
  /** What happened, in words. */
  message: string;
  /** The run at work goes on, on the new one; otherwise it ends with the message. */
  goOn: boolean;
}

/** The calls of an engine worker, with errors that can be told apart. */
export function connectEngineHost(port: MessagePort): Lifeline<EngineHostApi> {
  carryTypedErrors();
  return lifeline<EngineHostApi>(port);
}

export class EngineLink {
  readonly #onNotice: (notice: EngineNotice) => void;
  /** Those that a new engine has to know as well, by name. */
  readonly #folders = new Map<string, ModelFolder>();
  #line: Lifeline<EngineHostApi>;

  /** @param onNotice what happens to the worker's engines that is no error */
  constructor(port: MessagePort, onNotice: (notice: EngineNotice) => void) {
    this.#onNotice = onNotice;
    this.#line = this.#connect(port);
  }

  /** Its calls reject with `EngineReplacedError` or `EngineGoneError` when the engine is gone. */
  get host(): Remote<EngineHostApi> {
    return this.#line.api;
  }

  /** @param port to the new engine; null when there is none */
  replace(port: MessagePort | null, { message, goOn }: EngineEnd): void {
    const before = this.#line;
    const error = goOn ? new EngineReplacedError(message) : new EngineGoneError(message);
    if (port) this.#line = this.#connect(port);
    before.end(error);
  }

  /** Makes a folder known to this engine and to those that come after it. */
  async addFolder(folder: ModelFolder): Promise<void> {
    this.#folders.set(folder.name, folder);
    await this.host.addFolder(folder);
  }

  #connect(port: MessagePort): Lifeline<EngineHostApi> {
    const line = connectEngineHost(port);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event: MessageEvent<EngineNotice>) => this.#onNotice(event.data);
    // A worker that does not answer is reported by the first call whose answer is needed.
    line.api.watch(transfer(port2, [port2])).catch(() => port1.close());
    for (const folder of this.#folders.values()) line.api.addFolder(folder).catch(() => {});
    return line;
  }
}
