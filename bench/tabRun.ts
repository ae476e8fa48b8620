/**
 * A run of a model from a folder on disk in a real Chromium, as a visitor would start it: is what the device holds within the bytes that the page
 * announced? Buffers are counted in the browser itself, not by the engine.
 *
 *     npx tsx bench/standIn.ts FOLDER
 *     npx tsx bench/tabRun.ts FOLDER > bench/results/tab/smollm2-135m-int4.json
 *
 * The society is the smallest that uses everything: 3 generators, 3 critics, one problem to learn from and one to be tested on.
 */
import { basename } from 'node:path';
import type { Page, Worker } from 'playwright';
import { launch, serveLab } from '../tests/e2e/browser';

const HOURS = 60 * 60 * 1000;
const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: npx tsx bench/tabRun.ts FOLDER');

interface Counted {
  bytes: number;
  peak: number;
  buffers: number;
}

/** Counts the bytes of all buffers in a worker, before the engine asks for its device. */
async function countBuffers(worker: Worker): Promise<void> {
  await worker.evaluate(() => {
    if (typeof GPUDevice === 'undefined') return;
    const counted = { bytes: 0, peak: 0, buffers: 0 };
    Object.assign(globalThis, { counted });
    const { createBuffer } = GPUDevice.prototype;
    const { destroy } = GPUBuffer.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      counted.buffers++;
      counted.bytes += descriptor.size;
      counted.peak = Math.max(counted.peak, counted.bytes);
      return createBuffer.call(this, descriptor);
    };
    const gone = new WeakSet<GPUBuffer>();
    GPUBuffer.prototype.destroy = function () {
      if (!gone.has(this)) counted.bytes -= this.size;
      gone.add(this);
      return destroy.call(this);
    };
  });
}

async function counts(page: Page): Promise<Counted> {
  const all = await Promise.all(
    page.workers().map((worker) => worker.evaluate(() => (globalThis as unknown as { counted?: Counted }).counted)),
  );
  return all
    .filter((one) => one !== undefined)
    .reduce((a, b) => (b.peak > a.peak ? b : a), { bytes: 0, peak: 0, buffers: 0 });
}

/** The page's plan in bytes: the exact number stands behind the round one. */
async function plannedBytes(page: Page): Promise<number> {
  const total = page.getByText('Memory on the device').locator('.total');
  await total.waitFor({ timeout: 60_000 });
  return parseInt((await total.getAttribute('title')) ?? '', 10);
}

const note = (text: string): void => void process.stderr.write(`${text}\n`);
const lab = await serveLab();
const browser = await launch();
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  page.on('worker', (worker) => void countBuffers(worker).catch(() => {}));
  page.on('console', (message) => message.type() === 'error' && note(`console: ${message.text()}`));
  await page.goto(lab.url);
  await page.getByRole('tab', { name: 'Models' }).click();
  await page.getByLabel("Files of a model's folder").setInputFiles(folder);
  await page.getByText('can be used').waitFor({ timeout: 120_000 });
  await page.getByRole('tab', { name: 'Lab' }).click();
  await page.getByLabel('Preset').selectOption('arithmetic-chat-quick');
  await page.getByLabel('Model', { exact: true }).selectOption({ label: `${basename(folder)} (folder)` });
  await page.getByText('More settings').click();
  for (const [label, value] of [
    ['Iterations', '1'],
    ['Training problems', '1'],
    ['Held-out problems', '1'],
    ['Longest response', '8'],
    ['What critics read of the others', 'the responses as they are'],
    ['Epochs', '1'],
  ] as const) {
    await page.getByLabel(label, { exact: false }).first().selectOption({ label: value });
  }
  // The plan follows the settings after a moment.
  await page.waitForTimeout(3000);
  const planned = await plannedBytes(page);
  note(`planned ${(planned / 2 ** 20).toFixed(1)} MiB`);
  await page.screenshot({ path: 'out/tab-run-before.png', fullPage: true });
  const started = performance.now();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.waitForFunction(() => document.title !== 'Polylogue', undefined, { timeout: 300_000 });
  const progress = setInterval(() => {
    void page.title().then((title) => note(`${Math.round((performance.now() - started) / 1000)} s  ${title}`));
  }, 60_000);
  await page.waitForFunction(() => document.title === 'Polylogue', undefined, { timeout: 4 * HOURS, polling: 2000 });
  clearInterval(progress);
  const seconds = Math.round((performance.now() - started) / 1000);
  await page.screenshot({ path: 'out/tab-run-after.png', fullPage: true });
  const { peak, bytes, buffers } = await counts(page);
  const failure = await page.locator('.notice.bad').allInnerTexts();
  const report = {
    model: basename(folder),
    engine: await page.getByTestId('engine').innerText(),
    browser: browser.version(),
    seconds,
    plannedBytes: planned,
    peakBytes: peak,
    bytesAtTheEnd: bytes,
    buffers,
    withinPlan: peak <= planned,
    failure,
  };
  process.stdout.write(JSON.stringify(report, null, 1) + '\n');
} finally {
  await browser.close();
  await lab.close();
}
