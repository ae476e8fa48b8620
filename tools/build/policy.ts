/**
 * The site's Content-Security-Policy: what a page may load, run and talk to. The page carries it in a meta tag. A worker is governed by
 * the header of its own script alone, so the servers of development and preview send it, and docs/hosting.md has it for others.
 */
import type { ServerResponse } from 'node:http';
import type { Plugin } from 'vite';
import { ISOLATION_HEADERS } from '../../src/site/headers';

type Directives = Readonly<Record<string, readonly string[]>>;

const PAGE: Directives = {
  'default-src': ["'self'"],
  'script-src': ["'self'", "'wasm-unsafe-eval'"],
  'style-src': ["'self'"],
  // Charts are drawn into pictures.
  'img-src': ["'self'", 'data:', 'blob:'],
  // The hub, its mirrors and its content network; stand-ins and mirrors on this computer.
  'connect-src': ["'self'", 'https:', 'http://localhost:*', 'http://127.0.0.1:*'],
  'worker-src': ["'self'"],
  'object-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'require-trusted-types-for': ["'script'"],
  // Svelte makes its templates by one policy, addresses of workers come from the other.
  'trusted-types': ['polylogue-workers', 'svelte-trusted-html'],
};

/** What only a header can say. */
const HEADER: Directives = { ...PAGE, 'frame-ancestors': ["'self'"] };

/** The development server's own scripts put styles into the page, listen to a socket and make a worker of a blob. */
const DEVELOPMENT: Directives = {
  ...without(PAGE, 'require-trusted-types-for', 'trusted-types'),
  'style-src': ["'self'", "'unsafe-inline'"],
  'connect-src': [...(PAGE['connect-src'] as string[]), 'ws://localhost:*', 'ws://127.0.0.1:*'],
  'worker-src': ["'self'", 'blob:'],
};

/** The policy of the page's meta tag. */
export const PAGE_POLICY = written(PAGE);
/** The policy of the header that goes with every file, and above all with scripts of workers. */
export const HEADER_POLICY = written(HEADER);
const DEVELOPMENT_POLICY = written(DEVELOPMENT);

/** Puts the policy into the page, and with isolation into the headers of the development and the preview server. */
export function contentPolicy(): Plugin {
  let served = false;
  return {
    name: 'content-policy',
    configResolved(config) {
      served = config.command === 'serve';
    },
    transformIndexHtml: {
      order: 'pre',
      handler(html) {
        const meta = `<meta http-equiv="Content-Security-Policy" content="${served ? DEVELOPMENT_POLICY : PAGE_POLICY}" />`;
        // Before everything that it governs, and behind the encoding, which browsers look for at the beginning.
        const charset = '<meta charset="utf-8" />';
        if (!html.includes(charset)) throw new Error('index.html has no place for the content policy');
        return html.replace(charset, `${charset}\n    ${meta}`);
      },
    },
    configureServer(server) {
      server.middlewares.use((_request, response, next) => {
        response.setHeader('Content-Security-Policy', DEVELOPMENT_POLICY);
        isolate(response);
        next();
      });
    },
    configurePreviewServer(server) {
      server.middlewares.use((_request, response, next) => {
        response.setHeader('Content-Security-Policy', HEADER_POLICY);
        response.setHeader('X-Content-Type-Options', 'nosniff');
        isolate(response);
        next();
      });
    },
  };
}

function written(directives: Directives): string {
  return Object.entries(directives)
    .map(([name, values]) => `${name} ${values.join(' ')}`)
    .join('; ');
}

function isolate(response: ServerResponse): void {
  for (const [name, value] of Object.entries(ISOLATION_HEADERS)) response.setHeader(name, value);
}

function without(directives: Directives, ...names: string[]): Directives {
  return Object.fromEntries(Object.entries(directives).filter(([name]) => !names.includes(name)));
}
