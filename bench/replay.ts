/**
 * How long a visitor waits until something moves, by the page's own clock, in a real Chromium; the median of several times.
 *
 *     npm run bench:replay                 writes bench/results/replay/chromium.jsonl
 *     npm run bench:replay -- NAME [TIMES] writes bench/results/replay/NAME.jsonl
 *
 * `site` and `link`: milliseconds from the first paint to the first movement on the stage, in a clean browser each time (target 2,000).
 * `stored` and `bundle`: milliseconds from a press to the first replayed event of a run of the paper's size, the preset `arithmetic`
 * (target 1,000): of a run in the browser's store, from the press of Open and of Replay; of a bundle, from the press of Replay after
 * it was opened, with the time that opening took beside it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright';
import { launch, serveLab } from '../tests/e2e/browser';
import { recordedRun, store, type Recorded } from '../tests/e2e/recorded';
import { GOLDEN_LINKS } from '../tests/share/goldenLinks';
import { firstMovement as movementOf, type Motion } from './firstMovement';

const FOLDER = join('bench', 'results', 'replay');
const PATIENCE = 120_000;
const RUN = 'long parley';

/** A device. A phone's processor is slower than the one that measures; Chromium can hold a page back. */
interface Profile {
  name: string;
  webgpu: boolean;
  slowedBy: number;
  options: BrowserContextOptions;
}

const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const PROFILES: readonly Profile[] = [
  { name: 'phone', webgpu: false, slowedBy: 1, options: PHONE },
  { name: 'phone', webgpu: false, slowedBy: 4, options: PHONE },
  { name: 'wide', webgpu: true, slowedBy: 1, options: { viewport: { width: 1360, height: 900 } } },
];

/**
 * Presses a button, or none, then Replay as soon as it is there, and waits until the replay's sentence is another one. A text, so that
 * the compiler adds nothing that the page does not have.
 */
const UNTIL_REPLAYED = `async (first) => {
  const sentence = () => document.querySelector('[data-testid="replay-sentence"]')?.textContent ?? null;
  const find = () => [...document.querySelectorAll('button')].find(({ textContent }) => textContent.trim() === 'Replay');
  const began = performance.now();
  first?.click();
  let resting = null;
  await new Promise((resolve) => {
    const look = () => {
      if (resting === null) {
        const replay = find();
        if (!replay || sentence() === null) return;
        resting = sentence();
        replay.click();
        return;
      }
      if (sentence() !== null && sentence() !== resting) resolve();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
  return performance.now() - began;
}`;

/** @param first the button that is pressed before Replay */
async function replayed(page: Page, first?: Locator): Promise<number> {
  await page.evaluate(`void (globalThis.untilReplayed = ${UNTIL_REPLAYED})`);
  return page.evaluate(
    (button) => (globalThis as unknown as { untilReplayed: (first: unknown) => Promise<number> }).untilReplayed(button),
    (await first?.elementHandle()) ?? null,
  );
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

async function opened(browser: Browser, { options, slowedBy }: Profile): Promise<[BrowserContext, Page]> {
  const context = await browser.newContext({ ...options, serviceWorkers: 'block' });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  if (slowedBy > 1) {
    const session = await context.newCDPSession(page);
    await session.send('Emulation.setCPUThrottlingRate', { rate: slowedBy });
  }
  return [context, page];
}

/** From the first paint to the first movement, in a browser that has never been here. */
async function firstMovement(browser: Browser, profile: Profile, address: string): Promise<Motion> {
  const [context, page] = await opened(browser, profile);
  try {
    return await movementOf(page, address);
  } finally {
    await context.close();
  }
}

const ready = (page: Page) => page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();

/** From the press of Open to the first replayed event of a run in the store. */
async function fromStore(page: Page, url: string): Promise<number> {
  await page.goto('about:blank');
  await page.goto(`${url}#/runs`);
  await ready(page);
  return Math.round(await replayed(page, page.getByRole('button', { name: `Open ${RUN}` })));
}

/** A bundle is opened in a clean browser: until it is on show, and from the press of Replay to the first replayed event. */
async function fromBundle(browser: Browser, profile: Profile, url: string, zip: Buffer): Promise<[number, number]> {
  const [context, page] = await opened(browser, profile);
  try {
    await page.goto(`${url}#/runs`);
    await ready(page);
    const began = performance.now();
    const file = { name: 'run.zip', mimeType: 'application/zip', buffer: zip };
    await page.getByLabel('Open a run from a file').setInputFiles(file);
    await page.getByRole('button', { name: 'Look at the run' }).click();
    await page.getByRole('button', { name: 'Replay', exact: true }).waitFor();
    const opening = Math.round(performance.now() - began);
    return [opening, Math.round(await replayed(page))];
  } finally {
    await context.close();
  }
}

async function measured(profile: Profile, url: string, run: Recorded, times: number): Promise<object[]> {
  const browser = await launch(profile.webgpu);
  const { name, webgpu, slowedBy } = profile;
  const about = { profile: name, webgpu, processorSlowedBy: slowedBy, browser: browser.version() };
  const line = (what: string, target: number, milliseconds: number[], beside: object) => {
    const load = Number(loadavg()[0]?.toFixed(1));
    const made = { what, ...about, target, median: median(milliseconds), milliseconds, ...beside, load };
    process.stderr.write(`${JSON.stringify(made)}\n`);
    return made;
  };
  const repeated = async <T>(work: () => Promise<T>): Promise<T[]> => {
    const results: T[] = [];
    for (let time = 0; time < times; time++) results.push(await work());
    return results;
  };
  const lines: object[] = [];
  try {
    for (const [what, address] of [
      ['site', url],
      ['link', `${url}${GOLDEN_LINKS.finished}`],
    ] as const) {
      const found = await repeated(() => firstMovement(browser, profile, address));
      const inSight = found.every((one) => one.inSight);
      lines.push(
        line(
          what,
          2_000,
          found.map(({ milliseconds }) => milliseconds),
          { inSight },
        ),
      );
    }
    const size = { preset: 'arithmetic', events: run.events.length };
    const [context, page] = await opened(browser, profile);
    await page.goto(url);
    await ready(page);
    await store(page, [run]);
    lines.push(line('stored', 1_000, await repeated(() => fromStore(page, url)), size));
    await context.close();
    const zip = Buffer.from(zipSync({ 'log.jsonl': strToU8(run.events.map((one) => JSON.stringify(one)).join('\n')) }));
    const bundles = await repeated(() => fromBundle(browser, profile, url, zip));
    const opening = bundles.map(([one]) => one);
    lines.push(
      line(
        'bundle',
        1_000,
        bundles.map(([, one]) => one),
        { ...size, bytes: zip.length, opening },
      ),
    );
  } finally {
    await browser.close();
  }
  return lines;
}

const [name = 'chromium', times = '5'] = process.argv.slice(2);
if (!/^[\w-]+$/.test(name) || !/^[1-9]\d?$/.test(times))
  throw new Error('usage: npm run bench:replay -- [NAME [TIMES]]');
const lab = await serveLab();
try {
  const run = await recordedRun(RUN, { seed: 3 }, 0, 'arithmetic');
  const lines: object[] = [];
  for (const profile of PROFILES) lines.push(...(await measured(profile, lab.url, run, Number(times))));
  mkdirSync(FOLDER, { recursive: true });
  const machine = { cores: cpus().length, processor: cpus()[0]?.model };
  writeFileSync(
    join(FOLDER, `${name}.jsonl`),
    lines.map((line) => `${JSON.stringify({ ...line, ...machine })}\n`).join(''),
  );
} finally {
  await lab.close();
}
process.exit();
