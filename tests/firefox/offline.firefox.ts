/** The built folder on a plain static host, in a real Firefox: it opens without a network after one visit, and is isolated then. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { builtInto, OUT } from '../e2e/browser';
import { StaticHost } from '../e2e/staticHost';
import { FirefoxVisit, launchFirefox } from './firefox';

const host = new StaticHost(join(process.cwd(), OUT, `firefox-dist-${process.pid}`));
let browser: Browser;

beforeAll(async () => {
  await builtInto(host.directory);
  [browser] = await Promise.all([launchFirefox(), host.start()]);
});
afterAll(async () => {
  await browser?.close();
  host.stop();
  await rm(host.directory, { recursive: true, force: true });
});

it('a run works without a network, and the page is isolated', async () => {
  const visit = await FirefoxVisit.begin(browser, host.url);
  const isolated = () => visit.page.evaluate(() => crossOriginIsolated);
  await visit.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  expect(await isolated()).toBe(false);
  host.online = false;
  host.asked.length = 0;
  await visit.page.reload();
  await visit.see('[data-testid=engine]', /Runs on/);
  expect(await isolated()).toBe(true);
  await visit.choose(/^Preset/, 'arithmetic-tiny');
  await visit.press(/^More settings/, 'summary');
  await visit.choose(/^Engine/, 'exact');
  await visit.choose(/^Training problems/, '3');
  await visit.choose(/^Held-out problems/, '3');
  await visit.press('Run');
  await visit.untilState('finished');
  expect(host.asked).toEqual([]);
  expect(visit.complaints).toEqual([]);
});
