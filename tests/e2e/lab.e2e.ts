/** What a visitor does, in a real Chromium on real WebGPU: run, watch, pause, reload in the middle, resume, compare. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launch, OUT, serveLab } from './browser';

/** Sizes that software WebGPU on two cores does in seconds. */
const PROBLEMS = { training: 6, heldOut: 6 };
const ENGINE = 'webgpu';
const RUN_TIMEOUT = 150_000;

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What went wrong in the page or its console. */
let complaints: string[];

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});

afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  page = await context.newPage();
  complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => {
    // The preview server leaves HEAD requests (does a file exist?) without an end; Chromium counts them as aborted.
    const reason = request.failure()?.errorText ?? '';
    if (reason !== 'net::ERR_ABORTED') complaints.push(`${reason}: ${request.url()}`);
  });
});

afterEach(async () => {
  await context.close();
});

const form = () => page.getByRole('form', { name: 'Settings of the next run' });

async function chooseEngine(engine: string): Promise<void> {
  if (!(await form().getByLabel('Engine').isVisible())) await form().getByText('More settings').click();
  await form().getByLabel('Engine').selectOption(engine);
}

async function fillSettings(seed: number, engine = ENGINE): Promise<void> {
  await form().getByLabel('Preset').selectOption('arithmetic-tiny');
  await form().getByLabel('Seed', { exact: true }).fill(String(seed));
  await chooseEngine(engine);
  await form().getByLabel('Training problems').fill(String(PROBLEMS.training));
  await form().getByLabel('Held-out problems').fill(String(PROBLEMS.heldOut));
}

const run = () => form().getByRole('button', { name: 'Run' }).click();

/** State of the run on show: running, paused, finished… */
const state = () => page.locator('[data-state]').getAttribute('data-state');

/** Polls until `there` holds; fails at once when the page reports an error. */
async function until(what: string, there: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + RUN_TIMEOUT;
  while (!(await there())) {
    const alert = page.getByRole('alert');
    if ((await alert.count()) > 0) throw new Error(`the page says: ${await alert.first().innerText()}`);
    if (Date.now() > deadline) throw new Error(`the run is ${await state()}; ${what} never came`);
    await page.waitForTimeout(50);
  }
}

const waitForState = (wanted: string) => until(wanted, async () => (await state()) === wanted);

const waitForActivity = (text: RegExp) =>
  until(String(text), async () => (await page.locator('.activity').filter({ hasText: text }).count()) > 0);

const digest = () => page.getByTestId('digest').innerText();

async function shot(name: string): Promise<void> {
  await page.screenshot({ path: join(OUT, 'screenshots', `${name}.png`), fullPage: true });
}

describe('the lab', () => {
  it('opens from a sub-path, names its device and loads nothing heavy', async () => {
    const loaded: string[] = [];
    page.on('response', (response) => loaded.push(new URL(response.url()).pathname));
    await page.goto(lab.url);
    await page.getByTestId('engine').filter({ hasText: 'WebGPU' }).waitFor();
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Polylogue');
    expect(loaded.filter((path) => /models\/|transformers|\.wasm/.test(path))).toEqual([]);
    await shot('open');
    for (const width of [360, 768]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
    expect(complaints).toEqual([]);
  });

  it('shows a run from the first answer to the digest, and can pause it', async () => {
    await page.goto(lab.url);
    await fillSettings(7);
    await run();
    await page.locator('.chain').filter({ hasText: /=/ }).first().waitFor({ timeout: RUN_TIMEOUT });
    await shot('live');

    await page.getByRole('button', { name: 'Pause' }).click();
    await waitForState('paused');
    const held = await page.getByRole('progressbar').getAttribute('value');
    // Settings are for the next run: changing them now disturbs nothing.
    await form().getByLabel('Seed', { exact: true }).fill('99');
    await page.waitForTimeout(700);
    expect(await state()).toBe('paused');
    expect(await page.getByRole('progressbar').getAttribute('value')).toBe(held);
    await page.getByRole('region', { name: 'The run' }).getByRole('button', { name: 'Resume' }).click();
    await waitForState('finished');

    const accuracy = page.getByRole('region', { name: 'Accuracy' });
    const rows = await accuracy.getByRole('table').first().getByRole('row').allInnerTexts();
    expect(rows.length).toBe(1 + 9);
    expect(rows.slice(1).every((row) => /of 6/.test(row))).toBe(true);
    const finetuning = page.getByRole('region', { name: 'Finetuning' });
    const legend = await finetuning.locator('.legend').innerText();
    expect(legend).toMatch(/single model/);
    expect(legend).not.toMatch(/NaN|Infinity/);
    for (const points of await finetuning
      .locator('polyline')
      .evaluateAll((lines) => lines.map((line) => line.getAttribute('points'))))
      expect(points).not.toMatch(/NaN|Infinity/);
    expect(await digest()).toMatch(/^[0-9a-f]{64}$/);
    await shot('finished');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('finished-dark');
    await page.setViewportSize({ width: 360, height: 740 });
    await shot('finished-phone');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    expect(complaints).toEqual([]);
  });

  it('goes on after a reload, at two places, to the digest of an undisturbed run', async () => {
    await page.goto(lab.url);
    await fillSettings(8);
    await run();
    await waitForState('finished');
    const undisturbed = await digest();

    await fillSettings(8);
    await run();
    for (const place of [/debates training problems/, /finetuning, step/]) {
      await waitForActivity(place);
      await page.reload();
      const offer = page.getByRole('status').filter({ hasText: 'was interrupted' });
      await offer.waitFor();
      await chooseEngine(ENGINE);
      await offer.getByRole('button', { name: 'Resume' }).click();
    }
    await waitForState('finished');
    expect(await digest()).toBe(undisturbed);
    expect(complaints).toEqual([]);

    // Both are in the list; one is opened by keyboard, the other deleted.
    const stored = page.getByRole('region', { name: 'Stored runs' });
    expect(await stored.getByRole('listitem').count()).toBe(2);
    await stored.getByRole('button', { name: /^Open/ }).last().focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('digest').waitFor();
    expect(await digest()).toBe(undisturbed);
    await stored
      .getByRole('button', { name: /^Delete/ })
      .first()
      .click();
    await stored.getByRole('button', { name: /^Really delete/ }).click();
    await stored.getByRole('listitem').nth(1).waitFor({ state: 'detached' });
    expect(await stored.getByRole('listitem').count()).toBe(1);
  });
});

describe('without WebGPU', () => {
  it('says so plainly and runs on the reference engine', async () => {
    const without = await launch(false);
    try {
      page = await (await without.newContext()).newPage();
      await page.goto(lab.url);
      await page.getByText('No WebGPU here').waitFor();
      await fillSettings(9, 'auto');
      await form().getByLabel('Training problems').fill('3');
      await form().getByLabel('Held-out problems').fill('3');
      await run();
      await waitForState('finished');
      expect(await page.getByTestId('engine').innerText()).toMatch(/reference engine/);
      expect(await digest()).toMatch(/^[0-9a-f]{64}$/);
    } finally {
      await without.close();
    }
  });
});
