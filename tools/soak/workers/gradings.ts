/** The worker that compares answers for views, struck while a run with answers that are hard to read is opened: the figures are right. */
import type { Browser } from 'playwright';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstRight, hostileRun } from '../../../tests/e2e/hostile';
import { store } from '../../../tests/e2e/recorded';
import type { Rng } from '../rng';
import { begin } from './runs';
import { add, newLane, strike, type Lane } from './strike';

const PATIENCE_MS = 600_000;
/** Comparing all takes about as long. */
const COMPARING_MS = 400;

export async function strikeGradings(
  browser: Browser,
  url: string,
  { endings, onEnding, over }: { endings: number; onEnding: () => void; over: () => boolean },
  rng: Rng,
): Promise<Lane> {
  const lane = newLane();
  const visit = await begin(browser, url);
  const { page } = visit;
  try {
    const { recorded, hostile } = await hostileRun('hostile parley');
    const right = page.getByText(`round 1: ${firstRight(recorded.events)} %`).first();
    await store(page, [hostile]);
    while (lane.struck < endings && !over()) {
      const from = performance.now();
      add(lane, 'views opened with grading struck');
      // The page may show the run at once, and compare its answers before anything is clicked.
      await page.goto('about:blank');
      const started = page.waitForEvent('worker', {
        predicate: (worker) => worker.url().includes('/grading-'),
        timeout: PATIENCE_MS,
      });
      await page.goto(url);
      await visit.tab('Votes').click();
      await page.getByLabel('Run on show').selectOption({ label: 'hostile parley' });
      const worker = await started;
      await sleep(rng.int(COMPARING_MS));
      await strike(lane, 'grading', worker, rng);
      await right.waitFor({ timeout: PATIENCE_MS });
      lane.longestMs = Math.max(lane.longestMs, performance.now() - from);
      onEnding();
    }
  } catch (error) {
    lane.faults.push(`grading, after ${lane.struck} endings: ${String(error)}`);
  } finally {
    await visit.end();
  }
  return lane;
}
