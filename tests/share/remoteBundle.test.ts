/** Bundles from an address: bounded, checked by their hash, and refused in words. */
import { createHash } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RemoteBundleError } from '../../src/share/errors';
import { fetchBundle, remoteBundle } from '../../src/share/remoteBundle';

const BYTES = Buffer.from('PK the bytes of a bundle');
const HASH = createHash('sha256').update(BYTES).digest('hex');

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A host on this computer that answers like this. */
async function host(answer: RequestListener): Promise<string> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/run.zip`;
}

describe('an address', () => {
  it('is taken with its hash', () => {
    const { address, sha256, file } = remoteBundle(
      ' https://host.example/a/my%20run.zip?x=1 ',
      ` ${HASH.toUpperCase()}\n`,
    );
    expect([address.href, sha256, file]).toEqual(['https://host.example/a/my%20run.zip?x=1', HASH, 'my run.zip']);
    expect(remoteBundle('https://host.example/', HASH).file).toBe('run.zip');
    expect(remoteBundle('https://host.example/..%2F..%2Fetc', HASH).file).toBe('.._.._etc');
  });

  it.each([
    ['words', 'run.zip', HASH, 'is no web address'],
    ['http', 'http://host.example/run.zip', HASH, 'is no https address'],
    ['a script', 'javascript:alert(1)', HASH, 'is no https address'],
    ['a file', 'file:///etc/passwd', HASH, 'is no https address'],
    ['a password', 'https://me:secret@host.example/run.zip', HASH, 'holds a name or a password'],
    ['no hash', 'https://host.example/run.zip', '', 'needs the sha-256'],
    ['a short hash', 'https://host.example/run.zip', HASH.slice(1), 'needs the sha-256'],
  ])('%s is refused', (_, address, hash, words) => {
    expect(() => remoteBundle(address, hash)).toThrow(RemoteBundleError);
    expect(() => remoteBundle(address, hash)).toThrow(words);
  });
});

describe('a bundle that is fetched', () => {
  it('comes with its progress, and the host learns nothing of who asks', async () => {
    let headers = {};
    const address = await host((request, response) => {
      headers = request.headers;
      response.writeHead(200, { 'content-length': BYTES.length }).end(BYTES);
    });
    const heard: (number | null)[][] = [];
    const bytes = await fetchBundle(remoteBundle(address, HASH), { onBytes: (...now) => heard.push(now) });
    expect(Buffer.from(bytes)).toEqual(BYTES);
    expect(heard.at(-1)).toEqual([BYTES.length, BYTES.length]);
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['cookie']));
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['referer']));
  });

  it.each<[string, RequestListener, RegExp]>([
    [
      'another file',
      (_, response) => response.end('something else'),
      /its sha-256 is \w{64}, not \w{64}\. Nothing of it was read/,
    ],
    ['an error', (_, response) => response.writeHead(404).end(), /HTTP 404/],
    ['no answer', (request) => request.socket.destroy(), /no answer that may be read here/],
    [
      'a file announced too large',
      (_, response) => response.writeHead(200, { 'content-length': 1e9 }).write('PK'),
      /holds more than 0\.001 MB/,
    ],
    ['a file that turns out too large', (_, response) => void flood(response), /holds more than 0\.001 MB/],
    [
      'a file that is cut',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 }).write('PK');
        setTimeout(() => response.socket?.destroy(), 20);
      },
      /broke off after \d+ (of 100 )?bytes/,
    ],
    ['a host that falls silent', (_, response) => response.writeHead(200).write('PK'), /said nothing for 0\.2 s/],
    ['a host that never speaks', () => {}, /said nothing for 0\.2 s/],
  ])('%s is refused', async (_, answer, words) => {
    const bundle = remoteBundle(await host(answer), HASH);
    const silenceMs = /nothing/.test(words.source) && !/Nothing/.test(words.source) ? 200 : 30_000;
    const attempt = fetchBundle(bundle, { limit: 1_000, silenceMs });
    await expect(attempt).rejects.toThrow(RemoteBundleError);
    await expect(attempt).rejects.toThrow(words);
  });

  it('is given up when it is no longer wanted', async () => {
    const giveUp = new AbortController();
    const address = await host((_, response) => response.writeHead(200).write('PK'));
    const attempt = fetchBundle(remoteBundle(address, HASH), { signal: giveUp.signal, onBytes: () => giveUp.abort() });
    await expect(attempt).rejects.toThrow(/aborted/i);
  });
});

function flood(response: Parameters<RequestListener>[1]): void {
  response.writeHead(200);
  const more = (): void => {
    if (!response.destroyed) response.write(Buffer.alloc(500), () => setImmediate(more));
  };
  more();
}
