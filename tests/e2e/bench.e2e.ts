/** The Bench view: measures by keyboard, says what it found, and gives a file that the schema takes. Nothing is sent. */
import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readDeviceFile } from '../../src/bench/deviceFile';
import { axe } from './axe';
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

it('measures the exact engine by keyboard, and saves the result', async () => {
  const visit = await Visit.begin(browser, { acceptDownloads: true });
  const { page } = visit;
  await page.goto(`${lab.url}#/bench`);
  const elsewhere: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(lab.url) && !request.url().startsWith('blob:')) elsewhere.push(request.url());
  });
  const form = page.getByRole('form', { name: 'Measure the engine' });
  await form.waitFor();
  await form.getByLabel('Computed by').selectOption('exact');
  await visit.press(form.getByRole('button', { name: 'Measure' }));
  await page.getByLabel('Result', { exact: true }).waitFor({ timeout: 120_000 });

  const table = page.getByRole('region', { name: /^Speeds of arithmetic-0.4m/ });
  expect(await table.getByRole('row').count()).toBe(1 + 11);
  const shares = await table.getByRole('cell', { name: /%/ }).allInnerTexts();
  expect(shares).toHaveLength(11);

  const [file] = await Promise.all([
    page.waitForEvent('download'),
    visit.press(page.getByRole('button', { name: 'Save' })),
  ]);
  const { measurements } = readDeviceFile('saved', readFileSync(await file.path(), 'utf8'));
  expect(measurements.map(({ engine, dtype }) => [engine, dtype])).toEqual([['exact', 'f32']]);
  expect(measurements[0]!.ceilings!.gflopPerSecond).toBeGreaterThan(0);

  // The result stays while another part is on show.
  await visit.tab('Models').click();
  await visit.tab('Bench').click();
  await page.getByLabel('Result', { exact: true }).waitFor();
  expect(page.url()).toContain('#/bench');
  expect(await axe(visit, 'bench with a result')).toEqual([]);
  expect(await visit.overflow()).toBeLessThanOrEqual(0);
  await visit.shot('bench-result');
  expect(elsewhere).toEqual([]);
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

it('measures WebGPU, and stops when it is asked to', async () => {
  const visit = await Visit.begin(browser);
  const { page } = visit;
  await page.goto(`${lab.url}#/bench`);
  const form = page.getByRole('form', { name: 'Measure the engine' });
  await form.getByLabel('Computed by').selectOption('webgpu');
  await form.getByRole('button', { name: 'Measure' }).click();
  await page.getByText(/GB\/s, read and written by a copy/).waitFor({ timeout: 120_000 });
  await form.getByRole('button', { name: 'Stop' }).click();
  await form.getByRole('button', { name: 'Measure' }).waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
  expect(await page.getByLabel('Result', { exact: true }).count()).toBe(0);
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

it('compares the runtimes of the page with one model and the same prompts', { timeout: 180_000 }, async () => {
  const visit = await Visit.begin(browser);
  const { page } = visit;
  await page.goto(`${lab.url}#/bench`);
  await visit.press(page.getByRole('button', { name: 'Compare runtimes' }));
  const table = page.getByRole('region', { name: 'Tokens a second of each runtime' });
  await table.getByText('48 of 48').waitFor({ timeout: 150_000 });
  const rows = await table.getByRole('row').allInnerTexts();
  expect(rows.map((row) => row.split('\t')[0])).toEqual([
    'Runtime',
    'exact engine, WebAssembly',
    'transformers.js, WebAssembly',
  ]);
  for (const row of rows.slice(1)) expect(row.split('\t').filter((cell) => /^[\d,.]+$/.test(cell)).length).toBe(3);
  await page.getByRole('button', { name: 'Compare runtimes' }).waitFor();
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 900 });
    await visit.shot(`bench-runtimes-${width}`);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
  }
  expect(await axe(visit, 'bench with runtimes')).toEqual([]);
  expect(visit.complaints).toEqual([]);
  await visit.end();
});
