/** Watches whether code asks anything of a network: by `fetch`, or by a socket beneath any other library. */
import { Socket } from 'node:net';
import { afterAll, beforeAll, expect, vi } from 'vitest';

/** Fails the tests of this file if one of them fetched an address or opened a socket. Vitest's own channel is no socket of these. */
export function expectNoRequests(): void {
  const asked: string[] = [];
  beforeAll(() => {
    vi.stubGlobal('fetch', (address: unknown) => {
      asked.push(`fetch ${String(address)}`);
      return Promise.reject(new TypeError('no network here'));
    });
    vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...to: unknown[]) {
      asked.push(`socket ${JSON.stringify(to)}`);
      return this;
    });
  });
  afterAll(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
    expect(asked).toEqual([]);
  });
}
