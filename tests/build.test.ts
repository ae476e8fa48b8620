/** The built site: what is in it and what is not. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll, expect, it } from 'vitest';
import { wholeSite } from '../tools/build/budgets';
import { shippedInList, shippedInSite } from '../tools/build/licences';
import { HEADER_POLICY, PAGE_POLICY } from '../tools/build/policy';

const place = mkdtempSync(join(tmpdir(), 'polylogue-build-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

it('is small enough for any static host, and carries no runtime that is never loaded', async () => {
  const outDir = join(place, 'dist');
  await build({ build: { outDir, emptyOutDir: true }, logLevel: 'error' });
  const files = readdirSync(outDir, { recursive: true, encoding: 'utf8' });
  expect(files).toContain(join('models', 'arithmetic-0.4m', 'model.safetensors'));
  expect(files.filter((file) => file.endsWith('.wasm'))).toEqual([]);
  const bytes = files.map((file) => statSync(join(outDir, file)).size);
  expect(Math.max(...bytes)).toBeLessThan(3e6);
  expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(10e6);
  // Errors are told apart by the names of their classes when they cross from a worker.
  const assets = files.filter((file) => file.endsWith('.js')).map((file) => readFileSync(join(outDir, file), 'utf8'));
  for (const name of ['LabBusyError', 'ModelBusyError', 'NonFiniteError', 'DeadTrackError'])
    expect(assets.some((text) => text.includes(`new ${name}(`))).toBe(true);
  // It opens from any folder: nothing is addressed from the root of the host.
  const page = readFileSync(join(outDir, 'index.html'), 'utf8');
  expect(page).not.toMatch(/(?:src|href)="\//);
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
