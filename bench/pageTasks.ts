/**
 * How long a run holds the page's main thread: a whole run of a preset in a real Chromium, long tasks (above 50 ms by the clock) as the Long
 * Tasks API sees them, from the press of Run to the end. A figure of the machine as much as of the page, so it is a bench and not a test: with a
 * GPU that is software, every thread waits for the same cores.
 *
 *     npx tsx bench/pageTasks.ts arithmetic-quick > bench/results/page/long-tasks.json
 */
import { launch, serveLab } from '../tests/e2e/browser';

const preset = process.argv[2] ?? 'arithmetic-quick';
const LIMIT = 30 * 60 * 1000;

const lab = await serveLab();
const browser = await launch();
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.addInitScript(() => {
    const tasks: [start: number, duration: number][] = [];
    Object.assign(globalThis, { tasks });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) tasks.push([Math.round(entry.startTime), Math.round(entry.duration)]);
    }).observe({ type: 'longtask', buffered: true });
  });
  await page.goto(lab.url);
  await page.getByLabel('Preset').selectOption(preset);
  const pressed = await page.evaluate(() => performance.now());
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  // The title carries the progress while a run works.
  await page.waitForFunction(() => document.title !== 'Polylogue', undefined, { timeout: 60_000 });
  await page.waitForFunction(() => document.title === 'Polylogue', undefined, { timeout: LIMIT, polling: 1000 });
  const ended = await page.evaluate(() => performance.now());
  const tasks = await page.evaluate(() => (globalThis as unknown as { tasks: [number, number][] }).tasks);
  const during = tasks.filter(([start]) => start >= pressed).map(([, duration]) => duration);
  const report = {
    preset,
    seconds: Math.round((ended - pressed) / 1000),
    longTasks: during.length,
    longestMilliseconds: Math.max(0, ...during),
    above100Milliseconds: during.filter((duration) => duration > 100).length,
    whileLoadingMilliseconds: tasks.filter(([start]) => start < pressed).map(([, duration]) => duration),
    browser: browser.version(),
  };
  process.stdout.write(JSON.stringify(report, null, 1) + '\n');
} finally {
  await browser.close();
  await lab.close();
}
