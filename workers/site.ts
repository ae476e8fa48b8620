/**
 * The site's service worker: keeps the site's files, answers from them, and isolates the page. It never reloads a page and never takes
 * over from an older version before a visitor asks for it.
 */
import type { SiteList } from '../src/site/list';
import { TAKE_OVER, STARTED } from '../src/site/messages';
import { SiteCache } from '../src/site/siteCache';

/** Written before this script by the build. */
declare const SITE: SiteList;

const worker = self as unknown as ServiceWorkerGlobalScope;
const site = new SiteCache({
  list: SITE,
  scope: worker.registration.scope,
  caches: worker.caches,
  fetch: (input, init) => fetch(input, init),
});

worker.addEventListener('install', (event) => event.waitUntil(site.install()));

worker.addEventListener('activate', (event) =>
  event.waitUntil(
    (async () => {
      await tidyBeside(0);
      // A first visit: what the page has not loaded yet comes from the cache.
      await worker.clients.claim();
    })(),
  ),
);

worker.addEventListener('fetch', (event) => {
  const answer = site.answer(event.request);
  if (answer) event.respondWith(answer);
});

worker.addEventListener('message', (event) => {
  if (event.data === TAKE_OVER) event.waitUntil(worker.skipWaiting());
  // A page of this version has started: where it is the only one, nobody needs an older version.
  if (event.data === STARTED) event.waitUntil(tidyBeside(1));
});

/** Removes older versions unless more pages than these are open. */
async function tidyBeside(pages: number): Promise<void> {
  const open = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (open.length <= pages) await site.tidy();
}
