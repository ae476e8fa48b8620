/** Looking at recorded runs: every part of the page, by keyboard, on a phone, with axe, and a log as large as the paper's. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Locator } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axe } from './axe';
import { launch, OUT, serveLab } from './browser';
import { recordedRun, store, type Recorded } from './recorded';
import { Visit } from './visit';

const PARTS = ['Lab', 'Results', 'Debates', 'Votes', 'Data sets', 'Models', 'Bench', 'Runs'];
const LONGEST_TASK = 100;
const SMALL = { iterations: 2, trainProblems: 30, evaluationProblems: 40 };

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: Browser;
let heron: Recorded;
let otter: Recorded;

beforeAll(async () => {
  mkdirSync(join(OUT, 'screenshots'), { recursive: true });
  [lab, browser, heron, otter] = await Promise.all([
    serveLab(),
    launch(),
    recordedRun('quiet heron', { ...SMALL, seed: 8 }, 1),
    recordedRun('mellow otter', { ...SMALL, seed: 7, agents: 4 }, 60),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

async function visitWith(runs: readonly Recorded[], options: Parameters<typeof Visit.begin>[1] = {}): Promise<Visit> {
  const visit = await Visit.begin(browser, options);
  await visit.page.goto(lab.url);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  await store(visit.page, runs);
  return visit;
}

async function openRun(visit: Visit, name: string): Promise<void> {
  await visit.tab('Runs').click();
  await visit.page.getByRole('button', { name: `Open ${name}` }).click();
  await visit.page.getByTestId('digest').waitFor();
}

async function download(visit: Visit, click: () => Promise<void>): Promise<{ name: string; text: string }> {
  const [file] = await Promise.all([visit.page.waitForEvent('download'), click()]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
}

describe('every part of the page', () => {
  it.each([
    ['light', 1360, 'light'],
    ['dark', 1360, 'dark'],
    ['phone', 360, 'light'],
  ] as const)('has nothing for axe to find and fits (%s)', async (name, width, colorScheme) => {
    const visit = await visitWith([heron, otter], {
      viewport: { width, height: 860 },
      colorScheme,
      reducedMotion: 'reduce',
    });
    const found = await axe(visit, 'nothing on show');
    await openRun(visit, 'quiet heron');
    for (const part of PARTS) {
      await visit.tab(part).click();
      if (part === 'Runs') {
        for (const run of ['quiet heron', 'mellow otter']) await visit.page.getByLabel(`Compare ${run}`).check();
        await visit.page.getByRole('region', { name: 'Outcome', exact: true }).waitFor();
      }
      await visit.page.locator('#part .view, #part .stage').first().waitFor();
      await visit.page.waitForTimeout(400);
      found.push(...(await axe(visit, part)));
      expect(await visit.overflow(), `${part} at ${width} px`).toBeLessThanOrEqual(0);
      await visit.shot(`${part.toLowerCase().replace(' ', '-')}-${name}`);
    }
    expect(found).toEqual([]);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});

describe('by keyboard alone', () => {
  it('inspects a debate, exports a plot and a data set, compares, renames and deletes runs', async () => {
    const visit = await visitWith([heron, otter], { acceptDownloads: true });
    const { page } = visit;
    const go = async (part: string) => {
      await visit.tabTo(page.locator('[role=tab][aria-selected=true]'));
      for (let i = 0; i < PARTS.length && !(await visit.tab(part).getAttribute('aria-selected'))?.includes('t'); i++)
        await page.keyboard.press('ArrowRight');
    };
    await go('Runs');
    await visit.press(page.getByRole('button', { name: 'Open quiet heron' }));
    await page.getByTestId('digest').waitFor();

    await go('Debates');
    const list = page.getByRole('listbox', { name: 'Debates' });
    await visit.tabTo(list);
    for (const key of ['End', 'ArrowUp', 'PageUp']) await page.keyboard.press(key);
    const chosen = list.getByRole('option', { selected: true });
    await expect.poll(() => chosen.getAttribute('aria-posinset')).not.toBe('1');
    // The run is over: nobody has to guess any more. Whoever wants to switches the marks off.
    const marked = page.getByRole('article').getByText(/✓ right|✗ wrong/);
    await marked.first().waitFor();
    await visit.press(page.getByRole('checkbox', { name: 'mark right and wrong' }), 'Space');
    await expect.poll(() => marked.count()).toBe(0);
    await visit.press(page.getByRole('button', { name: 'changed its mind' }), 'Space');

    await go('Results');
    const exportMenu = page.getByRole('button', { name: 'Export of Accuracy by iteration' });
    await visit.press(exportMenu);
    const svg = await download(visit, () => visit.press(page.getByRole('button', { name: 'SVG', exact: true })));
    expect(svg.text).toMatch(/^<svg|^<\?xml/);
    if (!(await page.getByRole('button', { name: 'CSV', exact: true }).first().isVisible()))
      await visit.press(exportMenu);
    const csv = await download(visit, () =>
      visit.press(page.getByRole('button', { name: 'CSV', exact: true }).first()),
    );
    expect(csv.text.split('\r\n')[0]).toMatch(/^series,iteration,/);
    expect(csv.text).toContain('"Society finetuning, debate",2');

    await go('Data sets');
    const data = await download(visit, () => visit.press(page.getByRole('button', { name: 'Download JSONL' })));
    expect(Object.keys(JSON.parse(data.text.split('\n')[0]!) as object)).toEqual(['prompt', 'completion']);

    await go('Runs');
    for (const run of ['quiet heron', 'mellow otter'])
      await visit.press(page.getByRole('checkbox', { name: `Compare ${run}` }), 'Space');
    const differing = page.getByRole('region', { name: 'Settings that differ', exact: true });
    await differing.getByRole('row', { name: /agents 4 3/ }).waitFor();
    await expect.poll(() => differing.getByRole('row').count()).toBe(1 + 2);
    await expect.poll(() => page.getByText('seed 7 → 8, N 4 → 3').count()).toBe(1);

    await visit.press(page.getByRole('button', { name: 'Pin mellow otter as a ghost' }));
    await visit.press(page.getByRole('button', { name: 'Rename mellow otter' }));
    await page.keyboard.type('old otter');
    await page.keyboard.press('Enter');
    await visit.press(page.getByRole('button', { name: /^Open old otter/ }));
    await go('Runs');
    await visit.press(page.getByRole('button', { name: /^Open quiet heron/ }));
    await page.getByText('old otter: Society finetuning, debate').first().waitFor();

    await go('Runs');
    const remove = page.getByRole('button', { name: 'Delete old otter' });
    await visit.press(remove);
    await page.keyboard.press('Enter');
    await remove.waitFor({ state: 'detached' });
    await expect
      .poll(() => page.getByRole('list').filter({ hasText: 'quiet heron' }).getByRole('listitem').count())
      .toBe(1);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});

describe("a log of the paper's size", () => {
  it('opens and scrolls without holding the page', async () => {
    const settings = {
      iterations: 5,
      trainProblems: 500,
      evaluationProblems: 500,
      seed: 3,
      'evaluate.single': 'every',
    };
    const visit = await visitWith([await recordedRun('long parley', settings)]);
    const { page } = visit;
    await visit.tab('Debates').click();
    await page.getByLabel('Run on show').waitFor();
    const opening = await visit.watchTasks();
    await page.getByLabel('Run on show').selectOption({ label: 'long parley' });
    await page.getByText('10500 of 10500 debates').waitFor();
    const opened = await opening();
    expect(opened.busy, JSON.stringify(opened)).toBeLessThan(LONGEST_TASK);

    const looking = await visit.watchTasks();
    const list = page.getByRole('listbox', { name: 'Debates' });
    await scroll(list);
    await list.focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press('PageDown');
    await page.getByRole('searchbox').fill('12+');
    await page.waitForTimeout(200);
    for (const part of ['Results', 'Votes', 'Data sets', 'Lab']) {
      await visit.tab(part).click();
      await page.waitForTimeout(600);
    }
    const held = await looking();
    expect(held.tasks).toBeGreaterThan(100);
    expect(held.busy).toBeGreaterThan(0);
    expect(held.busy, JSON.stringify(held)).toBeLessThan(LONGEST_TASK);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});

/** Smoothly for a while, then to places far apart. */
function scroll(list: Locator): Promise<void> {
  return list.evaluate(async (box) => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let i = 0; i < 120; i++) {
      box.scrollTop += 700;
      await frame();
    }
    for (let i = 0; i < 20; i++) {
      box.scrollTop = ((i * 0.618) % 1) * box.scrollHeight;
      await frame();
    }
  });
}
