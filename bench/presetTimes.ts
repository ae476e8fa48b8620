/**
 * How long presets take in a Chromium without WebGPU, as a visitor sees it: from the press of Run to the last event, and whether the page's main
 * thread was held meanwhile.
 *
 *     npx tsx bench/presetTimes.ts arithmetic-tiny arithmetic-quick > bench/results/exact/presets-in-chromium.json
 *
 * Targets on two idle cores: 5 seconds and 45, no task of the main thread above 50 ms. On a busy machine the wall time says little; so there
 * is the CPU time of the whole browser, which two idle cores share, and the longest task by its own CPU time (`busy`) beside the one by the clock.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { launch, serveLab } from '../tests/e2e/browser';
import { Visit } from '../tests/e2e/visit';

const PATIENCE = 30 * 60 * 1000;
/** Ticks of /proc/PID/stat in a second, on every Linux of today. */
const TICKS = 100;
const presets = process.argv.slice(2);
if (presets.length === 0) throw new Error('usage: npx tsx bench/presetTimes.ts PRESET…');

/** CPU seconds so far of all processes below this one that are alive; Linux only. */
function cpuSecondsBelow(): number {
  const found = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(statOf)
    .filter((one) => one !== null);
  const below = new Set([process.pid]);
  let seconds = 0;
  // Parents come before their children only as long as ids have not begun anew, so it is gone over until nothing is added.
  for (let before = 0; before !== below.size;) {
    before = below.size;
    for (const { id, parent } of found) if (below.has(parent)) below.add(id);
  }
  for (const { id, ticks } of found) if (below.has(id) && id !== process.pid) seconds += ticks / TICKS;
  return seconds;
}

/** "pid (name) state ppid … utime stime …", the name perhaps with spaces. Null when the process has ended. */
function statOf(name: string): { id: number; parent: number; ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${name}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { id: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return null;
  }
}

const rounded = (value: number): number => Number(value.toFixed(1));
const lab = await serveLab();
const browser = await launch(false);
const runs: object[] = [];
try {
  for (const preset of presets) {
    const visit = await Visit.begin(browser);
    visit.patience = PATIENCE;
    await visit.page.goto(lab.url);
    await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
    await visit.form.getByLabel('Preset').selectOption(preset);
    const loadBefore = rounded(loadavg()[0] as number);
    const ended = await visit.watchTasks();
    const cpu = cpuSecondsBelow();
    // By the page's own clock, and pressed by a script, so that the driver's pauses are not counted.
    const seconds = await visit.page.evaluate(async () => {
      const button = [...document.querySelectorAll('button')].find(({ innerText }) => innerText.trim() === 'Run');
      const began = performance.now();
      button?.click();
      await new Promise<void>((resolve) => {
        // A named function would be wrapped by tsx in something that the page does not have.
        new MutationObserver((_changes, observer) => {
          if (document.querySelector('[data-state="finished"]') === null) return;
          observer.disconnect();
          resolve();
        }).observe(document.body, { subtree: true, childList: true, attributes: true });
      });
      return (performance.now() - began) / 1000;
    });
    const cpuSeconds = cpuSecondsBelow() - cpu;
    const { busy, long } = await ended();
    runs.push({
      preset,
      seconds: rounded(seconds),
      cpuSeconds: rounded(cpuSeconds),
      mainThread: { longestByCpuMilliseconds: busy, above50MillisecondsByTheClock: long },
      engine: await visit.page.getByTestId('engine').innerText(),
      digest: await visit.digest(),
      loadBefore,
      loadAfter: rounded(loadavg()[0] as number),
    });
    await visit.page.close();
  }
} finally {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, browser: browser.version() };
  process.stdout.write(`${JSON.stringify({ ...machine, runs }, null, 1)}\n`);
  await browser.close();
  await lab.close();
}
