/** Workers that end or loop at random moments of runs in a real Chromium; every run ends with the digest of an undisturbed one. */
import type { Worker } from 'playwright-core';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, serveLab } from '../../tests/e2e/browser';
import { Visit } from '../../tests/e2e/visit';
import type { SoakOptions, SoakOutcome } from './result';
import type { Rng } from './rng';

const PROBLEMS = { training: 3, heldOut: 3 };
const NAMES = ['engine', 'lab'] as const;
/** Of one run: it must be able to get on between two of them. */
const ENDINGS_A_RUN = 3;
/** A silent worker is noticed after 15 seconds. */
const PATIENCE_MS = 120_000;

/** The newest of that name: a worker that ended may be listed for a while. */
const find = (visit: Visit, name: string): Worker | undefined =>
  visit.page.workers().findLast((worker) => new RegExp(`/${name}[^/]*$`).test(worker.url()));

/** Ends a worker without a word to the page, or lets it compute for ever. */
async function strike(worker: Worker, how: 'close' | 'loop'): Promise<void> {
  if (how === 'close') return worker.evaluate(() => self.close()).catch(() => {});
  // In a task of its own: Chromium ends no worker in a task of the debugger.
  const loop = (): void =>
    void setTimeout(() => {
      for (;;);
    });
  await worker.evaluate(loop).catch(() => {});
}

/** Resolves when another worker of that name is there, or the run is over. */
async function replaced(visit: Visit, name: string, struck: Worker): Promise<boolean> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 100) {
    if ((await visit.state()) === 'finished') return true;
    const now = find(visit, name);
    if (now && now !== struck) return true;
    await sleep(100);
  }
  return false;
}

export async function soakWorkers({ count, seed, say }: SoakOptions, rng: Rng): Promise<SoakOutcome> {
  const lab = await serveLab();
  const browser = await launch();
  const outcomes: Record<string, number> = { runs: 0 };
  const add = (name: string): void => void (outcomes[name] = (outcomes[name] ?? 0) + 1);
  const faults: string[] = [];
  let [longestMs, lost, struck] = [0, 0, 0];
  try {
    const visit = await Visit.begin(browser);
    await visit.page.addInitScript('globalThis.__name = (named) => named');
    await visit.page.goto(lab.url);
    const start = async (): Promise<void> => {
      await visit.fillSettings(seed, 'reference', PROBLEMS);
      await visit.start();
      await visit.untilActivity(/./);
    };
    const began = performance.now();
    await start();
    await visit.untilState('finished');
    const expected = await visit.digest();
    const duration = performance.now() - began;
    say(`workers: an undisturbed run takes ${Math.round(duration / 1000)} s, digest ${expected.slice(0, 12)}`);
    while (struck < count) {
      const from = performance.now();
      add('runs');
      await start();
      for (let endings = 0; endings < ENDINGS_A_RUN && struck < count; endings++) {
        await sleep(rng.int(Math.round(duration / ENDINGS_A_RUN)));
        if ((await visit.state()) === 'finished') break;
        const name = NAMES[rng.int(NAMES.length)] as (typeof NAMES)[number];
        const how = rng.int(2) === 0 ? 'close' : 'loop';
        const worker = find(visit, name);
        if (!worker) continue;
        await strike(worker, how);
        struck++;
        add(`${name} ${how === 'close' ? 'ended' : 'looping'}`);
        if (!(await replaced(visit, name, worker))) faults.push(`ending ${struck}: no new ${name} worker`);
        if (struck % 10 === 0) say(`workers: ${struck} of ${count}`);
      }
      await visit.untilState('finished');
      const digest = await visit.digest();
      if (digest !== expected) faults.push(`run ${outcomes['runs']}: digest ${digest}`);
      longestMs = Math.max(longestMs, performance.now() - from);
    }
  } catch (error) {
    lost++;
    faults.push(`after ${struck} endings: ${String(error)}`);
  } finally {
    await browser.close();
    await lab.close();
  }
  const equal = !faults.some((fault) => fault.includes('digest'));
  return { outcomes, attempts: struck, lost, equal, memory: null, longestMs: Math.round(longestMs), faults };
}
