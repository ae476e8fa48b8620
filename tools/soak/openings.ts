/** A run with answers that are hard to read is opened again and again in a real Chromium: how long one task holds the page's main thread. */
import { launch, serveLab } from '../../tests/e2e/browser';
import { firstRight, hostileRun } from '../../tests/e2e/hostile';
import { store } from '../../tests/e2e/recorded';
import { Visit } from '../../tests/e2e/visit';
import type { SoakOptions, SoakOutcome } from './result';

/** Milliseconds of computing that one task may take. */
const MOST_MS = 100;
const PARTS = ['Results', 'Votes', 'Data sets', 'Debates'];

export async function soakOpenings({ count, say, over }: SoakOptions): Promise<SoakOutcome> {
  const lab = await serveLab();
  const browser = await launch();
  const faults: string[] = [];
  const busiest: number[] = [];
  try {
    const { recorded, hostile } = await hostileRun('hostile parley');
    const visit = await Visit.begin(browser);
    const { page } = visit;
    await page.goto(lab.url);
    await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor({ timeout: 120_000 });
    await store(page, [hostile]);
    for (let opened = 0; opened < count && !over(); opened++) {
      await visit.tab('Debates').click();
      await page.getByLabel('Run on show').waitFor();
      const watched = await visit.watchTasks();
      await page.getByLabel('Run on show').selectOption({ label: 'hostile parley' });
      await page.getByText(/\d+ of \d+ debates/).waitFor();
      for (const part of PARTS) {
        await visit.tab(part).click();
        await page.waitForTimeout(500);
      }
      await visit.tab('Votes').click();
      await page
        .getByText(`round 1: ${firstRight(recorded.events)} %`)
        .first()
        .waitFor({ timeout: 120_000 });
      const { busy, tasks } = await watched();
      busiest.push(busy);
      if (busy > MOST_MS) faults.push(`opening ${opened + 1}: one of ${tasks} tasks computed for ${busy} ms`);
      if ((opened + 1) % 10 === 0) say(`openings: ${opened + 1} of ${count}`);
      await page.reload();
    }
  } finally {
    await browser.close();
    await lab.close();
  }
  const sorted = [...busiest].sort((a, b) => a - b);
  return {
    outcomes: {
      openings: busiest.length,
      'ms of computing of the longest task': sorted.at(-1) ?? 0,
      'ms of the longest task of the middle opening': sorted[sorted.length >> 1] ?? 0,
    },
    attempts: busiest.length,
    lost: faults.length,
    equal: null,
    memory: null,
    longestMs: sorted.at(-1) ?? 0,
    faults,
  };
}
