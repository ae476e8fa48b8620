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
    await visit.form.getByLabel('Preset').selectOption('arithmetic-tiny');
    await visit.form.getByLabel('Seed', { exact: true }).fill('0');
    await visit.start();
    await visit.untilState('finished');
    expect(await visit.digest()).toBe(await exactDigest('arithmetic-tiny'));
    expect(visit.page.workers().filter((worker) => /exactLane/.test(worker.url())).length).toBeGreaterThan(1);
    expect(visit.complaints).toEqual([]);
  });
});
