/**
 * What the site's service worker does at each event: keeps the site's files, answers from them, and isolates the page. It never reloads a
 * page and never takes over from an older version before a visitor asks for it.
 */
import { CLAIM, STARTED, TAKE_OVER } from './messages';
import type { SiteCache } from './siteCache';

/** What is used of `ServiceWorkerGlobalScope`. */
export type SiteScope = Pick<ServiceWorkerGlobalScope, 'addEventListener' | 'skipWaiting'> & {
  clients: Pick<Clients, 'claim' | 'matchAll'>;
};

export function serveSite(worker: SiteScope, site: Pick<SiteCache, 'install' | 'answer' | 'tidy'>): void {
  worker.addEventListener('install', (event) => event.waitUntil(site.install()));

  worker.addEventListener('activate', (event) => event.waitUntil(tidyBeside(0)));

  worker.addEventListener('fetch', (event) => {
    const answer = site.answer(event.request);
    if (answer) event.respondWith(answer);
  });

  worker.addEventListener('message', (event) => {
    if (event.data === TAKE_OVER) event.waitUntil(worker.skipWaiting());
    // A page of this version has started: where it is the only one, nobody needs an older version.
    if (event.data === STARTED) event.waitUntil(tidyBeside(1));
    // Asked for, since a page is not to be claimed while it loads a worker: Firefox lets that worker wait for ever.
    if (event.data === CLAIM) event.waitUntil(worker.clients.claim());
  });

  /** Removes older versions unless more pages than these are open. */
  async function tidyBeside(pages: number): Promise<void> {
    const open = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
    if (open.length <= pages) await site.tidy();
  }
}
