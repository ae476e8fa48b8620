/** The exact engine in a real WebKitGTK, the engine of Safari: the digest of the command line. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exactDigest } from '../cli/exactDigest';
import { serveLab } from '../e2e/browser';
import { fill, press, WebKit } from './webkit';

let lab: Awaited<ReturnType<typeof serveLab>>;
let browser: WebKit;

beforeAll(async () => {
  lab = await serveLab();
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
  expect(digest).toBe(await exactDigest('arithmetic-tiny'));
});
