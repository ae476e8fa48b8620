/** The site's service worker: the site's cache and the events that it answers. */
import type { SiteList } from '../src/site/list';
import { SiteCache } from '../src/site/siteCache';
import { serveSite } from '../src/site/serve';

/** Written before this script by the build. */
declare const SITE: SiteList;

const worker = self as unknown as ServiceWorkerGlobalScope;
serveSite(
  worker,
  new SiteCache({
    list: SITE,
    scope: worker.registration.scope,
    caches: worker.caches,
    fetch: (input, init) => fetch(input, init),
  }),
);
