/** A real Chromium with WebGPU, and the built lab on a local server. */
import { existsSync, readdirSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright';
import { build, preview, type PreviewServer } from 'vite';

/** Kept out of the repository; screenshots land here too. */
export const OUT = 'out';

/** Path of a Chromium or Chrome; throws one line saying how to get one. */
export function findChromium(): string {
  const candidates = [
    process.env['CHROMIUM_PATH'],
    ...playwrightBrowsers(),
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/usr/bin/google-chrome-stable',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  ];
  const found = candidates.find((path) => path !== undefined && path !== '' && existsSync(path));
  if (!found)
    throw new Error(
      'No Chromium found: install one ("apt-get install chromium" or "npx playwright-core install chromium") or set CHROMIUM_PATH.',
    );
  return found;
}

function playwrightBrowsers(): string[] {
  const root = process.env['PLAYWRIGHT_BROWSERS_PATH'] ?? join(homedir(), '.cache', 'ms-playwright');
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => /^chromium-\d+$/.test(name))
    .sort()
    .reverse()
    .flatMap((name) => [join(root, name, 'chrome-linux', 'chrome'), join(root, name, 'chrome-linux64', 'chrome')]);
}

/**
 * WebGPU without a GPU runs on SwiftShader, on the CPU; without the flag Chromium would refuse it.
 * @param webgpu false = a browser as of a visitor who has no WebGPU
 */
export function launch(webgpu = true): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      webgpu ? '--enable-unsafe-webgpu' : '--disable-features=WebGPU,WebGPUService',
      '--no-sandbox',
      '--headless=new',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-quic',
    ],
  });
}

/** The variable that names a folder with the built lab; a test run sets it. */
export const BUILT = 'POLYLOGUE_BUILT';

/** Builds the lab into a folder of its own: another test run beside this one must not build over what is being served. */
export async function buildLab(): Promise<string> {
  const outDir = join(process.cwd(), OUT, `e2e-dist-${process.pid}`);
  await build({ build: { outDir, emptyOutDir: true }, logLevel: 'error' });
  return outDir;
}

/** Puts the built lab into a folder that the caller may change. */
export async function builtInto(directory: string): Promise<void> {
  const built = process.env[BUILT];
  if (built === undefined) await build({ build: { outDir: directory, emptyOutDir: true }, logLevel: 'error' });
  else await cp(built, directory, { recursive: true });
}

/** Serves the built lab from a sub-path, as a static host would. Builds it where the test run has not. */
export async function serveLab(): Promise<{ url: string; close: () => Promise<void> }> {
  const built = process.env[BUILT];
  const outDir = built ?? (await buildLab());
  const server: PreviewServer = await preview({
    base: '/some/where/',
    build: { outDir },
    preview: { host: '127.0.0.1', port: 0 },
    logLevel: 'error',
  });
  const address = server.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('the preview server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/some/where/`,
    async close() {
      await server.close();
      if (built === undefined) await rm(outDir, { recursive: true, force: true });
    },
  };
}
