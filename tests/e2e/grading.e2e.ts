/** A run whose answers are made to hold up whoever reads them as formulas: the page opens it, and stays responsive. */
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, serveLab } from './browser';
import { firstRight, hostileRun } from './hostile';
import { store } from './recorded';
import { Visit } from './visit';

const LONGEST_TASK = 100;

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

describe('a run with hostile answers', () => {
  it('opens without a long task on the page, and shows what was right once that is known', async () => {
    const { recorded, hostile } = await hostileRun('hostile parley');
    const visit = await Visit.begin(browser);
    const { page } = visit;
    await page.goto(lab.url);
    await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
    await store(page, [hostile]);
    await visit.tab('Debates').click();
    await page.getByLabel('Run on show').waitFor();
    const watched = await visit.watchTasks();
    const started = page.waitForEvent('worker', (worker) => worker.url().includes('grading'));
    await page.getByLabel('Run on show').selectOption({ label: 'hostile parley' });
    await page.getByText(/\d+ of \d+ debates/).waitFor();
    await started;
    for (const part of ['Results', 'Votes', 'Data sets', 'Lab', 'Debates']) {
      await visit.tab(part).click();
      await page.waitForTimeout(1500);
    }
    const held = await watched();
    expect(held.busy, JSON.stringify(held)).toBeLessThan(LONGEST_TASK);
    // That x+3 is 3+x is known only from the worker: as many are right as there were numbers right.
    await visit.tab('Votes').click();
    await page
      .getByText(`round 1: ${firstRight(recorded.events)} %`)
      .first()
      .waitFor();
    expect(visit.complaints).toEqual([]);
    await visit.shot('hostile-answers');
    await visit.end();
  });
});
