/** The Bench view: measures by keyboard, says what it found, and gives a file that the schema takes. Nothing is sent. */
import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readDeviceFile } from '../../src/bench/deviceFile';
import { resolveConfig } from '../../src/recipes/resolve';
import { encodeLink, linkOf } from '../../src/share/link';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { endpointServer } from '../runtimes/endpointServer';
import { mlcRepo } from '../runtimes/mlcSamples';
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

const RUNTIMES = ['exact engine, WebAssembly', 'transformers.js, WebAssembly'];

/** Cells of the comparison's table, row by row. */
async function compared(visit: Visit): Promise<string[][]> {
  const table = visit.page.getByRole('region', { name: 'Tokens a second of each runtime' });
  await table.getByText('48 of 48').first().waitFor({ timeout: 150_000 });
  await visit.page.getByRole('button', { name: 'Compare runtimes' }).waitFor({ timeout: 60_000 });
  return (await table.getByRole('row').allInnerTexts()).map((row) => row.split('\t').map((cell) => cell.trim()));
}

it('compares the runtimes of the page with one model and the same prompts', { timeout: 180_000 }, async () => {
  const visit = await Visit.begin(browser);
  const { page } = visit;
  await page.goto(`${lab.url}#/bench`);
  await visit.press(page.getByRole('button', { name: 'Compare runtimes' }));
  const rows = await compared(visit);
  expect(rows.map(([name]) => name)).toEqual(['Runtime', ...RUNTIMES]);
  for (const row of rows.slice(1)) expect(row.slice(1, 4).every((cell) => /^[\d,.]+$/.test(cell))).toBe(true);
  expect(rows.map((row) => row.slice(4))).toEqual([
    ['Same ids', 'Same texts'],
    ['compared with', 'compared with'],
    ['48 of 48', '48 of 48'],
  ]);
  expect(await axe(visit, 'bench with runtimes')).toEqual([]);
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

it('compares a server beside them, and says of web-llm why it cannot be measured', { timeout: 240_000 }, async () => {
  const hub = new HubServer();
  await hub.start();
  hub.repos.set('me/tiny-MLC', { commit: COMMIT, files: mlcRepo(), token: null });
  const server = await endpointServer();
  const visit = await Visit.begin(browser);
  const { page } = visit;
  const webLlm = `web-llm:${hub.endpoint}/me/tiny-MLC#${hub.endpoint}/me/tiny-MLC/resolve/main/missing.wasm`;
  const seats = `2=transformers:arithmetic-0.4m,3=endpoint:${server.address}#scripted,critic-0=${webLlm}`;
  const link = encodeLink(linkOf(resolveConfig('arithmetic-tiny', { seats })));
  await page.goto(`${lab.url}${link}`);
  await page.getByRole('button', { name: 'Take these settings' }).click();
  await visit.tab('Bench').click();
  // The settings, which are hidden here, ask for the same leave.
  const part = page.getByRole('region', { name: 'Runtimes' });
  const form = part.getByRole('form', { name: 'Compare the runtimes' });
  await form.getByLabel('endpoint, scripted').waitFor();
  expect(await form.getByRole('checkbox').count()).toBe(2);

  // Nothing is asked before it is allowed; who is left out needs no leave.
  const button = form.getByRole('button', { name: 'Compare runtimes' });
  expect(await button.isDisabled()).toBe(true);
  await form.getByLabel('endpoint, scripted').uncheck();
  expect(await part.getByText('would get the prompts of its agents').count()).toBe(0);
  await form.getByLabel('endpoint, scripted').check();
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 900 });
    await visit.shot(`bench-runtimes-allow-${width}`);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
  }
  expect([server.asked, hub.requests]).toEqual([[], []]);
  await part.getByLabel('Key, where it wants one').fill('secret-key');
  await visit.allowAll(part);
  await button.click();
  const rows = await compared(visit);
  expect(rows.map(([name]) => name)).toEqual(['Runtime', ...RUNTIMES, 'endpoint, scripted']);
  // It says "sum#…" and the embedded model writes its steps: no text is the same, and ids are not there.
  expect(rows.at(-1)!.slice(4)).toEqual(['not given', '0 of 48']);
  expect(new Set(server.keys)).toEqual(new Set(['Bearer secret-key']));
  await page.getByText(/web-llm, tiny-MLC could not be measured: .*there is no such file \(HTTP 404\)/).waitFor();
  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [1360, 360]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await visit.shot(`bench-runtimes-${width}-${colorScheme}`);
      expect(await visit.overflow()).toBeLessThanOrEqual(0);
    }
  expect(await axe(visit, 'bench with a server')).toEqual([]);
  await visit.end();
  await hub.stop();
  await server.close();
});
