/** Workers that end or loop in the middle of a run: the page says so, starts them again, and the run ends with the same digest. */
import type { Browser, Worker } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

const PROBLEMS = { training: 3, heldOut: 3 };

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let undisturbed = '';

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

const workerOf = (visit: Visit, name: string): Worker => {
  const found = visit.page.workers().find((worker) => new RegExp(`/${name}[^/]*$`).test(worker.url()));
  if (!found) throw new Error(`there is no worker ${name}`);
  return found;
};
/** The worker closes itself: nothing tells the page. */
const close = (worker: Worker) => worker.evaluate(() => self.close());
/** The worker computes for ever, in a task of its own: Chromium ends no worker in a task of the debugger. */
const loop = (worker: Worker) =>
  worker.evaluate(() => {
    setTimeout(() => {
      for (;;);
    });
  });

async function start(visit: Visit): Promise<void> {
  await visit.fillSettings(8, 'reference', PROBLEMS);
  await visit.start();
  await visit.untilActivity(/finetuning, step/);
}

async function finished(visit: Visit, notice: string): Promise<void> {
  await visit.page.getByRole('status').filter({ hasText: notice }).waitFor({ timeout: 90_000 });
  await visit.untilState('finished');
  await expect.poll(() => visit.digest()).toBe(undisturbed);
  await expect.poll(() => visit.page.getByRole('alert').count()).toBe(0);
}

describe('a run whose workers fail', () => {
  it('ends with the digest of an undisturbed one', async () => {
    const visit = await Visit.begin(browser);
    await visit.page.goto(lab.url);
    await start(visit);
    await visit.untilState('finished');
    undisturbed = await visit.digest();

    await start(visit);
    await close(workerOf(visit, 'engine'));
    await finished(visit, 'The engine did not answer');
    await visit.shot('engine-restarted');

    await start(visit);
    await loop(workerOf(visit, 'engine'));
    await finished(visit, 'The engine did not answer');

    await start(visit);
    await close(workerOf(visit, 'lab'));
    await finished(visit, 'The lab did not answer');
    await visit.shot('lab-restarted');
    await visit.end();
  });

  it('stops when it is asked to, also while a worker loops', async () => {
    const visit = await Visit.begin(browser);
    await visit.page.goto(lab.url);
    for (const name of ['engine', 'lab']) {
      await start(visit);
      await loop(workerOf(visit, name));
      await visit.controls.getByRole('button', { name: 'Stop' }).click();
      // Far below the time after which a silent worker is noticed.
      await visit.page.locator('[data-state="stopped"]').waitFor({ timeout: 14_000 });
      await expect.poll(() => visit.page.getByRole('alert').count()).toBe(0);
    }
    // What is left of the stopped run can be taken up.
    await visit.run.getByRole('button', { name: 'Resume' }).click();
    await visit.untilState('finished');
    expect(await visit.digest()).toBe(undisturbed);
    await visit.end();
  });
});
