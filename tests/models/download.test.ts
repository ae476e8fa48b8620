/** Storing a model chunk by chunk, and everything that can go wrong on the way. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { downloadModel, type DownloadOptions } from '../../src/models/download';
import {
  HashMismatchError,
  ModelBusyError,
  ModelStorageFullError,
  OfflineError,
  RateLimitError,
  StoredModelError,
  TransferError,
} from '../../src/models/errors';
import { hubTransport, resolveHubModel, type HubOptions } from '../../src/models/hub';
import { listStoredModels, openStoredModel } from '../../src/models/library';
import { totalBytes, type ModelManifest } from '../../src/models/manifest';
import type { DownloadProgress } from '../../src/models/progress';
import { MANIFEST, MemoryChunkStore, storedParts } from '../../src/models/store';
import { HubServer, pageFetch, type Fault, type HubRequest } from './hubServer';
import { CHUNK, PATIENT_MS, REPO, fastClock, openRepo, repoFiles } from './samples';

const hub = new HubServer();
beforeAll(() => hub.start());
afterAll(() => hub.stop());

let store: MemoryChunkStore;
let manifest: ModelManifest;
const hubOptions = (): HubOptions => ({
  endpoint: hub.endpoint,
  fetch: pageFetch,
  clock: fastClock(),
  answerMs: PATIENT_MS,
  chunkBytes: CHUNK,
});
beforeEach(async () => {
  hub.reset();
  hub.repos.set(REPO, openRepo());
  store = new MemoryChunkStore();
  manifest = await resolveHubModel(REPO, 'main', hubOptions());
  hub.reset();
});

function download(more: Partial<DownloadOptions> = {}): Promise<void> {
  const transport = hubTransport(hubOptions());
  return downloadModel(manifest, { store, transport, clock: fastClock(), stallMs: PATIENT_MS, ...more });
}

async function expectWhole(): Promise<void> {
  const model = await openStoredModel(store, manifest.id);
  const original = repoFiles();
  expect(model.paths).toHaveLength(5);
  for (const path of model.paths) expect(await model.read(path)).toEqual(original.get(path));
}

/** The first `times` requests that match fail. */
function failing(
  fault: Fault,
  times: number,
  matches: (request: HubRequest) => boolean = ({ place }) => place === 'cdn',
) {
  hub.fault = (request) => (matches(request) && times-- > 0 ? fault : null);
}

describe('downloadModel', () => {
  it('stores every file, checked, each byte fetched once', async () => {
    await download();
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest));
    await download();
    expect(hub.sentBytes).toBe(totalBytes(manifest));
  });

  it('asks for several ranges at once', async () => {
    let atOnce = 0;
    let most = 0;
    const transport = hubTransport(hubOptions());
    await download({
      transport: {
        async open(...asked) {
          most = Math.max(most, ++atOnce);
          return transport.open(...asked).finally(() => atOnce--);
        },
      },
    });
    expect(most).toBe(4);
    const ranges = hub.requests.filter(({ place, path }) => place === 'cdn' && path === 'model.safetensors');
    expect(ranges.length).toBe(6);
    expect(ranges.every(({ range }) => range !== null)).toBe(true);
  });

  it('sends the token to the hub and not to where it redirects', async () => {
    hub.repos.set(REPO, { ...openRepo(), token: 'hf_secret' });
    const options = { ...hubOptions(), token: 'hf_secret' };
    manifest = await resolveHubModel(REPO, 'main', options);
    await download({ transport: hubTransport(options) });
    await expectWhole();
    const sentTo = (place: string) =>
      new Set(hub.requests.filter((r) => r.place === place).map((r) => r.authorization));
    expect(sentTo('hub')).toEqual(new Set(['Bearer hf_secret']));
    expect(hub.requests.some(({ place }) => place === 'cdn')).toBe(true);
    expect(sentTo('cdn')).toEqual(new Set([undefined]));
    expect(JSON.stringify([...store.folders])).not.toContain('hf_secret');
  });

  it('sends no token to another server that a stored manifest names', async () => {
    const transport = hubTransport({ endpoint: 'https://hub.example', token: 'hf_secret' });
    await download({ transport });
    expect(hub.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  const passing: [string, Fault][] = [
    ['a cut connection', { kind: 'cut', after: 1500 }],
    ['a connection cut before the first byte', { kind: 'cut', after: 0 }],
    ['a wrong length', { kind: 'short', by: 100 }],
    ['a wrong range', { kind: 'shifted' }],
    ['a server error', { kind: 'status', status: 502 }],
    ['a signed address that ran out', { kind: 'status', status: 403 }],
    ['a rate limit', { kind: 'status', status: 429, headers: { 'retry-after': '2' } }],
  ];
  it.each(passing)('gets over %s without fetching a byte again', async (_name, fault) => {
    failing(fault, 5);
    await download();
    await expectWhole();
    // What a wrong answer carried was thrown away; what a cut one carried was kept.
    const wasted = fault.kind === 'short' || fault.kind === 'shifted';
    if (!wasted) expect(hub.sentBytes).toBe(totalBytes(manifest));
  });

  it('takes a transfer without bytes for cut', async () => {
    failing({ kind: 'stall', after: 700 }, 2);
    await download({ stallMs: 200_000 });
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest));
  });

  // A body that is longer than what was asked for ends inside a chunk, at its end, or chunks behind the file.
  const excess = [1, CHUNK - 77, CHUNK, 3 * CHUNK + 5, 400_000];
  it.each(excess)('drops %i bytes that a server sends behind those asked for', async (by) => {
    hub.fault = ({ place }) => (place === 'cdn' || place === 'cache' ? { kind: 'excess', by } : null);
    await download();
    await expectWhole();
    store = new MemoryChunkStore();
    hub.fault = ({ place }) => (place === 'cdn' || place === 'cache' ? { kind: 'endless' } : null);
    await download();
    await expectWhole();
  });

  it.each([1, 600, 5 * CHUNK, 400_000])('takes a portal’s page of %i bytes for no file', async (bytes) => {
    failing({ kind: 'portal', bytes }, Infinity);
    await expect(download()).rejects.toThrow(/not what was announced|several times in a row/);
    await expect(openStoredModel(store, manifest.id)).rejects.toThrow(StoredModelError);
    hub.reset();
    await download();
    await expectWhole();
  });

  it('takes a page in place of a later part for a server without ranges, and never for the part', async () => {
    failing({ kind: 'portal', bytes: 3000 }, Infinity, ({ range }) => (range?.from ?? 0) >= 8 * CHUNK);
    await download();
    await expectWhole();
  });

  const wrongLengths: [string, Fault][] = [
    ['announces more than it sends', { kind: 'lie', by: 100 }],
    ['announces less than it sends', { kind: 'lie', by: -100 }],
    ['sends nothing', { kind: 'empty' }],
    ['announces more than was asked for', { kind: 'excess', by: 5, declared: true }],
    ['never ends its headers', { kind: 'endless-headers' }],
    ['sends one byte at a time', { kind: 'trickle', ms: 5, after: Infinity }],
    ['breaks off after every few bytes', { kind: 'trickle', ms: 1, after: 3 }],
  ];
  it.each(wrongLengths)(
    'gets over a server that %s now and then, and gives up one that goes on so',
    async (_, fault) => {
      failing(fault, 3);
      await download({ stallMs: 100_000 });
      await expectWhole();
      store = new MemoryChunkStore();
      failing(fault, Infinity);
      await expect(download({ stallMs: 100_000 })).rejects.toThrow(/cannot be reached|several times in a row/);
      await expect(openStoredModel(store, manifest.id)).rejects.toThrow(StoredModelError);
    },
  );

  it('gives up a stream of empty pieces, and hears Cancel between them', async () => {
    const transport = {
      open: async () => ({
        start: 0,
        stream: new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(0)) }),
      }),
    };
    await expect(download({ transport, stallMs: 20_000 })).rejects.toThrow(/nothing arrived for 20 s/);
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(), 30);
    await expect(download({ transport, signal: cancel.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('makes do with a server that does not do ranges, and does not store a chunk twice', async () => {
    const writes: string[] = [];
    const write = store.write.bind(store);
    store.write = (model, name, bytes) => (writes.push(name), write(model, name, bytes));
    let cuts = 3;
    hub.fault = ({ place, range }) => {
      if (place !== 'cdn') return null;
      return range === null && cuts-- > 0 ? { kind: 'cut', after: 3 * CHUNK + 10 } : { kind: 'no-ranges' };
    };
    await download();
    await expectWhole();
    expect(new Set(writes).size).toBe(writes.length);
  });

  it('gives up after several failures in a row, and says why', async () => {
    const fails = async (fault: Fault, error: new (...args: never[]) => Error, message: RegExp) => {
      failing(fault, Infinity);
      const attempt = download();
      await expect(attempt).rejects.toThrow(error);
      await expect(attempt).rejects.toThrow(message);
    };
    await fails({ kind: 'status', status: 500 }, TransferError, /HTTP 500.*what was downloaded so far is kept/);
    await fails({ kind: 'short', by: 1 }, TransferError, /the server sen(ds|t)/);
    await fails({ kind: 'status', status: 429 }, RateLimitError, /limits requests/);
    failing({ kind: 'status', status: 500 }, 0);
    await hub.stop();
    await expect(download()).rejects.toThrow(OfflineError);
    await hub.start();
    manifest = { ...manifest, endpoint: hub.endpoint };
    await download();
    await expectWhole();
  });

  it('fetches a file with the wrong hash once more, then drops it and says so', async () => {
    const weights = ({ place, path }: HubRequest) => place === 'cdn' && path === 'model.safetensors';
    failing({ kind: 'corrupt' }, 1, weights);
    await download();
    await expectWhole();

    store = new MemoryChunkStore();
    failing({ kind: 'corrupt' }, Infinity, weights);
    const attempt = download();
    await expect(attempt).rejects.toThrow(HashMismatchError);
    await expect(attempt).rejects.toThrow(/llama-tiny\/model\.safetensors: the content is not what was announced/);
    await expect(openStoredModel(store, manifest.id)).rejects.toThrow(StoredModelError);
    const { chunks } = await storedParts(store, manifest);
    expect([...chunks.values()].some(({ path }) => path === 'model.safetensors')).toBe(false);
    expect([...chunks.values()].some(({ path }) => path === 'tokenizer.json')).toBe(true);
  });

  it('finds wrong content in small files too', async () => {
    failing({ kind: 'corrupt' }, Infinity, ({ path }) => path === 'tokenizer_config.json');
    await expect(download()).rejects.toThrow(HashMismatchError);
  });

  it('fetches only the chunk again that the storage damaged', async () => {
    const write = store.write.bind(store);
    let damages = 1;
    store.write = (model, name, bytes) =>
      write(
        model,
        name,
        name.startsWith('model.safetensors~7~') && damages-- > 0 ? bytes.slice().fill(0, 5, 9) : bytes,
      );
    await download();
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest) + CHUNK);
  });

  it('calls a storage unusable that damages everything', async () => {
    const write = store.write.bind(store);
    store.write = (model, name, bytes) =>
      write(model, name, name.startsWith('model.safetensors~7~') ? bytes.slice().fill(0, 5, 9) : bytes);
    await expect(download()).rejects.toThrow(/does not return what was written/);
  });

  it('stops at a full disk with what is stored, and goes on when there is room', async () => {
    const write = store.write.bind(store);
    let room = 12;
    store.write = async (model, name, bytes) => {
      if (bytes.length > 0 && room-- <= 0) throw new ModelStorageFullError(null, null);
      return write(model, name, bytes);
    };
    const attempt = download();
    await expect(attempt).rejects.toThrow(ModelStorageFullError);
    await expect(attempt).rejects.toThrow(/What was stored so far is kept/);
    const kept = (await storedParts(store, manifest)).bytes;
    expect(kept).toBeGreaterThan(6 * CHUNK);
    store.write = write;
    hub.sentBytes = 0;
    await download();
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest) - kept);
  });

  it('refuses before the first byte what does not fit, with both numbers', async () => {
    store.estimate = async () => ({ usedBytes: 90_000, quotaBytes: 100_000 });
    const error: unknown = await download().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ModelStorageFullError);
    expect(error).toMatchObject({ neededBytes: totalBytes(manifest), freeBytes: 10_000 });
    expect(hub.requests).toEqual([]);
  });

  it('does not repeat an estimate of free bytes that a failed write disproved', async () => {
    store.estimate = async () => ({ usedBytes: 0, quotaBytes: 1e12 });
    const write = store.write.bind(store);
    store.write = async (model, name, bytes) => {
      if (bytes.length === CHUNK) throw new ModelStorageFullError(null, null);
      return write(model, name, bytes);
    };
    const error = (await download().catch((reason: unknown) => reason)) as ModelStorageFullError;
    expect(error).toMatchObject({ name: 'ModelStorageFullError', freeBytes: null });
    expect(error.neededBytes).toBeGreaterThan(40 * CHUNK);
    expect(error.message).not.toContain('free)');
  });

  it('goes on from its chunks when the manifest is cut short', async () => {
    failing({ kind: 'status', status: 500 }, Infinity, ({ range }) => (range?.from ?? 0) >= 8 * CHUNK);
    await expect(download()).rejects.toThrow(TransferError);
    const kept = (await storedParts(store, manifest)).bytes;
    await store.write(manifest.id, MANIFEST, new TextEncoder().encode('{"schema":1,"id":"tiny'));
    hub.reset();
    await download();
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest) - kept);
  });

  it('can be cancelled and goes on afterwards', async () => {
    const cancel = new AbortController();
    const onProgress = ({ doneBytes }: DownloadProgress) => doneBytes > 6 * CHUNK && cancel.abort();
    failing({ kind: 'stall', after: 2 * CHUNK + 100 }, 4);
    await expect(download({ signal: cancel.signal, onProgress })).rejects.toMatchObject({ name: 'AbortError' });
    const [listed] = await listStoredModels(store);
    expect(listed).toMatchObject({ complete: false, totalBytes: totalBytes(manifest) });
    expect(listed?.storedBytes).toBeGreaterThan(0);
    const kept = listed?.storedBytes as number;
    hub.sentBytes = 0;
    await download();
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest) - kept);
    await expect(download({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('lets one at a time work on a model', async () => {
    const first = download();
    await expect(download()).rejects.toThrow(ModelBusyError);
    await first;
  });

  it('goes on with chunks of another size than it would choose now', async () => {
    failing({ kind: 'status', status: 500 }, Infinity, ({ range }) => (range?.from ?? 0) >= 8 * CHUNK);
    await expect(download()).rejects.toThrow(TransferError);
    const kept = (await storedParts(store, manifest)).bytes;
    hub.reset();
    manifest = { ...manifest, chunkBytes: 4 * CHUNK };
    await download();
    await expectWhole();
    expect(hub.sentBytes).toBe(totalBytes(manifest) - kept);
  });

  it('reports bytes, speed and remaining time, in order', async () => {
    const reports: DownloadProgress[] = [];
    failing({ kind: 'cut', after: 100 }, 2);
    await download({ onProgress: (progress) => reports.push(progress) });
    const total = totalBytes(manifest);
    const phases = reports.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
    expect(phases.filter((phase) => phase !== 'waiting').at(0)).toBe('download');
    expect(phases).toContain('waiting');
    expect(phases.slice(-2)).toEqual(['verify', 'done']);
    const fetched = reports.filter(({ phase }) => phase === 'download').map(({ doneBytes }) => doneBytes);
    expect(fetched).toEqual(fetched.toSorted((a, b) => a - b));
    expect(reports.every(({ doneBytes, totalBytes }) => totalBytes === total && doneBytes <= total)).toBe(true);
    const timed = reports.filter(({ secondsLeft }) => secondsLeft !== null);
    expect(timed.length).toBeGreaterThan(0);
    expect(reports.at(-1)).toMatchObject({ phase: 'done', doneBytes: total });
  });
});
