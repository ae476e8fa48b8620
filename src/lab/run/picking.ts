/** A person at the page who compares answers: the pair on show, and whoever waits for the pick. */
import { groupName, type EpisodeKey } from '../../events';
import { pickOf, type HumanJudge, type Pick, type PickQuestion, type Shown } from '../../recipes/human';
import type { AskedPair } from '../types';

export class Picking implements HumanJudge {
  #asking: { pair: PickQuestion; resolve: (pick: Pick) => void } | null = null;

  /**
   * @param signal stops the run: whoever waits is told its reason
   * @param changed a pair is asked for, or no longer
   */
  constructor(
    private readonly signal: AbortSignal,
    private readonly changed: (asking: boolean) => void,
  ) {}

  /** What is on show; null while nothing is asked. */
  get pair(): AskedPair | null {
    if (!this.#asking) return null;
    const { at, question, texts, turned } = this.#asking.pair;
    return { at, question, shown: turned ? [texts[1], texts[0]] : texts };
  }

  async pick(pair: PickQuestion): Promise<Pick> {
    this.signal.throwIfAborted();
    let stopped = () => {};
    try {
      return await new Promise<Pick>((resolve, reject) => {
        stopped = () => reject(this.signal.reason as Error);
        this.signal.addEventListener('abort', stopped);
        this.#asking = { pair, resolve };
        this.changed(true);
      });
    } finally {
      this.signal.removeEventListener('abort', stopped);
      this.#asking = null;
      this.changed(false);
    }
  }

  /** The person's pick. One of a pair that is no longer on show counts for nothing. */
  answer(at: EpisodeKey, shown: Shown): void {
    if (!this.#asking || nameOf(at) !== nameOf(this.#asking.pair.at)) return;
    const { pair, resolve } = this.#asking;
    resolve(pickOf(shown, pair.turned));
  }
}

function nameOf(at: EpisodeKey): string {
  return `${groupName(at)}/${at.problem}`;
}
