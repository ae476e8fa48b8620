/** The service worker's events, with a scope of which each part is held by hand. */
import { describe, expect, it } from 'vitest';
import { STARTED, TAKE_OVER } from '../../src/site/messages';
import { serveSite, type SiteScope } from '../../src/site/serve';

/** A scope whose claim never ends, as in Firefox while a worker of the page is being loaded. */
function scope(windows: number) {
  const done: string[] = [];
  const listeners = new Map<string, (event: unknown) => void>();
  const worker = {
    addEventListener: (type: string, listener: (event: unknown) => void) => void listeners.set(type, listener),
    skipWaiting: async () => void done.push('skip'),
    clients: {
      claim: () => {
        done.push('claim');
        return new Promise<void>(() => {});
      },
      matchAll: () => Promise.resolve(new Array(windows).fill({})),
    },
  };
  const site = {
    install: async () => void done.push('install'),
    tidy: async () => void done.push('tidy'),
    answer: (request: Request) => (request.url.endsWith('kept') ? Promise.resolve(new Response('kept')) : null),
  };
  serveSite(worker as unknown as SiteScope, site);
  /** Sends an event. @returns what the platform waits for */
  const send = async (type: string, event: object = {}): Promise<unknown> => {
    let waited: unknown;
    const wait = (work: unknown): void => void (waited = work);
    listeners.get(type)?.({ ...event, waitUntil: wait, respondWith: wait });
    return waited;
  };
  return { done, send };
}

describe("the site's service worker", () => {
  it('is active at once, though the claim of a page takes as long as its workers are loaded', async () => {
    const { done, send } = scope(0);
    await send('activate');
    expect(done.sort()).toEqual(['claim', 'tidy']);
  });

  it('keeps older versions while a page of theirs may be open', async () => {
    const { done, send } = scope(2);
    await send('activate');
    await send('message', { data: STARTED });
    expect(done).toEqual(['claim']);
  });

  it('installs, takes over when it is asked to, and answers what it has', async () => {
    const { done, send } = scope(1);
    await send('install');
    await send('message', { data: TAKE_OVER });
    await send('message', { data: STARTED });
    expect(done).toEqual(['install', 'skip', 'tidy']);
    const kept = await send('fetch', { request: new Request('https://host.example/kept') });
    expect(await (kept as Response).text()).toBe('kept');
    expect(await send('fetch', { request: new Request('https://host.example/other') })).toBeUndefined();
  });
});
