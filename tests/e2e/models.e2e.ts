/** Models in a real browser: its fetch across origins, its private file system, its locks. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Models from '../../src/models';
import { HubServer } from '../models/hubServer';
import { CHUNK, REPO, openRepo, repoFiles } from '../models/samples';
import { launch } from './browser';

declare const models: typeof Models;

const hub = new HubServer();
let server: Server;
let browser: Browser;
let page: Page;
let address: string;

/** The modules as one script that a plain page can load. */
async function bundle(): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: false, lib: { entry: 'src/models/index.ts', formats: ['iife'], name: 'models' } },
  })) as Rolldown.RolldownOutput[];
  return built[0]!.output[0].code;
}

beforeAll(async () => {
  await hub.start();
  const script = await bundle();
  server = createServer((request, response) => {
    const js = request.url === '/models.js';
    response.setHeader('content-type', js ? 'text/javascript' : 'text/html');
    response.end(js ? script : '<!doctype html><script src="/models.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await launch();
  page = await (await browser.newContext()).newPage();
  await page.goto(address);
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  await hub.stop();
});

const setting = () => ({ repo: REPO, endpoint: hub.endpoint, chunkBytes: CHUNK, token: 'hf_secret' });
type Setting = ReturnType<typeof setting>;

/** Resolves and downloads inside the page; the error's name when it fails. */
function download(on: Page): Promise<string> {
  return on.evaluate(async ({ repo, ...options }: Setting) => {
    try {
      const store = await models.openOpfsStore();
      const manifest = await models.resolveHubModel(repo, 'main', options);
      await models.downloadModel(manifest, { store, transport: models.hubTransport(options), parallel: 3 });
      return manifest.id;
    } catch (error) {
      return `${(error as Error).constructor.name}: ${(error as Error).message}`;
    }
  }, setting());
}

const list = (on: Page) => on.evaluate(async () => models.listStoredModels(await models.openOpfsStore()));

describe('a gated model in Chromium', () => {
  it('goes on after a reload, arrives whole, and the token stays with the hub', async () => {
    hub.repos.set(REPO, { ...openRepo(), token: 'hf_secret' });
    // The weights stop arriving half-way; then the visitor reloads the page.
    hub.fault = ({ range }) => ((range?.from ?? 0) >= 16 * CHUNK ? { kind: 'stall', after: 10 } : null);
    const interrupted = download(page).catch(() => 'reloaded');
    await expect.poll(async () => (await list(page))[0]?.storedBytes ?? 0).toBeGreaterThan(16 * CHUNK);
    const other = await page.context().newPage();
    await other.goto(address);
    expect(await download(other)).toMatch(/^ModelBusyError/);
    await other.close();
    await page.reload();
    expect(await interrupted).toBe('reloaded');

    const [partial] = await list(page);
    expect(partial?.complete).toBe(false);
    const kept = partial?.storedBytes as number;
    hub.fault = () => null;
    hub.sentBytes = 0;
    const id = await download(page);
    expect(id).toBe(partial?.id);
    // config.json is read again before a download, to know the architecture.
    const config = repoFiles().get('config.json')!.length;
    expect(hub.sentBytes).toBe((partial?.totalBytes as number) - kept + config);

    const sums = await page.evaluate(async (model) => {
      const files = (await models.openModel(models.storedAddress(model))) as Models.ModelFiles;
      const part = await files.readRange('model.safetensors', 1000, 3100);
      const contents: [string, number[]][] = [];
      for (const path of files.paths) contents.push([path, [...(await files.read(path))]]);
      return { part: [...part], contents };
    }, id);
    const original = repoFiles();
    for (const [path, bytes] of sums.contents) expect(Uint8Array.from(bytes)).toEqual(original.get(path));
    expect(Uint8Array.from(sums.part)).toEqual(original.get('model.safetensors')!.slice(1000, 3100));

    const elsewhere = hub.requests.filter(({ place }) => place === 'cdn');
    expect(elsewhere.length).toBeGreaterThan(3);
    expect(new Set(elsewhere.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
    const stored = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    );
    expect(stored).not.toContain('hf_secret');
  });

  it('is refused by name when the token is, and offline', async () => {
    const refused = await page.evaluate(async ({ repo, ...options }: Setting) => {
      const error = await models.resolveHubModel(repo, 'main', { ...options, token: 'hf_old' }).catch((e) => e);
      return error instanceof models.ModelAccessError && error.problem;
    }, setting());
    expect(refused).toBe('token-refused');
    const offline = await page.evaluate(async (repo) => {
      const options = { endpoint: 'http://127.0.0.1:9', attempts: 1 };
      const error = await models.resolveHubModel(repo, 'main', options).catch((e) => e);
      return error instanceof models.OfflineError;
    }, REPO);
    expect(offline).toBe(true);
  });

  it('stops at a full disk, keeps what is stored, and is deleted without a trace', async () => {
    const session = await page.context().newCDPSession(page);
    const origin = new URL(address).origin;
    await page.evaluate(
      async (id) => models.deleteStoredModel(await models.openOpfsStore(), id),
      (await list(page))[0]!.id,
    );
    expect(await list(page)).toEqual([]);
    const used = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: used + 20_000 });
    expect(await download(page)).toMatch(/^ModelStorageFullError: There is no room.*needed.*free/);
    // Without the estimate it is the write that fails.
    const full = await page.evaluate(async ({ repo, ...options }: Setting) => {
      const store = await models.openOpfsStore();
      store.estimate = async () => null;
      const manifest = await models.resolveHubModel(repo, 'main', options);
      const error = await models
        .downloadModel(manifest, { store, transport: models.hubTransport(options) })
        .catch((e) => e);
      return { name: String(error?.constructor?.name), listed: await models.listStoredModels(store) };
    }, setting());
    expect(full.name).toBe('ModelStorageFullError');
    expect(full.listed[0]?.complete).toBe(false);
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    hub.sentBytes = 0;
    await download(page);
    expect((await list(page))[0]?.complete).toBe(true);
  });
});
