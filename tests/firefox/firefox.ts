/** A Firefox with WebGPU, and a visitor's hands in it. Playwright's Firefox is one of its own making; this drives the real one. */
import { existsSync } from 'node:fs';
import { launch, type Browser, type ElementHandle, type Page } from 'puppeteer-core';
import { chooseDriver } from '../../src/engine/gpu/node';

/** Path of a Firefox; throws one line saying how to get one. */
export function findFirefox(): string {
  const candidates = [
    process.env['FIREFOX_PATH'],
    '/usr/bin/firefox',
    '/usr/bin/firefox-esr',
    '/Applications/Firefox.app/Contents/MacOS/firefox',
    'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
  ];
  const found = candidates.find((path) => path !== undefined && path !== '' && existsSync(path));
  if (!found) throw new Error('No Firefox found: install one ("apt-get install firefox-esr") or set FIREFOX_PATH.');
  return found;
}

/** WebGPU has to be asked for where a release has it switched off, and on the processor where there is no GPU. */
export function launchFirefox(): Promise<Browser> {
  chooseDriver();
  return launch({
    browser: 'firefox',
    executablePath: findFirefox(),
    headless: true,
    args: ['-width=1360', '-height=900'],
    extraPrefsFirefox: { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true },
  });
}

/** A page of the lab. What it waits for, it waits for as long as `patience`. */
export class FirefoxVisit {
  /** What went wrong in the page or its console. */
  readonly complaints: string[] = [];
  /** Milliseconds. */
  patience = 180_000;

  private constructor(readonly page: Page) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warn') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** A visitor who was never here: with a store of its own, so that a test that is tried again finds what it found before. */
  static async begin(browser: Browser, url: string): Promise<FirefoxVisit> {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width: 1360, height: 900 });
    const visit = new FirefoxVisit(page);
    await page.goto(url);
    await visit.see('[data-testid=engine]', /Runs on/);
    return visit;
  }

  /** Waits until an element has this text (of what is seen of it), and returns it. */
  async see(selector: string, text: RegExp | string): Promise<ElementHandle<HTMLElement>> {
    const words = typeof text === 'string' ? { source: text, exact: true } : { source: text.source, exact: false };
    const seen = this.page.waitForFunction(
      (selector, { source, exact }) =>
        [...document.querySelectorAll<HTMLElement>(selector)].find((element) => {
          const seen = (element.innerText || element.getAttribute('aria-label') || '').trim();
          return exact ? seen === source : new RegExp(source).test(seen);
        }),
      { timeout: this.patience, polling: 100 },
      selector,
      words,
    );
    const handle = await seen.catch(async (error: unknown) => {
      const page = await this.page.evaluate(() => document.body.innerText);
      throw new Error(`${selector} with ${String(text)} is not there; the page says:\n${page}`, { cause: error });
    });
    return handle as ElementHandle<HTMLElement>;
  }

  async press(text: RegExp | string, selector = 'button:not([role=tab])'): Promise<void> {
    const button = await this.see(`${selector}:not(:disabled)`, text);
    await button.evaluate((element) => element.scrollIntoView({ block: 'center' }));
    await button.click();
  }

  /** Chooses in the list with this label. */
  async choose(label: RegExp, value: string): Promise<void> {
    await (await this.control(label)).select(value);
  }

  async fill(label: RegExp, value: string): Promise<void> {
    const input = await this.control(label);
    await input.evaluate((element) => (element as HTMLInputElement).select());
    await input.type(value);
  }

  private async control(label: RegExp): Promise<ElementHandle<HTMLElement>> {
    const found = await this.see('label', label);
    return (await found.evaluateHandle(
      (element) => (element as HTMLLabelElement).control,
    )) as ElementHandle<HTMLElement>;
  }

  untilState(state: string): Promise<unknown> {
    return this.page.waitForSelector(`[data-state="${state}"]`, { timeout: this.patience });
  }

  /** Closes the page and forgets what it stored. */
  leave(): Promise<void> {
    return this.page.browserContext().close();
  }

  digest(): Promise<string> {
    return this.page.$eval('[data-testid=digest]', (element) => (element as HTMLElement).innerText);
  }
}
