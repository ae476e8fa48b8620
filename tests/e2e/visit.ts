/** A visitor: a page of the lab with what went wrong in it, how long it was held, and hands on the keyboard. */
import { join } from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright';
import { OUT } from './browser';

/** Sizes that software WebGPU on two cores does in seconds. */
export const PROBLEMS = { training: 6, heldOut: 6 };
export const RUN_TIMEOUT = 150_000;

/**
 * How long the main thread was held by single tasks, in milliseconds. Long Tasks count by the clock, also while the thread
 * waits for a processor: with a GPU that is software on the same two cores, a task of 8 ms of computing can last half a second. So
 * what a test may ask of the page is the time that its tasks compute.
 */
export interface MainThread {
  tasks: number;
  /** Processor time of the longest task. */
  busy: number;
  /** Of the Long Tasks API: tasks above 50 ms by the clock. */
  long: number[];
}

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  /** Microseconds of processor time. */
  tdur?: number;
  args: { name?: string };
}

/** What Playwright says in a page where it keeps out service workers. */
const SWITCHED_OFF = 'Service Worker registration blocked by Playwright';

const threadOf = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;

export class Visit {
  readonly page: Page;
  /** What went wrong in the page or its console. */
  readonly complaints: string[] = [];
  /** Milliseconds until `until` gives up. */
  patience = RUN_TIMEOUT;

  private constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      if (message.text() === SWITCHED_OFF) return;
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('requestfailed', (request) => {
      // The preview server leaves HEAD requests (does a file exist?) without an end; Chromium counts them as aborted.
      const reason = request.failure()?.errorText ?? '';
      if (reason !== 'net::ERR_ABORTED') this.complaints.push(`${reason}: ${request.url()}`);
    });
  }

  /** Without a service worker, so that tests see every request; `offline.e2e.ts` has visits with it. */
  static async begin(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
    const usual = { viewport: { width: 1360, height: 900 }, serviceWorkers: 'block' } as const;
    return Visit.inContext(await browser.newContext({ ...usual, ...options }));
  }

  /** Another tab of the same browser. */
  static async inContext(context: BrowserContext): Promise<Visit> {
    const page = await context.newPage();
    await page.addInitScript(() => {
      const seen: number[] = [];
      Object.assign(globalThis, { longTasks: seen });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) seen.push(Math.round(entry.duration));
      }).observe({ type: 'longtask' });
    });
    return new Visit(page);
  }

  /** Begins to watch the tasks of the page's main thread; the function returned ends that and tells of them. */
  async watchTasks(): Promise<() => Promise<MainThread>> {
    const { page } = this;
    const session = await page.context().newCDPSession(page);
    const events: TraceEvent[] = [];
    session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
    await page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0));
    await session.send('Tracing.start', {
      transferMode: 'ReportEvents',
      traceConfig: { includedCategories: ['toplevel'], excludedCategories: ['*'] },
    });
    return async () => {
      const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
      await session.send('Tracing.end');
      await complete;
      await session.detach();
      const threads = new Set(
        events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(threadOf),
      );
      const tasks = events.filter((event) => event.name.endsWith('RunTask') && threads.has(threadOf(event)));
      const busy = Math.max(0, ...tasks.map(({ tdur }) => (tdur ?? 0) / 1000));
      const long = await page.evaluate(() => (globalThis as unknown as { longTasks: number[] }).longTasks.splice(0));
      return { tasks: tasks.length, busy: Math.round(busy), long };
    };
  }

  get form(): Locator {
    return this.page.getByRole('form', { name: 'Settings of the next run' });
  }

  get run(): Locator {
    return this.page.getByRole('region', { name: 'The run', exact: true });
  }

  get controls(): Locator {
    return this.page.getByRole('group', { name: 'Controls of the run' });
  }

  tab(name: string): Locator {
    return this.page.getByRole('tab', { name: new RegExp(`^${name}`) });
  }

  async chooseEngine(engine: string): Promise<void> {
    if (!(await this.form.getByLabel('Engine').isVisible())) await this.form.getByText('More settings').click();
    await this.form.getByLabel('Engine').selectOption(engine);
  }

  async fillSettings(seed: number, engine = 'webgpu', problems = PROBLEMS): Promise<void> {
    await this.form.getByLabel('Preset').selectOption('arithmetic-tiny');
    await this.form.getByLabel('Seed', { exact: true }).fill(String(seed));
    await this.chooseEngine(engine);
    await this.form.locator('[data-setting=trainProblems]').selectOption(String(problems.training));
    await this.form.getByLabel('Held-out problems').selectOption(String(problems.heldOut));
  }

  /** Allows every site that this part of the page asks about. A button goes when its site is allowed, so each is pressed by its name. */
  async allowAll(part: Locator = this.form): Promise<void> {
    const buttons = part.getByRole('button', { name: /^Allow http/ });
    for (const name of await buttons.allInnerTexts()) {
      const button = part.getByRole('button', { name, exact: true });
      await button.click();
      await button.waitFor({ state: 'detached' });
    }
  }

  start(): Promise<void> {
    return this.form.getByRole('button', { name: 'Run', exact: true }).click();
  }

  /** State of the run on show: running, paused, finished… */
  state(): Promise<string | null> {
    return this.page.locator('[data-state]').getAttribute('data-state');
  }

  /** Polls until `there` holds; fails at once when the page reports an error. */
  async until(what: string, there: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + this.patience;
    while (!(await there())) {
      const alert = this.page.getByRole('alert');
      if ((await alert.count()) > 0) throw new Error(`the page says: ${await alert.first().innerText()}`);
      if (Date.now() > deadline) throw new Error(`the run is ${await this.state()}; ${what} never came`);
      await this.page.waitForTimeout(50);
    }
  }

  untilState(wanted: string): Promise<void> {
    return this.until(wanted, async () => (await this.state()) === wanted);
  }

  untilActivity(text: RegExp): Promise<void> {
    const activity = this.page.locator('.activity').filter({ hasText: text });
    return this.until(String(text), async () => (await activity.count()) > 0);
  }

  digest(): Promise<string> {
    return this.page.getByTestId('digest').innerText();
  }

  /** Presses Tab until `target` has the focus: once round the page at most. */
  async tabTo(target: Locator): Promise<void> {
    await target.waitFor();
    // Tab passes by what cannot be pressed yet, and begins at the page's top where a pressed button has gone.
    await this.until('a control that can be pressed', () => target.isEnabled());
    const stops = await this.page.locator('a[href], button, input, select, textarea, summary, [tabindex]').count();
    // The document is a stop too.
    for (let presses = 0; presses <= stops + 1; presses++) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`the Tab key does not reach ${String(target)}`);
  }

  /** Goes there with Tab and presses a key. */
  async press(target: Locator, key = 'Enter'): Promise<void> {
    await this.tabTo(target);
    await this.page.keyboard.press(key);
  }

  /** How far the page is wider than the window. */
  overflow(): Promise<number> {
    return this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  }

  async shot(name: string): Promise<void> {
    await this.page.screenshot({ path: join(OUT, 'screenshots', `${name}.png`), fullPage: true });
  }

  async end(): Promise<void> {
    await this.page.context().close();
  }
}
