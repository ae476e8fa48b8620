/**
 * One preset on the exact engine wherever it runs: on the command line with 1, 2 and 3 threads, in a Chromium without WebGPU, in Firefox and in
 * WebKitGTK. The digests have to be one; it fails where they are not.
 *
 *     npx tsx --import ./tools/cli/register.mjs bench/digests.ts arithmetic-quick > bench/results/exact/digests-arithmetic-quick.json
 *
 * For `arithmetic-tiny` the end-to-end tests of each browser hold the same.
 */
import { loadavg } from 'node:os';
import { exactDigest } from '../tests/cli/exactDigest';
import { launch, serveLab } from '../tests/e2e/browser';
import { Visit } from '../tests/e2e/visit';
import { FirefoxVisit, launchFirefox } from '../tests/firefox/firefox';
import { fill, press, WebKit } from '../tests/webkit/webkit';

const preset = process.argv[2] ?? 'arithmetic-quick';
const SEED = '0';
/** A browser beside other work. */
const PATIENCE = 30 * 60 * 1000;

interface Ended {
  digest: string;
  version?: string;
}

async function inChromium(url: string): Promise<Ended> {
  const browser = await launch(false);
  try {
    const visit = await Visit.begin(browser);
    visit.patience = PATIENCE;
    await visit.page.goto(url);
    await visit.form.getByLabel('Preset').selectOption(preset);
    await visit.form.getByLabel('Seed', { exact: true }).fill(SEED);
    await visit.start();
    await visit.untilState('finished');
    return { digest: await visit.digest(), version: browser.version() };
  } finally {
    await browser.close();
  }
}

async function inFirefox(url: string): Promise<Ended> {
  const browser = await launchFirefox();
  try {
    const visit = await FirefoxVisit.begin(browser, url);
    visit.patience = PATIENCE;
    await visit.choose(/^Preset/, preset);
    await visit.fill(/^Seed/, SEED);
    await visit.press(/^More settings/, 'summary');
    await visit.choose(/^Engine/, 'exact');
    await visit.press('Run');
    await visit.untilState('finished');
    return { digest: await visit.digest(), version: await browser.version() };
  } finally {
    await browser.close();
  }
}

async function inWebKit(url: string): Promise<Ended> {
  const browser = await WebKit.launch();
  try {
    await browser.open(url);
    await browser.until(`return /Runs on/.test(document.querySelector('[data-testid=engine]')?.innerText) || null;`);
    await browser.until(fill('Preset', preset));
    await browser.until(fill('Seed', SEED));
    await browser.until(press('Run'));
    const digest = await browser.until<string>(
      `return document.querySelector('[data-testid=digest]')?.innerText.trim() || null;`,
    );
    return { digest, version: (await browser.run<string>('return navigator.userAgent;')).split(') ').at(-1) };
  } finally {
    await browser.close();
  }
}

const node = (workers: number) => async (): Promise<Ended> => ({
  digest: await exactDigest(preset, workers),
  version: process.version,
});
const lab = await serveLab();
const places: [string, () => Promise<Ended>][] = [
  ...[1, 2, 3].map((workers): [string, () => Promise<Ended>] => [
    `Node, ${workers} worker${workers === 1 ? '' : 's'}`,
    node(workers),
  ]),
  ['Chromium', () => inChromium(lab.url)],
  ['Firefox', () => inFirefox(lab.url)],
  ['WebKitGTK', () => inWebKit(lab.url)],
];
const runs: object[] = [];
const digests = new Set<string>();
try {
  for (const [where, run] of places) {
    const began = performance.now();
    const { digest, version } = await run();
    digests.add(digest);
    const seconds = Math.round((performance.now() - began) / 1000);
    runs.push({ where, version, digest, seconds, load: Number((loadavg()[0] as number).toFixed(1)) });
    process.stderr.write(`${where}: ${digest}, ${seconds} s with start and end\n`);
  }
} finally {
  await lab.close();
}
process.stdout.write(`${JSON.stringify({ preset, seed: Number(SEED), same: digests.size === 1, runs }, null, 1)}\n`);
process.exit(digests.size === 1 ? 0 : 1);
