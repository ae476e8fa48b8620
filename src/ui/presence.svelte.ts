/** What the page does for long work beyond drawing it: its title, the screen, and storing before it may be closed. */
import type { LabStatus } from '../lab/types';
import { percent, remainingText } from './format';

/** "62 % · iteration 2/3 · 4 min left", for the tab's title; '' when nothing is at work. */
export function progressTitle(status: LabStatus, iterations: number | null): string {
  if (status.state === 'idle') return '';
  const parts = [percent(status.progress, 0)];
  if (status.state === 'paused') parts.push('paused');
  const { activity } = status;
  if (activity && activity.kind !== 'preparing' && iterations !== null)
    parts.push(`iteration ${activity.iteration}/${iterations}`);
  const left = remainingText(status);
  if (left !== '') parts.push(left);
  return parts.join(' · ');
}

/**
 * Keeps the screen on while it is wanted. The browser takes the lock back whenever the page is hidden, so it is asked for again
 * when it is seen. Made in a component: it ends with it.
 */
export class ScreenLock {
  /** The screen is being kept on. */
  held = $state(false);
  #lock: WakeLockSentinel | null = null;
  #asking = false;

  /** @param wanted read reactively */
  constructor(wanted: () => boolean) {
    $effect(() => {
      const want = wanted();
      void this.#settle(want);
      const seen = () => void this.#settle(want);
      document.addEventListener('visibilitychange', seen);
      return () => {
        document.removeEventListener('visibilitychange', seen);
        void this.#release();
      };
    });
  }

  static get supported(): boolean {
    return 'wakeLock' in navigator;
  }

  async #settle(want: boolean): Promise<void> {
    if (!want || document.hidden || !ScreenLock.supported) return this.#release();
    if (this.#lock || this.#asking) return;
    this.#asking = true;
    try {
      const lock = await navigator.wakeLock.request('screen');
      this.#lock = lock;
      this.held = true;
      lock.addEventListener('release', () => {
        if (this.#lock !== lock) return;
        this.#lock = null;
        this.held = false;
      });
    } catch {
      // Refused (a low battery, a policy of the page): the run goes on all the same.
    } finally {
      this.#asking = false;
    }
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = null;
    this.held = false;
    await lock?.release();
  }
}

/** Calls `store` when the page is hidden, frozen or left. Returns the function that ends it. */
export function whenHidden(store: () => void): () => void {
  const hidden = () => {
    if (document.hidden) store();
  };
  document.addEventListener('visibilitychange', hidden);
  document.addEventListener('freeze', store);
  window.addEventListener('pagehide', store);
  return () => {
    document.removeEventListener('visibilitychange', hidden);
    document.removeEventListener('freeze', store);
    window.removeEventListener('pagehide', store);
  };
}
