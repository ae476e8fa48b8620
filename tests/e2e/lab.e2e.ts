/** What a visitor does, in a real Chromium on real WebGPU: run, watch, pause, step, reload in the middle, resume. */
import type { Browser } from 'playwright';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { launch, OUT, serveLab } from './browser';
import { RUN_TIMEOUT, Visit } from './visit';

/** The longest task of the page's own thread, in milliseconds: what a visitor would feel as a stutter. */
const LONGEST_TASK = 100;

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let visit: Visit;

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  [lab, browser] = await Promise.all([serveLab(), launch()]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});
beforeEach(async () => {
  visit = await Visit.begin(browser);
});
afterEach(async () => {
  await visit.end();
});

describe('the lab', () => {
  it('opens from a sub-path, names its device and loads nothing heavy', async () => {
    const { page } = visit;
    const loaded: string[] = [];
    page.on('response', (response) => loaded.push(new URL(response.url()).pathname));
    await page.goto(lab.url);
    // A software driver stands in for a GPU here, so the processor computes.
    await page.getByTestId('engine').filter({ hasText: 'the exact engine' }).waitFor();
    await expect.poll(() => page.getByRole('heading', { level: 1 }).innerText()).toBe('Polylogue');
    // The first screen replays a recorded run, which needs the stage and its record, and neither a model nor another view.
    await expect.poll(() => loaded.some((path) => /ReplayStage/.test(path))).toBe(true);
    await page.waitForLoadState('networkidle');
    expect(loaded.filter((path) => /models\/|tokenizer|\.wasm|Results|Debates|runtimes\//.test(path))).toEqual([]);
    await visit.shot('open');
    for (const width of [360, 768]) {
      await page.setViewportSize({ width, height: 800 });
      await expect.poll(() => visit.overflow()).toBeLessThanOrEqual(0);
    }
    expect(visit.complaints).toEqual([]);
  });

  it('is started, paused, stepped and watched to its digest by keyboard, without holding the page', async () => {
    const { page, controls } = visit;
    // Firefox asks the visitor, who need not answer.
    await page.addInitScript(() => (navigator.storage.persist = () => new Promise(() => {})));
    await page.goto(lab.url);
    await visit.fillSettings(7);
    const tasks = await visit.watchTasks();
    await visit.press(visit.form.getByRole('button', { name: 'Run', exact: true }));
    await page
      .getByRole('region', { name: 'The stage' })
      .locator('.bubble')
      .filter({ hasText: /\d=/ })
      .first()
      .waitFor({ timeout: RUN_TIMEOUT });
    await expect.poll(() => page.title()).toMatch(/^\d+ % · /);
    await visit.shot('live');

    await visit.press(controls.getByRole('button', { name: 'Pause' }));
    await visit.untilState('paused');
    const progress = await page.getByRole('progressbar', { name: 'Progress of the run' }).getAttribute('value');
    // Settings are for the next run: changing them now disturbs nothing.
    await visit.form.getByLabel('Seed', { exact: true }).fill('99');
    await page.waitForTimeout(700);
    expect(await visit.state()).toBe('paused');
    await expect
      .poll(() => page.getByRole('progressbar', { name: 'Progress of the run' }).getAttribute('value'))
      .toBe(progress);
    await expect.poll(() => page.title()).toContain('paused');

    await visit.press(controls.getByRole('button', { name: 'Step by round' }));
    await visit.until('a step', async () => (await visit.state()) !== 'paused');
    await visit.untilState('paused');
    await visit.press(controls.getByRole('button', { name: 'Resume' }));
    await visit.untilState('finished');
    await expect.poll(() => page.title()).toBe('Polylogue');
    const held = await tasks();
    expect(held.tasks).toBeGreaterThan(100);
    expect(held.busy).toBeGreaterThan(0);
    expect(held.busy, JSON.stringify(held)).toBeLessThan(LONGEST_TASK);

    const accuracy = page.getByRole('region', { name: 'Accuracy', exact: true });
    const table = accuracy.getByRole('table').first().getByRole('row');
    await expect.poll(() => table.count()).toBe(1 + 9);
    const rows = await table.allInnerTexts();
    expect(rows.slice(1).every((row) => /of 6/.test(row))).toBe(true);
    const curves = page.getByRole('region', { name: 'Finetuning', exact: true });
    await expect.poll(() => curves.innerText()).toMatch(/single model/);
    for (const path of await curves.locator('svg path').evaluateAll((all) => all.map((one) => one.getAttribute('d'))))
      expect(path).not.toMatch(/NaN|Infinity/);
    await expect.poll(() => visit.digest()).toMatch(/^[0-9a-f]{64}$/);
    await visit.shot('finished');
    await page.emulateMedia({ colorScheme: 'dark' });
    await visit.shot('finished-dark');
    await page.setViewportSize({ width: 360, height: 740 });
    await visit.shot('finished-phone');
    await expect.poll(() => visit.overflow()).toBeLessThanOrEqual(0);
    expect(visit.complaints).toEqual([]);
  });

  it('goes on after a reload, at two places, to the digest of an undisturbed run', async () => {
    const { page } = visit;
    await page.goto(lab.url);
    await visit.fillSettings(8);
    await visit.start();
    await visit.untilState('finished');
    const undisturbed = await visit.digest();

    await visit.fillSettings(8);
    await visit.start();
    for (const place of [/debates training problems/, /finetuning, step/]) {
      await visit.untilActivity(place);
      await page.reload();
      const offer = page.getByRole('status').filter({ hasText: 'was interrupted' });
      await offer.waitFor();
      await visit.chooseEngine('webgpu');
      await offer.getByRole('button', { name: 'Resume' }).click();
    }
    await visit.untilState('finished');
    await expect.poll(() => visit.digest()).toBe(undisturbed);
    expect(visit.complaints).toEqual([]);
  });

  it('computes in one tab only: another one watches, and can go on when the first is closed', async () => {
    await visit.page.goto(lab.url);
    await visit.fillSettings(9);
    await visit.start();
    await visit.untilActivity(/evaluated|debates/);

    const second = await Visit.inContext(visit.page.context());
    await second.page.goto(lab.url);
    const notice = second.page.getByRole('status').filter({ hasText: 'at work in another tab' });
    await notice.waitFor();
    await expect.poll(() => second.form.getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true);
    await notice.getByRole('button', { name: 'Watch' }).click();
    const bar = second.page.getByRole('progressbar', { name: 'Progress of the run' });
    await bar.waitFor();
    const before = Number(await bar.getAttribute('value'));
    await second.until('progress', async () => Number(await bar.getAttribute('value')) > before);
    await expect.poll(() => second.controls.count()).toBe(0);

    await visit.page.close();
    const offer = second.page.getByRole('status').filter({ hasText: 'was interrupted' });
    await offer.waitFor();
    await second.chooseEngine('webgpu');
    await offer.getByRole('button', { name: 'Resume' }).click();
    await second.untilState('finished');
    expect(second.complaints).toEqual([]);
  });
});

describe('without WebGPU', () => {
  it('says so plainly and runs on the exact engine', async () => {
    const without = await launch(false);
    try {
      const other = await Visit.begin(without);
      await other.page.goto(lab.url);
      await other.page.getByText('Computed on the processor').waitFor();
      await other.fillSettings(9, 'auto', { training: 3, heldOut: 3 });
      await other.start();
      await other.untilState('finished');
      await expect.poll(() => other.page.getByTestId('engine').innerText()).toMatch(/exact engine/);
      expect(await other.digest()).toMatch(/^[0-9a-f]{64}$/);
    } finally {
      await without.close();
    }
  });
});
