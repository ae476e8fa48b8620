/** A real Chromium with WebGPU, and the built lab on a local server. */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
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

/** Builds the lab and serves it from a sub-path, as a static host would. */
export async function serveLab(): Promise<{ url: string; close: () => Promise<void> }> {
  // A folder of its own: another test run beside this one must not build over what is being served.
  const outDir = join(process.cwd(), OUT, `e2e-dist-${process.pid}`);
  await build({ build: { outDir, emptyOutDir: true }, logLevel: 'error' });
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
      await rm(outDir, { recursive: true, force: true });
    },
  };
}
