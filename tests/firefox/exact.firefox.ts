/** The exact engine in a real Firefox: the digest of the command line. */
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exactDigest } from '../cli/exactDigest';
import { serveLab } from '../e2e/browser';
import { FirefoxVisit, launchFirefox } from './firefox';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  [lab, browser] = await Promise.all([serveLab(), launchFirefox()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

it('a run on the exact engine ends in the digest of the command line', async () => {
  const visit = await FirefoxVisit.begin(browser, lab.url);
  await visit.choose(/^Preset/, 'arithmetic-tiny');
  await visit.fill(/^Seed/, '0');
  await visit.press(/^More settings/, 'summary');
  await visit.choose(/^Engine/, 'exact');
  await visit.press('Run');
  await visit.untilState('finished');
  await visit.see('[data-testid=engine]', /exact engine/);
  expect(await visit.digest()).toBe(await exactDigest('arithmetic-tiny'));
  expect(visit.complaints).toEqual([]);
});
