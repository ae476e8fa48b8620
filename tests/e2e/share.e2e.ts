/** Addresses: settings stand in them, every view has one, and a link opens a card that starts nothing. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { decodeLink } from '../../src/share/link';
import { GOLDEN_LINKS } from '../share/goldenLinks';
import { axe } from './axe';
import { launch, OUT, serveLab } from './browser';
import { recordedRun, store, type Recorded } from './recorded';
import { Visit } from './visit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let visit: Visit;
let finch: Recorded;

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  [lab, browser, finch] = await Promise.all([serveLab(), launch(), recordedRun('brisk finch', { seed: 5 })]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});
beforeEach(async () => {
  visit = await Visit.begin(browser);
});
afterEach(async () => {
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

const card = () => visit.page.getByRole('region', { name: 'An experiment by link' });
const hash = () => new URL(visit.page.url()).hash;
const ready = () => visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();

it('changed settings stand in the address, and come back from it', async () => {
  const { page, form } = visit;
  await page.goto(lab.url);
  await ready();
  expect(hash()).toBe('');
  await form.getByLabel('Preset').selectOption('arithmetic-tiny');
  await form.getByLabel('Seed', { exact: true }).fill('77');
  await expect.poll(() => (hash() === '' ? null : decodeLink(hash()).config?.seed)).toBe(77);
  // Settings are no steps: Back leaves the lab.
  expect(await page.evaluate(() => history.length)).toBeLessThanOrEqual(2);
  await page.reload();
  await card().getByText('seed 77').waitFor();
  await card().getByRole('button', { name: 'Take these settings' }).click();
  await expect.poll(() => form.getByLabel('Seed', { exact: true }).inputValue()).toBe('77');
  expect(await form.getByLabel('Preset').inputValue()).toBe('arithmetic-tiny');
  expect(decodeLink(hash()).config?.seed).toBe(77);
});

it('a link opens a card that says what it is and claims, and starts nothing', async () => {
  const { page } = visit;
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(lab.url) && !request.url().startsWith('blob:')) elsewhere.push(request.url());
  });
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto('about:blank');
    await page.goto(`${lab.url}${GOLDEN_LINKS.finished}`);
    await ready();
    await card().getByText('Claimed, not checked').waitFor();
    await card().getByText('Its model comes with this page').waitFor();
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
    await visit.shot(`link-${width}`);
  }
  expect(await axe(visit, 'a link')).toEqual([]);
  await visit.tab('Runs').click();
  await page.getByText('No runs yet').first().waitFor();
  await visit.tab('Lab').click();
  await card().waitFor();
  expect(hash()).toBe(GOLDEN_LINKS.finished);
  expect(elsewhere).toEqual([]);
});

it('a link plays a recorded run of its method at once, on a phone without WebGPU, and stores nothing', async () => {
  const simple = await launch(false);
  const phone = await Visit.begin(simple, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  try {
    const { page } = phone;
    await page.goto(`${lab.url}${GOLDEN_LINKS.finished}`);
    const now = page.getByTestId('now-playing');
    await now.waitFor();
    const first = await now.innerText();
    await phone.until('another sentence', async () => (await now.innerText()) !== first);
    // Where somebody looks who has not scrolled.
    const box = await now.boundingBox();
    expect(box!.y + box!.height).toBeLessThan(740);
    await page.getByText('This is a recorded run of the same method, not the run of the link').waitFor();
    expect(await phone.overflow()).toBeLessThanOrEqual(0);
    await phone.tab('Runs').click();
    await page.getByText('No runs yet').first().waitFor();
    expect(phone.complaints).toEqual([]);
  } finally {
    await simple.close();
  }
});

it('a damaged link is refused in words and nothing else is lost', async () => {
  const { page } = visit;
  await page.goto(`${lab.url}${GOLDEN_LINKS.finished.slice(0, -9)}`);
  await card().getByText('a part of it is missing or was changed').waitFor();
  await card().getByRole('button', { name: 'Close' }).click();
  await expect.poll(() => card().count()).toBe(0);
  await visit.form.getByRole('button', { name: 'Run', exact: true }).waitFor();
});

it('every view has an address: Back and reload work', async () => {
  const { page } = visit;
  await page.goto(lab.url);
  await ready();
  await store(page, [finch]);
  await visit.tab('Runs').click();
  await page.getByRole('button', { name: 'Open brisk finch' }).click();
  await page.getByTestId('digest').waitFor();
  await expect.poll(hash).toBe(`#/lab/${finch.record.id}`);
  await visit.tab('Debates').click();
  const list = page.getByRole('listbox');
  await list.waitFor();
  await expect.poll(hash).toBe(`#/debates/${finch.record.id}`);
  await list.getByRole('option').nth(3).click();
  await expect.poll(hash).toMatch(new RegExp(`^#/debates/${finch.record.id}/\\w+/\\w+/\\d+/\\d+$`));
  const chosen = hash();
  await page.reload();
  await page.getByRole('listbox').waitFor();
  await expect.poll(() => list.getByRole('option', { selected: true }).count()).toBe(1);
  expect(hash()).toBe(chosen);
  await visit.tab('Results').click();
  await expect.poll(hash).toBe(`#/results/${finch.record.id}`);
  await page.goBack();
  await page.getByRole('listbox').waitFor();
  expect(hash()).toBe(chosen);
});

it('Back leads out of a run and never in circles, and an address of no run is replaced', async () => {
  const { page } = visit;
  await page.goto(lab.url);
  await ready();
  await store(page, [finch]);
  await page.goto(`${lab.url}#/runs`);
  await page.getByRole('button', { name: 'Open brisk finch' }).click();
  await page.getByTestId('digest').waitFor();
  await page.getByLabel('Place in the run').press('Home');
  const run = `#/lab/${finch.record.id}`;
  await expect.poll(hash).toMatch(new RegExp(`^${run}/replay/`));
  const place = hash();
  await page.goBack();
  await page.getByRole('heading', { name: 'Runs in this browser' }).waitFor();
  // Longer than an address rests before it is written.
  await page.waitForTimeout(800);
  expect(hash()).toBe('#/runs');
  await page.goForward();
  await page.getByTestId('digest').waitFor();
  expect(hash()).toBe(place);
  await page.evaluate(() => (location.hash = '#/lab/no-such-run'));
  await page.getByRole('alert').getByRole('button', { name: 'Dismiss' }).click();
  await expect.poll(hash).toMatch(new RegExp(`^${run}`));
  await page.goBack();
  await page.goBack();
  await page.getByRole('heading', { name: 'Runs in this browser' }).waitFor();
  await page.goBack();
  await expect.poll(hash).toBe('');
  await page.getByTestId('digest').waitFor({ state: 'detached' });
});

it('a run is shared by an address that repeats it', async () => {
  const { page } = visit;
  await page.goto(lab.url);
  await ready();
  await store(page, [finch]);
  await visit.tab('Runs').click();
  await page.getByRole('button', { name: 'Open brisk finch' }).click();
  await visit.run.getByRole('button', { name: 'Share' }).click();
  const address = await page.getByRole('group', { name: 'Share this run' }).getByRole('textbox').inputValue();
  const { link, config } = decodeLink(address);
  expect(address.startsWith(lab.url)).toBe(true);
  expect(config).toEqual(finch.record.config);
  expect(link.receipt?.digest).toBe(finch.record.digest);
  await page.getByRole('img', { name: 'QR code of the address' }).waitFor();
  expect(await axe(visit, 'a run that is shared')).toEqual([]);
  await visit.shot('share');
});

it('a run that was downloaded opens in another browser', async () => {
  const { page } = visit;
  await page.goto(lab.url);
  await ready();
  await store(page, [finch]);
  await visit.tab('Runs').click();
  const downloading = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download brisk finch' }).click();
  const zip = await (await downloading).path();
  const other = await Visit.begin(browser);
  await other.page.goto(`${lab.url}#/runs`);
  await other.page.getByLabel('Open a run from a file').setInputFiles({
    name: 'broken.zip',
    mimeType: 'application/zip',
    buffer: Buffer.from('PK nothing'),
  });
  await other.page.getByRole('alert').getByText('is not a zip that can be read').waitFor();
  await other.page.getByLabel('Open a run from a file').setInputFiles(zip);
  await other.page.getByText('its log').first().waitFor();
  await other.page.getByRole('button', { name: 'Look at the run' }).click();
  await expect.poll(() => other.digest()).toBe(finch.record.digest);
  expect(await axe(other, 'a run from a file')).toEqual([]);
  expect(other.complaints).toEqual([]);
  await other.end();
});
