/** The service worker's events, in a scope that notes what is done. */
import { describe, expect, it } from 'vitest';
import { CLAIM, STARTED, TAKE_OVER } from '../../src/site/messages';
import { serveSite, type SiteScope } from '../../src/site/serve';

/** A scope that notes what is done. */
function scope(windows: number) {
  const done: string[] = [];
  const listeners = new Map<string, (event: unknown) => void>();
  const worker = {
    addEventListener: (type: string, listener: (event: unknown) => void) => void listeners.set(type, listener),
    skipWaiting: async () => void done.push('skip'),
    clients: {
      claim: async () => void done.push('claim'),
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
  it('claims a page when the page asks for it, and not while it becomes active', async () => {
    const { done, send } = scope(0);
    await send('activate');
    expect(done).toEqual(['tidy']);
    await send('message', { data: CLAIM });
    expect(done).toEqual(['tidy', 'claim']);
  });

  it('keeps older versions while a page of theirs may be open', async () => {
    const { done, send } = scope(2);
    await send('activate');
    await send('message', { data: STARTED });
    expect(done).toEqual([]);
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
