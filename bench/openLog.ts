/**
 * How long a visitor waits for a recorded run of the paper's size (5 iterations of 500 problems, 500 held out: 10,500 debates) to be on show, by the
 * clock, in a real Chromium; the median of several times.
 *
 *     npx tsx --import ./tools/cli/register.mjs bench/openLog.ts > bench/results/page/open-log.json
 */
import { launch, serveLab } from '../tests/e2e/browser';
import { recordedRun, store } from '../tests/e2e/recorded';

const TIMES = 5;
const SETTINGS = { iterations: 5, trainProblems: 500, evaluationProblems: 500, seed: 3, 'evaluate.single': 'every' };

const lab = await serveLab();
const browser = await launch();
try {
  const run = await recordedRun('long parley', SETTINGS);
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  await page.goto(lab.url);
  await page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  await store(page, [run]);
  const milliseconds: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    await page.reload();
    await page.getByRole('tab', { name: /^Debates/ }).click();
    await page.getByLabel('Run on show').waitFor();
    const began = performance.now();
    await page.getByLabel('Run on show').selectOption({ label: 'long parley' });
    await page.getByText('10500 of 10500 debates').waitFor();
    milliseconds.push(Math.round(performance.now() - began));
  }
  const median = milliseconds.toSorted((a, b) => a - b)[TIMES >> 1];
  const report = { settings: SETTINGS, events: run.events.length, median, milliseconds, browser: browser.version() };
  process.stdout.write(JSON.stringify(report, null, 1) + '\n');
} finally {
  await browser.close();
  await lab.close();
}
