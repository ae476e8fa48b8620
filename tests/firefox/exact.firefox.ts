/** The exact engine in a real Firefox: the digest of the command line, and the verdict on a run that came by link. */
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exactLink } from '../cli/exactLink';
import { serveLab } from '../e2e/browser';
import { FirefoxVisit, launchFirefox } from './firefox';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let shared: Awaited<ReturnType<typeof exactLink>>;

beforeAll(async () => {
  [lab, browser, shared] = await Promise.all([serveLab(), launchFirefox(), exactLink('arithmetic-tiny')]);
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
  expect(await visit.digest()).toBe(shared.digest);
  expect(visit.complaints).toEqual([]);
  await visit.leave();
});

it('a link of the command line is run here, the same byte for byte', async () => {
  const visit = await FirefoxVisit.begin(browser, `${lab.url}${shared.fragment}`);
  await visit.see('caption', /Claimed, not checked/);
  await visit.press('Run it here');
  await visit.untilState('finished');
  await visit.see('[data-testid=verdict]', /Verdict: the same run, byte for byte/);
  expect(await visit.digest()).toBe(shared.digest);
  expect(visit.complaints).toEqual([]);
  await visit.leave();
});
