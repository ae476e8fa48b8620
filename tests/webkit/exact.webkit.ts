/** The exact engine in a real WebKitGTK, the engine of Safari: the digest of the command line, and the verdict on a run that came by link. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exactLink } from '../cli/exactLink';
import { serveLab } from '../e2e/browser';
import { fill, press, WebKit } from './webkit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: WebKit;
let shared: Awaited<ReturnType<typeof exactLink>>;

beforeAll(async () => {
  [lab, shared] = await Promise.all([serveLab(), exactLink('arithmetic-tiny')]);
  browser = await WebKit.launch();
});
afterAll(async () => {
  await browser?.close();
  await lab?.close();
});

it('a run without a GPU computes on the exact engine and ends in the digest of the command line', async () => {
  await browser.open(lab.url);
  const engine = await browser.until<string>(`
    const line = document.querySelector('[data-testid=engine]');
    return line && /Runs on/.test(line.innerText) ? line.innerText : null;`);
  expect(engine).toMatch(/exact engine/);
  await browser.until(fill('Preset', 'arithmetic-tiny'));
  await browser.until(fill('Seed', '0'));
  await browser.until(press('Run'));
  const digest = await browser.until<string>(
    `return document.querySelector('[data-testid=digest]')?.innerText.trim() || null;`,
  );
  expect(digest).toBe(shared.digest);
});

it('a link of the command line is run here, the same byte for byte', async () => {
  // Another fragment alone would load nothing anew.
  await browser.open('about:blank');
  await browser.open(`${lab.url}${shared.fragment}`);
  await browser.until(press('Run it here'));
  const verdict = await browser.until<string>(
    `return document.querySelector('[data-testid=verdict]')?.innerText.trim() || null;`,
  );
  expect(verdict).toMatch(/Verdict: the same run, byte for byte/);
});
