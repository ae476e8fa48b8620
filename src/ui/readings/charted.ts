/**
 * The index that charts draw: replaced only when something came that they draw, so that debates which only add rows draw nothing anew.
 * Indices of a growing log share their lists, so what was there is remembered as a number.
 */
import type { LogIndex } from './logIndex';

export class Charted {
  #index: LogIndex | null = null;
  #events = 0;

  /** The index itself, or an earlier one with the same charts. */
  of(index: LogIndex): LogIndex {
    const { summary, problems } = index;
    if (this.#index === null || this.#events !== summary.length || this.#index.problems !== problems) {
      this.#index = index;
      this.#events = summary.length;
    }
    return this.#index;
  }
}
