/** The exact engine in Chromium: chosen where there is no GPU, and the digest of the command line. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exactDigest } from '../cli/exactDigest';
import { launch, serveLab } from './browser';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

describe('without a GPU', () => {
  it('a run computes on the exact engine and ends in the digest of the command line', async () => {
    const visit = await Visit.begin(browser);
    await visit.page.goto(lab.url);
    await visit.page.getByTestId('engine').filter({ hasText: 'exact engine (WebAssembly SIMD' }).waitFor();
    await visit.page.getByText('Computed on the processor').waitFor();
    // Form and cost say it too, and why.
    await visit.page
      .getByRole('region', { name: 'Cost of this run' })
      .getByText('the exact engine', { exact: true })
      .waitFor();
    await visit.form.getByText('More settings').click();
    await visit.form.getByText(/^Here the exact engine: /).waitFor();
    await visit.form.getByLabel('Preset').selectOption('arithmetic-tiny');
    await visit.form.getByLabel('Seed', { exact: true }).fill('0');
    await visit.start();
    await visit.untilState('finished');
    const digest = await visit.digest();
    for (const workers of [1, 2, 3]) expect(await exactDigest('arithmetic-tiny', workers)).toBe(digest);
    expect(visit.page.workers().filter((worker) => /exactLane/.test(worker.url())).length).toBeGreaterThan(1);
    expect(visit.complaints).toEqual([]);
  });
});
