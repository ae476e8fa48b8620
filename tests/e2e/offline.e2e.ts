/** The built folder on a plain static host: it opens without a network after one visit, is isolated, and says when it is newer. */
import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SERVICE_WORKER_FILE } from '../../src/site/messages';
import { serviceWorker, siteList } from '../../tools/build/offline';
import { exactDigest } from '../cli/exactDigest';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { GOLDEN_LINKS } from '../share/goldenLinks';
import { tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { builtInto, launch, OUT } from './browser';
import { StaticHost } from './staticHost';
import { downloadModel } from './hubModel';
import { Visit } from './visit';

const REPO = 'tiny/chat';
const host = new StaticHost(join(process.cwd(), OUT, `offline-dist-${process.pid}`));
const hub = new HubServer();
let browser: Browser;
/** Requests to anybody else: the page's, its workers' and the service worker's own. */
let elsewhere: string[];
/** Requests that the service worker made. */
let byWorker: string[];
/** What the content policy kept from happening, in the page, in workers and in the service worker. */
let reports: string[];

beforeAll(async () => {
  await builtInto(host.directory);
  [browser] = await Promise.all([launch(false), host.start(), hub.start()]);
  hub.repos.set(REPO, { commit: COMMIT, files: new Map(Object.entries(tinyFiles(tinyWeights()))), token: null });
});
afterAll(async () => {
  await browser?.close();
  host.stop();
  await hub.stop();
  await rm(host.directory, { recursive: true, force: true });
});

afterEach(() => {
  host.online = true;
});

/** A clean browser that has visited the site once, until its files were kept. */
async function visited(): Promise<Visit> {
  const visit = await Visit.begin(browser, { serviceWorkers: 'allow' });
  [elsewhere, byWorker, reports] = [[], [], []];
  const context = visit.page.context();
  // Of the whole context: requests of a service worker belong to no page.
  context.on('request', (request) => {
    const url = request.url();
    if (request.serviceWorker()) byWorker.push(url);
    if (!url.startsWith(host.url) && !url.startsWith('blob:') && !url.startsWith('data:')) elsewhere.push(url);
  });
  context.on('console', (message) => {
    if (POLICY.test(message.text())) reports.push(message.text());
  });
  // The service worker has a console of its own.
  context.on('serviceworker', (worker) => {
    worker.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) reports.push(`service worker: ${message.text()}`);
    });
  });
  await visit.page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      console.error(`Content Security Policy: ${effectiveDirective} ${blockedURI}`),
    );
  });
  await visit.page.goto(host.url);
  await ready(visit);
  await visit.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  // A page that is left alone is answered from the cache soon, before it is loaded again too.
  await visit.page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  return visit;
}

/** What browsers say of a policy that was broken. */
const POLICY = /content security policy|trusted type|cross-origin-(embedder|opener)|coep|corp/i;

const ready = (visit: Visit) => visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
const isolated = (visit: Visit) => visit.page.evaluate(() => crossOriginIsolated);
const cut = (context: BrowserContext, off: boolean) => {
  host.online = !off;
  return context.setOffline(off);
};

/** A file that every visitor has, and that nothing reads here. */
const ANY_FILE = 'models/strategies-0.25m/special_tokens_map.json';

/** Another build of the site: one file differs. @param listed its text in the list, where that is another one */
function publish(text: string, listed = text): void {
  const file = join(host.directory, ANY_FILE);
  writeFileSync(file, listed);
  const list = siteList(host.directory);
  writeFileSync(file, text);
  const script = join(host.directory, SERVICE_WORKER_FILE);
  const [, ...code] = readFileSync(script, 'utf8').split('\n');
  writeFileSync(script, serviceWorker(list, code.join('\n')));
}

const look = (visit: Visit) =>
  visit.page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
const cacheNames = (visit: Visit) => visit.page.evaluate(() => caches.keys());

describe('after one visit', () => {
  it('a run, a link and a reload work without a network, and the page is isolated', async () => {
    const visit = await visited();
    const { page } = visit;
    expect(await isolated(visit)).toBe(false);
    // It has fetched what it keeps, and that from here alone.
    expect(byWorker.length).toBeGreaterThan(20);
    expect(byWorker.filter((url) => !url.startsWith(host.url))).toEqual([]);
    await cut(page.context(), true);
    host.asked.length = 0;
    await page.reload();
    await ready(visit);
    expect(await isolated(visit)).toBe(true);
    await visit.form.getByLabel('Preset').selectOption('arithmetic-tiny');
    await visit.form.getByLabel('Seed', { exact: true }).fill('0');
    await visit.start();
    await visit.untilState('finished');
    expect(await visit.digest()).toBe(await exactDigest('arithmetic-tiny'));
    for (const view of ['Results', 'Debates', 'Votes', 'Data sets', 'Models', 'Runs', 'Lab']) {
      await visit.tab(view).click();
      await page.waitForLoadState('networkidle');
      expect(await page.getByRole('alert').count(), view).toBe(0);
    }
    await visit.run.getByRole('button', { name: 'Share' }).click();
    await page.getByRole('img', { name: 'QR code of the address' }).waitFor();
    await page.goto(`${host.url}${GOLDEN_LINKS.finished}`);
    await page.reload();
    await page.getByRole('region', { name: 'An experiment by link' }).getByText('Claimed, not checked').waitFor();
    await visit.tab('Runs').click();
    await page
      .getByRole('region', { name: 'Stored runs' })
      .getByRole('button', { name: /^Open / })
      .click();
    await page.getByTestId('digest').waitFor();
    expect({ complaints: visit.complaints, asked: host.asked, elsewhere, reports }).toEqual({
      complaints: [],
      asked: [],
      elsewhere: [],
      reports: [],
    });
    await cut(page.context(), false);
    await visit.end();
  });

  it('a model is downloaded under isolation, from another origin', async () => {
    const visit = await visited();
    const { page } = visit;
    await page.reload();
    await ready(visit);
    expect(await isolated(visit)).toBe(true);
    await downloadModel(visit, hub.endpoint, REPO);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });
});

describe('a newer version', () => {
  it('is announced, comes when the visitor asks for it, and leaves nothing of the older one', async () => {
    const visit = await visited();
    const { page } = visit;
    await page.evaluate(() => Object.assign(globalThis, { sameVisit: true }));
    const before = await cacheNames(visit);
    publish('newer');
    await look(visit);
    const news = page.getByRole('status').filter({ hasText: 'A newer version of this page is ready' });
    await news.waitFor();
    await visit.shot('newer-version');
    // Nothing was reloaded, and the older version still answers.
    expect(await page.evaluate(() => 'sameVisit' in globalThis)).toBe(true);
    const text = () => page.evaluate(async (file) => (await fetch(file)).text(), ANY_FILE);
    expect(await text()).not.toBe('newer');
    await news.getByRole('button', { name: 'Reload' }).click();
    await page.waitForFunction(() => !('sameVisit' in globalThis));
    await ready(visit);
    expect(await text()).toBe('newer');
    await expect.poll(() => cacheNames(visit)).toHaveLength(1);
    expect(await cacheNames(visit)).not.toEqual(before);
    expect(await news.count()).toBe(0);
    expect(visit.complaints).toEqual([]);
    await visit.end();
  });

  it('that the host holds in part only is not taken', async () => {
    const visit = await visited();
    const before = await cacheNames(visit);
    publish('half', 'whole');
    await look(visit).catch(() => {});
    await visit.page.waitForFunction(async () => {
      const { installing, waiting } = await navigator.serviceWorker.ready;
      return !installing && !waiting;
    });
    await expect.poll(() => cacheNames(visit)).toEqual(before);
    expect(await visit.page.getByText('A newer version').count()).toBe(0);
    await cut(visit.page.context(), true);
    await visit.page.reload();
    await ready(visit);
    await cut(visit.page.context(), false);
    // Whoever comes next finds a whole site.
    publish('whole');
    await visit.end();
  });
});

it('opened as a file, the page says what to do', async () => {
  const page = await browser.newPage();
  await page.goto(`file://${host.directory}/index.html`);
  await page.getByText('this page was probably opened as a file').waitFor();
  await page.close();
});

it('can be installed as an app', async () => {
  const visit = await visited();
  const session = await visit.page.context().newCDPSession(visit.page);
  const { errors } = await session.send('Page.getAppManifest');
  expect(errors).toEqual([]);
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  // Tests browse in private windows, which keep no apps.
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(['in-incognito']);
  await visit.end();
});
