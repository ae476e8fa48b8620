/** The built site: what is in it and what is not. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll, expect, it } from 'vitest';
import { SERVICE_WORKER_FILE } from '../src/site/messages';
import { staticFolder, wholeSite } from '../tools/build/budgets';
import { shippedInList, shippedInSite } from '../tools/build/licences';
import { siteList } from '../tools/build/offline';
import { isOptional, LARGEST_FILE } from '../tools/build/optional';
import { HEADER_POLICY, PAGE_POLICY } from '../tools/build/policy';

const place = mkdtempSync(join(tmpdir(), 'polylogue-build-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

it('is small enough for any static host, and carries no runtime that is never loaded', async () => {
  const outDir = join(place, 'dist');
  await build({ build: { outDir, emptyOutDir: true }, logLevel: 'error' });
  const files = readdirSync(outDir, { recursive: true, encoding: 'utf8' });
  expect(files).toContain(join('models', 'arithmetic-0.4m', 'model.safetensors'));
  // Runtimes that only some runs load lie apart: small enough for any host, and never fetched with the first visit.
  const optional = files.filter((file) => isOptional(file.replaceAll('\\', '/')));
  expect(optional.filter((file) => file.endsWith('.wasm')).length).toBe(2);
  expect(Math.max(...optional.map((file) => statSync(join(outDir, file)).size))).toBeLessThan(LARGEST_FILE);
  const eager = siteList(outDir).files.flatMap(({ path, lazy }) => (lazy ? [] : [path]));
  expect(eager.filter((path) => isOptional(path) || path.endsWith('.onnx'))).toEqual([]);
  const own = files.filter((file) => !optional.includes(file));
  expect(own.filter((file) => file.endsWith('.wasm'))).toEqual([]);
  const bytes = own.map((file) => statSync(join(outDir, file)).size);
  expect(Math.max(...bytes)).toBeLessThan(3e6);
  expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(12e6);
  // Errors are told apart by the names of their classes when they cross from a worker.
  const assets = files.filter((file) => file.endsWith('.js')).map((file) => readFileSync(join(outDir, file), 'utf8'));
  for (const name of ['LabBusyError', 'ModelBusyError', 'NonFiniteError', 'DeadTrackError'])
    expect(assets.some((text) => text.includes(`new ${name}(`))).toBe(true);
  // It opens from any folder: nothing is addressed from the root of the host.
  const page = readFileSync(join(outDir, 'index.html'), 'utf8');
  expect(page).not.toMatch(/(?:src|href)="\//);
  // Without a network everything is there: the service worker names every file with its hash.
  const [list = '', ...code] = readFileSync(join(outDir, SERVICE_WORKER_FILE), 'utf8').split('\n');
  expect(list).toBe(`const SITE=${JSON.stringify(siteList(outDir))};`);
  expect(code.join('\n')).toContain('addEventListener');
  // What few visitors need is not fetched for all.
  const first = siteList(outDir).files.filter(({ lazy }) => !lazy);
  const firstBytes = first.reduce((sum, { path }) => sum + statSync(join(outDir, path)).size, 0);
  expect(firstBytes).toBeLessThan(6e6);
  const kept = siteList(outDir).files.map(({ path }) => join(...path.split('/')));
  const written = files.filter((file) => statSync(join(outDir, file)).isFile() && file !== SERVICE_WORKER_FILE);
  expect(kept.sort()).toEqual(written.sort());
  // The policy stands before what it governs, and the encoding where browsers look for it.
  const policy = page.indexOf(`<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}" />`);
  expect(policy).toBeGreaterThan(page.indexOf('<meta charset="utf-8" />'));
  expect(policy).toBeLessThan(page.search(/<(script|link|style)/));
  expect(page.indexOf('<meta charset="utf-8" />')).toBeLessThan(200);
  // Of everybody whose code is in the site the licence is too.
  const shipped = shippedInSite(readFileSync(join(outDir, 'licences.txt'), 'utf8'));
  expect([...shipped].sort()).toEqual([...shippedInList(readFileSync('docs/licences.md', 'utf8'))].sort());
});

it('names for hosts the policy that the tests hold the site to', () => {
  const docs = readFileSync('docs/hosting.md', 'utf8');
  // Once in words, and for nginx, Caddy and the _headers of Netlify and Cloudflare Pages.
  expect(docs.split(HEADER_POLICY).length - 1).toBe(4);
});

it('is refused when it is heavier than it may be, static files included', async () => {
  const root = join(place, 'tiny');
  mkdirSync(join(root, 'public'), { recursive: true });
  writeFileSync(join(root, 'index.html'), '<p>Hello</p>');
  writeFileSync(join(root, 'public', 'weights.bin'), new Uint8Array(300_000));
  const buildWithin = (budget: number) =>
    build({ root, configFile: false, logLevel: 'silent', plugins: [wholeSite(budget)] });
  await expect(buildWithin(400_000)).resolves.toBeDefined();
  await expect(buildWithin(200_000)).rejects.toThrow(
    /whole site: 0\.3 MB of 0\.2 MB: over budget \(heaviest: weights\.bin 0\.3 MB/,
  );
});

it('is refused when recorded runs are heavier than they may be together', async () => {
  const root = join(place, 'recorded');
  mkdirSync(join(root, 'public', 'runs'), { recursive: true });
  writeFileSync(join(root, 'index.html'), '<p>Hello</p>');
  writeFileSync(join(root, 'public', 'runs', 'a.run'), new Uint8Array(300_000));
  writeFileSync(join(root, 'public', 'runs', 'b.run'), new Uint8Array(300_000));
  const buildWithin = (budget: number) =>
    build({ root, configFile: false, logLevel: 'silent', plugins: [staticFolder('runs', 'recorded runs', budget)] });
  await expect(buildWithin(700_000)).resolves.toBeDefined();
  await expect(buildWithin(500_000)).rejects.toThrow('recorded runs: 0.6 MB of 0.5 MB: over budget');
});
