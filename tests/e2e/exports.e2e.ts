/** What the page saves: pictures that lead back to their run, data sets for TRL, results as tables. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { linkInPicture, pictureKind } from '../../src/share/exports/picture';
import { trlFiles } from '../../src/share/exports/trl';
import { decodeLink } from '../../src/share/link';
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
  await visit.page.goto(lab.url);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  await store(visit.page, [finch]);
  await visit.tab('Runs').click();
  await visit.page.getByRole('button', { name: 'Open brisk finch' }).click();
  await visit.page.getByTestId('digest').waitFor();
});
afterEach(async () => {
  expect(visit.complaints).toEqual([]);
  await visit.end();
});

/** Name and bytes of the file that a click saves. */
async function saved(click: () => Promise<void>): Promise<{ name: string; bytes: Uint8Array }> {
  const [download] = await Promise.all([visit.page.waitForEvent('download'), click()]);
  return { name: download.suggestedFilename(), bytes: new Uint8Array(readFileSync(await download.path())) };
}

/** Drops a file on the page's body. */
async function drop(name: string, type: string, bytes: Uint8Array): Promise<void> {
  const base64 = Buffer.from(bytes).toString('base64');
  await visit.page.evaluate(
    ([name, type, base64]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], name, { type }));
      const event = { dataTransfer: data, bubbles: true, cancelable: true };
      document.body.dispatchEvent(new DragEvent('dragover', event));
      document.body.dispatchEvent(new DragEvent('drop', event));
    },
    [name, type, base64] as const,
  );
}

it('saves pictures that name their run, and open its card when they are dropped', async () => {
  const { page } = visit;
  await visit.tab('Results').click();
  const figure = page.getByRole('figure', { name: 'Accuracy by iteration' });
  for (const kind of ['SVG', 'PNG'] as const) {
    await figure.getByRole('button', { name: 'Export of Accuracy by iteration' }).click();
    const { name, bytes } = await saved(() => figure.getByRole('button', { name: kind, exact: true }).click());
    expect(name).toBe(`brisk-finch-accuracy-by-iteration.${kind.toLowerCase()}`);
    expect(pictureKind(bytes)).toBe(kind.toLowerCase());
    const link = linkInPicture(bytes)!;
    const opened = decodeLink(link);
    expect(opened.config).toEqual(finch.record.config);
    expect(opened.link.receipt?.digest).toBe(finch.record.digest);
    const text = Buffer.from(bytes).toString('utf8');
    expect(text).toContain('brisk finch');
    expect(text).toContain('seed 5');
    expect(text).toMatch(/Error bars: 95 %/);
    await drop(name, '', bytes);
    const card = page.getByRole('region', { name: 'An experiment by link' });
    await card.getByText('seed 5').waitFor();
    await card.getByText('Claimed, not checked').waitFor();
    await card.getByRole('button', { name: 'Not now' }).click();
    await visit.tab('Results').click();
  }
  await drop('other.svg', 'image/svg+xml', new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>'));
  await page.getByRole('alert').getByText('is a picture without a link in it').waitFor();
  await page.getByRole('alert').getByRole('button', { name: 'Dismiss' }).click();
});

it('saves results as tables, and data sets as TRL reads them', async () => {
  const { page } = visit;
  await visit.tab('Results').click();
  const files = page.getByRole('region', { name: 'Files' });
  const csv = await saved(() => files.getByRole('button', { name: 'Accuracy (CSV)' }).click());
  expect(csv.name).toBe('brisk-finch-accuracy.csv');
  expect(strFromU8(csv.bytes)).toMatch(/^recipe,preset,seed,iteration,method,label,.*,accuracy,standard_error,/);
  const tables = await saved(() => files.getByRole('button', { name: 'Tables (Markdown)' }).click());
  expect(strFromU8(tables.bytes)).toMatch(/^# brisk finch\n/);
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 800 });
    await files.scrollIntoViewIfNeeded();
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
    await visit.shot(`results-files-${width}`);
  }
  await page.setViewportSize({ width: 1360, height: 900 });
  await visit.tab('Data sets').click();
  const button = page.getByRole('button', { name: 'Download all for TRL (zip)' });
  const zip = await saved(() => button.click());
  expect(zip.name).toBe('brisk-finch-data-sets.zip');
  const found = Object.entries(unzipSync(zip.bytes)).map(([path, bytes]) => [path, strFromU8(bytes)]);
  expect(Object.fromEntries(found)).toEqual(trlFiles(finch.events));
  await visit.shot('data-sets-1360');
  await page.setViewportSize({ width: 360, height: 800 });
  expect(await visit.overflow()).toBeLessThanOrEqual(0);
  await visit.shot('data-sets-360');
  expect(await axe(visit, 'data sets')).toEqual([]);
});

it('saves the run as a bundle, as Python and as one page, and says why it has no adapters', async () => {
  const { page } = visit;
  await visit.run.getByRole('button', { name: 'Share' }).click();
  const files = page.getByRole('region', { name: 'The run as files' });
  const click = (name: string) => () => files.getByRole('button', { name }).click();
  const bundle = await saved(click('Bundle (zip)'));
  expect(bundle.name).toBe('polylogue-brisk-finch.zip');
  expect(Object.keys(unzipSync(bundle.bytes))).toContain('log.jsonl');
  const python = await saved(click('Python (zip)'));
  expect(python.name).toBe('brisk-finch-script.zip');
  expect(strFromU8(unzipSync(python.bytes)['finetune.py']!)).toContain('brisk finch');
  const one = await saved(click('One page (HTML)'));
  expect(one.name).toBe('brisk-finch.html');
  const replay = await browser.newPage();
  const elsewhere: string[] = [];
  replay.on('request', (request) => void (/^(file|data):/.test(request.url()) || elsewhere.push(request.url())));
  const path = join(OUT, `exported-${process.pid}.html`);
  writeFileSync(path, one.bytes);
  await replay.goto(`file://${process.cwd()}/${path}`);
  await replay.getByTestId('replay-sentence').waitFor();
  await replay.close();
  rmSync(path);
  expect(elsewhere).toEqual([]);
  // This run was put together without a model.
  await click('Adapters (PEFT, zip)')();
  await files.getByRole('alert').getByText('None of the adapters of brisk finch were kept in this browser').waitFor();
  for (const width of [1360, 360]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
    await visit.shot(`share-files-${width}`);
  }
  expect(await axe(visit, 'a run as files')).toEqual([]);
});
