/** The content policy and isolation, as a static host would send them: a visit breaks none of its rules, in the page or in a worker. */
import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { createServer as createViteServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ISOLATION_HEADERS } from '../../src/site/headers';
import { HEADER_POLICY } from '../../tools/build/policy';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { tinyFiles, tinyWeights } from '../tasks/tinyChatModel';
import { builtInto, launch, OUT } from './browser';
import { downloadModel } from './hubModel';
import { Visit } from './visit';

const FOLDER = '/any/folder/of a host/';
const REPO = 'tiny/chat';
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** Runs a script that stands in its own address; as text, so that nothing rewrites the import. */
const SCRIPT = `import('data:text/javascript,export default 1').catch(() => 'refused')`;

const hub = new HubServer();
const outDir = join(process.cwd(), OUT, `policy-dist-${process.pid}`);
/** What browsers reported: rule and where it was broken. */
const reported: string[] = [];
let server: Server;
let address: string;
let browser: Browser;

/** The built site with the header of docs/hosting.md on every file, workers included, and a place for reports. */
async function serve(): Promise<void> {
  await builtInto(outDir);
  server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url as string, 'http://host').pathname);
    if (path === '/reports') {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const { 'csp-report': report } = JSON.parse(Buffer.concat(pieces).toString());
      reported.push(`${report['violated-directive']} in ${report['document-uri']}: ${report['blocked-uri']}`);
      return void response.writeHead(204).end();
    }
    const file = path === FOLDER ? 'index.html' : path.slice(FOLDER.length);
    const bytes = path.startsWith(FOLDER) ? await readFile(join(outDir, file)).catch(() => null) : null;
    if (bytes === null) return void response.writeHead(404).end();
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': `${HEADER_POLICY}; report-uri /reports`,
      ...ISOLATION_HEADERS,
    });
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}${encodeURI(FOLDER)}`;
}

/** Violations that the page's own document was told of. */
const violations = (page: Page) => page.evaluate(() => (globalThis as unknown as { violations: string[] }).violations);

async function begin(at: string): Promise<Visit> {
  const visit = await Visit.begin(browser);
  await visit.page.addInitScript(() => {
    const violations: string[] = [];
    Object.assign(globalThis, { violations });
    document.addEventListener('securitypolicyviolation', (event) => {
      violations.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
    });
  });
  await visit.page.goto(at);
  await visit.page.getByTestId('engine').filter({ hasText: 'Runs on' }).waitFor();
  return visit;
}

beforeAll(async () => {
  [browser] = await Promise.all([launch(), serve(), hub.start()]);
  hub.repos.set(REPO, { commit: COMMIT, files: new Map(Object.entries(tinyFiles(tinyWeights()))), token: null });
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  await hub.stop();
  await rm(outDir, { recursive: true, force: true });
});

describe('the content policy', () => {
  it('is broken nowhere by a run, its views, a download and the model manager, and is in force', async () => {
    const visit = await begin(address);
    const { page } = visit;
    // Isolated pages are held to more: everything below has to go on under it.
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await visit.fillSettings(3, 'webgpu', { training: 3, heldOut: 3 });
    await visit.start();
    await visit.untilState('finished');
    for (const view of ['Results', 'Debates', 'Votes', 'Data sets', 'Runs']) {
      await visit.tab(view).click();
      await page.waitForLoadState('networkidle');
    }

    await downloadModel(visit, hub.endpoint, REPO);
    await visit.shot('policy-models');
    expect(page.workers().length).toBeGreaterThanOrEqual(3);
    expect({ page: await violations(page), reported, complaints: visit.complaints }).toEqual({
      page: [],
      reported: [],
      complaints: [],
    });

    // Each rule is in force, and what breaks it is counted: in the page, and in every worker.
    await page.evaluate(() => {
      const script = document.createElement('script');
      try {
        script.text = 'globalThis.ran = true';
      } catch {
        // Refused, as it should be.
      }
      document.body.append(Object.assign(document.createElement('img'), { src: 'https://elsewhere.example/x.png' }));
    });
    await expect
      .poll(() => violations(page))
      .toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^require-trusted-types-for/),
          expect.stringMatching(/^img-src/),
        ]),
      );
    const workers = page.workers();
    reported.length = 0;
    for (const worker of workers) {
      await worker.evaluate(() => fetch('http://elsewhere.example/').catch(() => {}));
      const code = await worker.evaluate(SCRIPT);
      expect(code).toBe('refused');
    }
    for (const worker of workers) {
      const broken = () => reported.filter((line) => line.includes(` in ${worker.url()}:`)).sort();
      await expect
        .poll(broken)
        .toEqual([expect.stringMatching(/^connect-src/), expect.stringMatching(/^(script|worker)-src/)]);
    }
    await visit.end();
  });

  it('lets the development server work', async () => {
    const development = await createViteServer({
      server: { host: '127.0.0.1', port: 0 },
      cacheDir: join(OUT, 'policy-vite'),
      logLevel: 'error',
    });
    await development.listen();
    try {
      const { port } = development.httpServer!.address() as AddressInfo;
      const visit = await begin(`http://127.0.0.1:${port}/`);
      await visit.tab('Models').click();
      await visit.page.getByRole('heading', { name: 'Models here' }).waitFor();
      expect({ page: await violations(visit.page), complaints: visit.complaints }).toEqual({
        page: [],
        complaints: [],
      });
      await visit.end();
    } finally {
      await development.close();
    }
  });
});
