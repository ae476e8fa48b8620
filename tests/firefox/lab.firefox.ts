/** The lab in a real Firefox: a run on its WebGPU with a reload in the middle, and a model that goes through its private file system. */
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveLab } from '../e2e/browser';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { FirefoxVisit, launchFirefox } from './firefox';

const REPO = 'tiny/chat';
/** Of this model; the site's own models have such buttons too. */
const USE = /^Use in the next run\s*: tiny\/chat/;

const hub = new HubServer();
let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;

beforeAll(async () => {
  hub.repos.set(REPO, { commit: COMMIT, files: new Map(Object.entries(tinyFiles(tinyWeights(true)))), token: null });
  [lab, browser] = await Promise.all([serveLab(), launchFirefox(), hub.start()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
  await hub.stop();
});

describe('in Firefox', () => {
  it('a run computes on WebGPU, goes on after a reload, and ends', async () => {
    const visit = await FirefoxVisit.begin(browser, lab.url);
    await visit.choose(/^Preset/, 'arithmetic-tiny');
    // Left to itself the lab takes the exact engine where a software driver stands in for a GPU.
    await visit.press(/^More settings/, 'summary');
    await visit.choose(/^Engine/, 'webgpu');
    await visit.choose(/^Training problems/, '6');
    await visit.choose(/^Held-out problems/, '6');
    await visit.press('Run');
    await visit.see('.activity', /debates training problems/);
    await visit.page.reload();
    await visit.see('[role=status]', /was interrupted/);
    await visit.press('Resume');
    await visit.untilState('finished');
    await visit.see('[data-testid=engine]', /WebGPU/);
    expect(await visit.digest()).toMatch(/^[0-9a-f]{64}$/);
    expect(visit.complaints).toEqual([]);
    await visit.leave();
  });

  it('a model is downloaded, kept over a reload, checked and used', async () => {
    const visit = await FirefoxVisit.begin(browser, lab.url);
    await visit.press(/^Models/, '[role=tab]');
    await visit.press(/Token and address/, 'summary');
    await visit.fill(/^Hub or mirror/, hub.endpoint);
    await visit.fill(/^Any other/, `${REPO}@main`);
    await visit.press('Look up', 'form button[type=submit]');
    await visit.press(/^Download/);
    await visit.see('button', USE);
    await visit.page.reload();
    await visit.press(/^Models/, '[role=tab]');
    await visit.press(USE);
    await visit.choose(/^Agents/, '2');
    await visit.press(/^More settings/, 'summary');
    await visit.choose(/^Longest response/, '64');
    await visit.choose(/^Training problems/, '3');
    await visit.choose(/^Held-out problems/, '3');
    await visit.press('Run');
    await visit.untilState('finished');
    expect(visit.complaints).toEqual([]);
    await visit.leave();
  });
});
