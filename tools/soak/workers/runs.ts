/** Workers that a run needs: engine, lab and tokenizer. Every run ends with the digest of an undisturbed one. */
import type { Browser } from 'playwright';
import { setTimeout as sleep } from 'node:timers/promises';
import { Visit } from '../../../tests/e2e/visit';
import type { Rng } from '../rng';
import { add, find, newLane, replaced, strike, type Lane } from './strike';

const PROBLEMS = { training: 3, heldOut: 3 };
const PATIENCE_MS = 600_000;
/** A tokenizer is asked twice and then its file is blamed, so it is struck once a run. */
const ENDINGS_A_RUN: Readonly<Record<string, number>> = { engine: 3, lab: 3, tokenizer: 1 };

export interface RunLane {
  name: 'engine' | 'lab' | 'tokenizer';
  endings: number;
  seed: number;
  onEnding: () => void;
  over: () => boolean;
}

export async function strikeRuns(
  browser: Browser,
  url: string,
  { name, endings, seed, onEnding, over }: RunLane,
  rng: Rng,
): Promise<Lane> {
  const lane = newLane();
  const visit = await begin(browser, url);
  const most = ENDINGS_A_RUN[name] ?? 1;
  const start = async (): Promise<void> => {
    await visit.fillSettings(seed, 'reference', PROBLEMS);
    await visit.start();
    await visit.untilActivity(/./);
  };
  try {
    const began = performance.now();
    await start();
    await visit.untilState('finished');
    const expected = await visit.digest();
    const duration = Math.min(30_000, performance.now() - began);
    while (lane.struck < endings && !over()) {
      add(lane, `runs with ${name} struck`);
      await start();
      for (let struck = 0; struck < most && lane.struck < endings; struck++) {
        // The tokenizer is asked for the last time well before the end.
        await sleep(rng.int(Math.round(duration / Math.max(most, 2))));
        const finished = async (): Promise<boolean> => (await visit.state()) === 'finished';
        if (await finished()) break;
        const worker = find(visit, name);
        if (!worker) {
          add(lane, `moments without a ${name}`);
          continue;
        }
        const from = performance.now();
        await strike(lane, name, worker, rng);
        if (!(await replaced(visit, name, worker, finished))) lane.faults.push(`no new ${name} worker`);
        lane.longestMs = Math.max(lane.longestMs, performance.now() - from);
        onEnding();
      }
      await visit.untilState('finished');
      const digest = await visit.digest();
      if (digest === expected) continue;
      lane.different++;
      lane.faults.push(`${name}: digest ${digest}, not ${expected}`);
    }
  } catch (error) {
    lane.faults.push(`${name}, after ${lane.struck} endings: ${String(error)}`);
  } finally {
    await visit.end();
  }
  return lane;
}

/** The page, ready for a run. */
export async function begin(browser: Browser, url: string): Promise<Visit> {
  const visit = await Visit.begin(browser);
  // What a page says is waited for as long as a starved machine may take; what is wrong shows in what it says.
  visit.patience = PATIENCE_MS;
  visit.page.setDefaultTimeout(PATIENCE_MS);
  // What runs the command keeps the names of functions by a helper, which a page lacks.
  await visit.page.addInitScript('globalThis.__name = (named) => named');
  await visit.page.goto(url);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  return visit;
}
