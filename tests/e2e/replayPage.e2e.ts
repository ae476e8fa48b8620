/** A run as one page: opened from disk it plays, shows results and debates, loads nothing and contacts nobody. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { replayPage } from '../../src/share/exports/page';
import { linkOfRun } from '../../src/share/runLink';
import { replayTemplate } from '../../tools/build/replayPage';
import { axe } from './axe';
import { launch, OUT } from './browser';
import { recordedRun, type Recorded } from './recorded';
import { Visit } from './visit';

const HOSTILE = 'brisk </script><img src=x onerror=alert(1)> & finch';
/** Bytes of a page without its run. */
const LARGEST_TEMPLATE = 750_000;

let browser: Browser;
let finch: Recorded;
let scratch = '';
let address = '';
let template = '';

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-page-'));
  [browser, finch, template] = await Promise.all([
    launch(),
    recordedRun('brisk finch', { seed: 5, iterations: 2 }),
    replayTemplate(),
  ]);
  address = written(
    'page.html',
    replayPage(template, { name: HOSTILE, link: linkOfRun(finch.events), events: finch.events }),
  );
});
afterAll(async () => {
  await browser?.close();
  rmSync(scratch, { recursive: true, force: true });
});

let visit: Visit;
let page: Page;
let requests: string[];
beforeEach(async () => {
  visit = await Visit.begin(browser);
  page = visit.page;
  requests = [];
  page.on('request', (request) => requests.push(request.url()));
});

function written(name: string, text: string): string {
  const file = join(scratch, name);
  writeFileSync(file, text);
  return pathToFileURL(file).href;
}

it('replays from disk and loads nothing', async () => {
  await page.goto(address);
  await page.getByRole('heading', { name: HOSTILE }).waitFor();
  expect(await page.title()).toBe(HOSTILE);
  const place = page.getByRole('slider', { name: 'Place in the run' });
  await place.fill('0');
  await page.getByRole('button', { name: 'Play', exact: true }).click();
  await expect.poll(async () => Number(await place.inputValue())).toBeGreaterThan(2);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  const at = await place.inputValue();
  await page.waitForTimeout(300);
  expect(await place.inputValue()).toBe(at);
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 900 });
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
    await visit.shot(`replay-page-${width}`);
  }
  expect(await axe(visit, 'the page of a run')).toEqual([]);
  await page.getByRole('button', { name: 'Results' }).click();
  await page.getByRole('figure', { name: 'Accuracy by iteration' }).waitFor();
  await page.getByRole('button', { name: 'Debates' }).click();
  await page.getByRole('listbox').getByRole('option').nth(3).click();
  const said = finch.events.flatMap((event) => (event.type === 'episode' ? [event] : []))[3]!.turns[0]!.text;
  const shown = async () => (await page.locator('main').innerText()).replace(/\s/g, '');
  await expect.poll(shown).toContain(said.slice(0, said.indexOf('#')));
  await page.getByRole('button', { name: 'Votes' }).click();
  await page.getByRole('figure').first().waitFor();
  await page.getByRole('button', { name: 'Data sets' }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download all for TRL (zip)' }).click();
  expect((await download).suggestedFilename()).toMatch(/data-sets\.zip$/);
  expect(requests.filter((url) => url !== address && !/^(data|blob):/.test(url))).toEqual([]);
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

it('says so when it holds no run', async () => {
  await page.goto(written('empty.html', template));
  await page.getByRole('alert').getByText('holds no run that can be read').waitFor();
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

it('is small', () => {
  expect(Buffer.byteLength(template)).toBeLessThan(LARGEST_TEMPLATE);
});
