/** A page is quiet after five seconds without touch and work. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { untilQuiet } from '../../src/ui/quiet';

let page: EventTarget;
beforeEach(() => {
  vi.useFakeTimers();
  page = new EventTarget();
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('waits for five seconds without a touch and without work', async () => {
  let busy = false;
  let quiet = false;
  void untilQuiet(() => busy).then(() => (quiet = true));
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  await pass(4_500);
  page.dispatchEvent(new Event('pointerdown'));
  await pass(4_500);
  expect(quiet).toBe(false);
  busy = true;
  await pass(60_000);
  expect(quiet).toBe(false);
  busy = false;
  await pass(4_500);
  expect(quiet).toBe(false);
  await pass(500);
  expect(quiet).toBe(true);
});

it('needs nobody: a page that is left alone is quiet', async () => {
  let quiet = false;
  void untilQuiet(() => false).then(() => (quiet = true));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(quiet).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});
