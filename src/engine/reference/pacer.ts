/** Lets other work of the thread (messages, a stop button, the heartbeat) run while a long computation goes on. */
import { worked } from '../work';

const SLICE_MS = 50;

export class Pacer {
  private sliceStart = performance.now();

  constructor(private readonly signal?: AbortSignal) {
    signal?.throwIfAborted();
  }

  /** True when the slice is used up: then await `pause()`. Apart from it, so that the usual case costs no promise. */
  get due(): boolean {
    return performance.now() - this.sliceStart > SLICE_MS;
  }

  /** One turn of the event loop. @throws the signal's reason when it was aborted */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    this.signal?.throwIfAborted();
    worked();
    this.sliceStart = performance.now();
  }
}
