/**
 * The other tabs of this browser. One of them at a time holds the lab's lock and computes; what it says about its work goes
 * over a broadcast channel, and the others watch: they read the stored log and offer no buttons that would compute.
 */
import { LabBusyError } from '../errors';
import type { LabMessage, LabStatus } from '../types';

/** Held while an experiment runs, so that two tabs do not compute (and write) at once. */
const LAB_LOCK = 'polylogue-lab';
/** Name of the broadcast channel. */
export const LAB_CHANNEL = 'polylogue-lab';

/** Looks at the lock, and milliseconds between two of them. */
const LOOKS = 10;
const BETWEEN_LOOKS = 150;

type Word = { ask: true } | { news: LabMessage[] };

export interface NeighbourParts {
  /** null where the platform has none: then only this tab's own runs are guarded. */
  locks: LockManager | null;
  channel: BroadcastChannel | null;
  /** What this tab is doing, when another one asks; empty when it does nothing. */
  present: () => LabMessage[];
  /** Something happened in another tab. */
  hear: (message: LabMessage) => void;
}

export class Neighbours {
  readonly #parts: NeighbourParts;
  #watching = false;

  constructor(parts: NeighbourParts) {
    this.#parts = parts;
    if (parts.channel) parts.channel.onmessage = (event: MessageEvent<Word>) => this.#listen(event.data);
  }

  /** Passes on what other tabs need: the state of the work and changed records. They read the events from the store. */
  tell(messages: readonly LabMessage[]): void {
    const news = messages.filter(({ type }) => type === 'status' || type === 'run' || type === 'deleted');
    if (news.length > 0) this.#say({ news });
  }

  /**
   * Takes the lock and resolves with the function that gives it back.
   * @throws LabBusyError while another tab holds it
   */
  async take(): Promise<() => void> {
    for (let look = 1; ; look++) {
      const release = await this.#tryLock();
      if (release) return release;
      // A watching tab that waited for the end of a run holds the lock for a moment.
      if (look === 3) throw new LabBusyError('An experiment is at work in another tab of this browser.');
      await pause(BETWEEN_LOOKS);
    }
  }

  /**
   * Is another tab at work? If so, its news follow (`hear`) until it ends. After a reload the former page's worker may hold
   * the lock for another moment, so one look is not enough. Only to be asked while this tab does nothing.
   */
  async busyElsewhere(): Promise<boolean> {
    for (let look = 0; look < LOOKS; look++) {
      const state = await this.#parts.locks?.query();
      if (!state?.held?.some((lock) => lock.name === LAB_LOCK)) return false;
      await pause(BETWEEN_LOOKS);
    }
    this.#say({ ask: true });
    this.#watch();
    return true;
  }

  #tryLock(): Promise<(() => void) | null> {
    const { locks } = this.#parts;
    if (!locks) return Promise.resolve(() => {});
    return new Promise((resolve, reject) => {
      const held = locks.request(LAB_LOCK, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(null);
        return new Promise<void>((release) => resolve(release));
      });
      held.catch(reject);
    });
  }

  #listen(word: Word): void {
    if ('ask' in word) {
      this.tell(this.#parts.present());
      return;
    }
    for (const message of word.news) {
      if (message.type !== 'status') this.#parts.hear(message);
      else this.#hearStatus(message.status);
    }
  }

  #hearStatus(status: LabStatus): void {
    // The end is told by the lock, which a crashed or closed tab gives back as well.
    if (status.state === 'idle' && this.#parts.locks) return;
    this.#parts.hear({ type: 'elsewhere', status: status.state === 'idle' ? null : status });
    this.#watch();
  }

  /** Waits for the lock, which comes when the other tab is done or gone, and gives it back at once. */
  #watch(): void {
    const { locks, hear } = this.#parts;
    if (this.#watching || !locks) return;
    this.#watching = true;
    const ended = () => {
      this.#watching = false;
      hear({ type: 'elsewhere', status: null });
    };
    locks.request(LAB_LOCK, () => {}).then(ended, ended);
  }

  #say(word: Word): void {
    this.#parts.channel?.postMessage(word);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
