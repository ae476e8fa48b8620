/** Stop while the engine or the lab has ended or computes for ever: it takes hold within two seconds, and the run can be taken up again. */
import type { Browser } from 'playwright';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rng } from '../rng';
import { begin } from './runs';
import { add, find, newLane, strike, type Lane } from './strike';

/** From the click to the state that the page shows. */
export const STOP_MS = 2_000;
const PROBLEMS = { training: 3, heldOut: 3 };

export async function strikeStops(
  browser: Browser,
  url: string,
  { stops, seed, over }: { stops: number; seed: number; over: () => boolean },
  rng: Rng,
): Promise<Lane> {
  const lane = newLane();
  const visit = await begin(browser, url);
  try {
    while (lane.stops.length < stops && !over()) {
      await visit.fillSettings(seed, 'reference', PROBLEMS);
      await visit.start();
      await visit.untilActivity(/./);
      await sleep(rng.int(2_000));
      const name = rng.pick(['engine', 'lab', 'nothing']);
      const worker = find(visit, name);
      if (worker) await strike(lane, name, worker, rng);
      else add(lane, 'undisturbed stops');
      lane.stops.push(await timeOfStop(visit.page));
    }
  } catch (error) {
    lane.faults.push(`stop ${lane.stops.length + 1}: ${String(error)}`);
  } finally {
    await visit.end();
  }
  return lane;
}

/** Clicks Stop; milliseconds by the page's own clock until it shows that the run has stopped. */
function timeOfStop(page: Parameters<typeof find>[0]['page']): Promise<number> {
  return page.evaluate(async () => {
    const button = [...document.querySelectorAll('button')].find(({ textContent }) => textContent?.trim() === 'Stop');
    if (!button) throw new Error('there is no button to stop');
    const clicked = performance.now();
    button.click();
    while (!document.querySelector('[data-state="stopped"]')) {
      if (performance.now() - clicked > 60_000) throw new Error('the run did not stop within a minute');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return Math.round(performance.now() - clicked);
  });
}
