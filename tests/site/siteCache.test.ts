/** The site's cache: what it keeps, what it answers, and what a version that cannot be had leaves behind. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { SiteFile, SiteList } from '../../src/site/list';
import { SiteCache, SiteFileError } from '../../src/site/siteCache';

const SCOPE = 'https://host.example/some/path/';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The Cache API's part that is used, in memory. */
class Caches {
  readonly all = new Map<string, Map<string, Response>>();
  has = (name: string) => Promise.resolve(this.all.has(name));
  keys = () => Promise.resolve([...this.all.keys()]);
  delete = (name: string) => Promise.resolve(this.all.delete(name));
  open = (name: string) => {
    const kept = this.all.get(name) ?? new Map<string, Response>();
    this.all.set(name, kept);
    return Promise.resolve({
      match: (key: string) => Promise.resolve(kept.get(key)?.clone()),
      put: (key: string, response: Response) => Promise.resolve(void kept.set(key, response)),
    });
  };
}

/** A host with these files, and a list of what each should be. */
function site(files: Record<string, string>, caches = new Caches(), lazy: readonly string[] = []) {
  const asked: string[] = [];
  const host = { files: { ...files }, online: true };
  const list: SiteFile[] = Object.entries(files).map(([path, text]) => ({
    path,
    sha256: sha256(text),
    ...(lazy.includes(path) && { lazy: true as const }),
  }));
  const all: SiteList = { version: sha256(JSON.stringify(list)).slice(0, 8), files: list };
  const fetch = (input: string | URL | Request): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    asked.push(url.slice(SCOPE.length));
    if (!host.online) return Promise.reject(new TypeError('no network'));
    const text = host.files[url.slice(SCOPE.length) || 'index.html'];
    return Promise.resolve(
      text === undefined
        ? new Response('missing', { status: 404 })
        : new Response(text, { headers: { 'content-type': 'text/plain', 'content-encoding': 'x', 'x-own': 'kept' } }),
    );
  };
  const cache = new SiteCache({ list: all, scope: SCOPE, caches: caches as unknown as CacheStorage, fetch });
  return { cache, caches, host, asked };
}

const FILES = { 'index.html': '<p>page</p>', 'assets/a.js': 'code', 'models/m/model.bin': '0123456789' };
const request = (path: string, init?: RequestInit) => new Request(`${SCOPE}${path}`, init);
const text = async (answer: Promise<Response> | null) => (await answer)?.text();

describe('a site that was visited once', () => {
  it('is answered without the host, under isolation', async () => {
    const { cache, host, asked } = site(FILES);
    await cache.install();
    expect(asked.sort()).toEqual(['', 'assets/a.js', 'models/m/model.bin']);
    host.online = false;
    asked.length = 0;
    for (const path of ['', 'index.html', '?utm=1'])
      expect(await text(cache.answer(request(path)))).toBe('<p>page</p>');
    const answer = await cache.answer(request('assets/a.js'));
    expect(Object.fromEntries(answer!.headers)).toEqual({
      'content-type': 'text/plain',
      'content-length': '4',
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-opener-policy': 'same-origin',
      'x-own': 'kept',
    });
    expect(asked).toEqual([]);
  });

  it('answers ranges and HEAD as a host does', async () => {
    const { cache, host } = site(FILES);
    await cache.install();
    host.online = false;
    const ranged = async (range: string) => cache.answer(request('models/m/model.bin', { headers: { range } }));
    const part = await ranged('bytes=2-4');
    expect([part!.status, part!.headers.get('content-range'), await part!.text()]).toEqual([
      206,
      'bytes 2-4/10',
      '234',
    ]);
    const rest = await ranged('bytes=7-');
    expect([rest!.headers.get('content-range'), await rest!.text()]).toEqual(['bytes 7-9/10', '789']);
    const over = await ranged('bytes=8-99');
    expect([over!.headers.get('content-range'), await over!.text()]).toEqual(['bytes 8-9/10', '89']);
    expect((await ranged('bytes=10-11'))!.status).toBe(416);
    const head = await cache.answer(request('models/m/model.bin', { method: 'HEAD' }));
    expect([head!.status, head!.headers.get('content-length'), await head!.text()]).toEqual([200, '10', '']);
  });

  it('knows without a network that a folder of its own has no other file, and of nothing else', async () => {
    const { cache, host } = site(FILES);
    await cache.install();
    host.online = false;
    expect((await cache.answer(request('models/m/other.json', { method: 'HEAD' })))!.status).toBe(404);
    await expect(cache.answer(request('elsewhere/x.json'))).rejects.toThrow('no network');
  });

  it('leaves other origins, other sites of the origin and what is no reading to the browser', async () => {
    const { cache } = site(FILES);
    expect(cache.answer(new Request('https://hub.example/some/path/index.html'))).toBe(null);
    expect(cache.answer(new Request('https://host.example/some/other/'))).toBe(null);
    expect(cache.answer(request('', { method: 'POST' }))).toBe(null);
  });

  it('keeps a lazy file when it is fetched, and fetches again what the browser threw out', async () => {
    const { cache, caches, host, asked } = site(FILES, new Caches(), ['assets/a.js']);
    await cache.install();
    expect(asked.sort()).toEqual(['', 'models/m/model.bin']);
    expect(await text(cache.answer(request('assets/a.js')))).toBe('code');
    caches.all.get(cache.name)!.delete(SCOPE);
    expect(await text(cache.answer(request('')))).toBe('<p>page</p>');
    host.online = false;
    expect(await text(cache.answer(request('assets/a.js')))).toBe('code');
    expect(await text(cache.answer(request('')))).toBe('<p>page</p>');
  });

  it('does not keep a lazy file that is another one by now', async () => {
    const { cache, caches, host } = site(FILES, new Caches(), ['assets/a.js']);
    await cache.install();
    host.files['assets/a.js'] = 'newer';
    expect(await text(cache.answer(request('assets/a.js')))).toBe('newer');
    expect([...caches.all.get(cache.name)!.keys()]).not.toContain(`${SCOPE}assets/a.js`);
  });
});

describe('a newer version', () => {
  const NEWER = { ...FILES, 'index.html': '<p>new</p>', 'assets/b.js': 'new code' };

  it('fetches what is new, and still answers pages of the older one until they are gone', async () => {
    const caches = new Caches();
    await site(FILES, caches).cache.install();
    const { 'assets/a.js': _, ...files } = NEWER;
    const { cache, asked } = site(files, caches);
    await cache.install();
    expect(asked.sort()).toEqual(['', 'assets/b.js']);
    expect(await text(cache.answer(request('')))).toBe('<p>new</p>');
    expect(await text(cache.answer(request('assets/a.js')))).toBe('code');
    await cache.tidy();
    expect([...caches.all.keys()]).toEqual([cache.name]);
    expect((await cache.answer(request('assets/a.js')))!.status).toBe(404);
  });

  it.each([
    ['a file is another one than the list names', (files: Record<string, string>) => void (files['assets/b.js'] = 'x')],
    ['a file is missing', (files: Record<string, string>) => void delete files['assets/b.js']],
  ])('leaves the older one alone when %s', async (_, change) => {
    const caches = new Caches();
    const older = site(FILES, caches);
    await older.cache.install();
    const { cache, host } = site(NEWER, caches);
    change(host.files);
    await expect(cache.install()).rejects.toThrow(SiteFileError);
    expect([...caches.all.keys()]).toEqual([older.cache.name]);
    older.host.online = false;
    expect(await text(older.cache.answer(request('')))).toBe('<p>page</p>');
  });

  it('leaves caches of other sites and of other programs alone', async () => {
    const caches = new Caches();
    await caches.open('polylogue-site /some/other/ 12');
    await caches.open('theirs');
    const { cache } = site(FILES, caches);
    await cache.install();
    await cache.tidy();
    expect([...caches.all.keys()]).toEqual(['polylogue-site /some/other/ 12', 'theirs', cache.name]);
  });
});
