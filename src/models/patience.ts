/** How long a transfer may take for how few bytes. */
import { TransferError } from './errors';
import { Transient, type Clock } from './retry';

/** A server that sends fewer bytes in `stallMs` counts as one that sends nothing. */
const LEAST_BYTES = 1024;

/** Time that one request may spend waiting: `stallMs` for its answer, and again after each `LEAST_BYTES`. */
export class Patience {
  private left: number;
  private bytes = 0;

  /**
   * @param signal ends a wait with its reason
   * @param name of the file, for messages
   */
  constructor(
    private readonly stallMs: number,
    private readonly clock: Clock,
    private readonly signal: AbortSignal,
    private readonly name: string,
  ) {
    this.left = stallMs;
  }

  /**
   * The work's outcome, unless it takes too long or is cancelled; a transport need not end a pending read when its signal
   * aborts (a file's stream does not).
   *
   * @throws Transient when the time is up; the signal's reason
   */
  async wait<T>(work: Promise<T>): Promise<T> {
    const { signal, clock } = this;
    const began = clock.now();
    const timer = new AbortController();
    const end = () => timer.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    const stalled = clock.sleep(Math.max(0, this.left), timer.signal).then(() => {
      throw this.stall();
    });
    try {
      return await Promise.race([work, stalled]);
    } finally {
      this.left -= clock.now() - began;
      signal.removeEventListener('abort', end);
      timer.abort();
      // Whichever comes second, nobody waits for its failure: the request is aborted next.
      work.catch(() => {});
      stalled.catch(() => {});
    }
  }

  /** Notes bytes that came. @throws Transient when they are too few for the time they took */
  async received(bytes: number): Promise<void> {
    this.bytes += bytes;
    // A stream may have empty pieces without end at hand: between them timers and Cancel must get their turn.
    if (bytes === 0) await this.wait(this.clock.sleep(1));
    if (this.bytes >= LEAST_BYTES) [this.bytes, this.left] = [0, this.stallMs];
    else if (this.left <= 0) throw this.stall();
  }

  private stall(): Transient {
    const seconds = Math.round(this.stallMs / 1000);
    const what = this.bytes === 0 ? 'nothing' : `no more than ${this.bytes} bytes`;
    return new Transient(new TransferError(this.name, `${what} arrived for ${seconds} s`));
  }
}
