/** Two hundred interruptions at random places: never a corrupt model, never a chunk fetched twice. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { downloadModel } from '../../src/models/download';
import { ModelStorageFullError, StoredModelError } from '../../src/models/errors';
import { hubTransport, resolveHubModel } from '../../src/models/hub';
import { openStoredModel } from '../../src/models/library';
import { chunkCount, totalBytes, type ModelManifest } from '../../src/models/manifest';
import { MemoryChunkStore, chunkKey, storedParts } from '../../src/models/store';
import { drawInt } from '../../src/random';
import { HubServer, pageFetch, type Fault } from './hubServer';
import { CHUNK, PATIENT_MS, REPO, fastClock, openRepo, shardedFiles, noise } from './samples';

const INTERRUPTIONS = 200;
const hub = new HubServer();
beforeAll(() => hub.start());
afterAll(() => hub.stop());

/** A store in a page that can be closed at any moment: after that, nothing of this page is written any more. */
class PageStore extends MemoryChunkStore {
  closed = false;
  /** Chunks that still fit. */
  room = Infinity;

  constructor(disk: MemoryChunkStore['folders']) {
    super();
    Object.assign(this, { folders: disk });
  }

  override async write(model: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    // A write takes a while, and the page may be gone before it ends.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.closed) return new Promise(() => {});
    if (bytes.length > 0 && this.room-- <= 0) throw new ModelStorageFullError(null, null);
    return super.write(model, name, bytes);
  }
}

const DRAW = { seed: 20260101, stream: 98 };
let drawn = 0;
const draw = (n: number): number => drawInt(DRAW, drawn++, n);

interface Tally {
  cut: number;
  refused: number;
  wrong: number;
  cancelled: number;
  reloaded: number;
  full: number;
}

/** Faults on about every eighth transfer until the budget is used up. */
function disturb(tally: Tally, budget: { left: number }): void {
  hub.fault = ({ place }): Fault | null => {
    if (place === 'api' || budget.left <= 0 || draw(8) > 0) return null;
    budget.left--;
    // A redirect has no content that could be cut or wrong.
    switch (place === 'hub' ? 2 + draw(2) : draw(5)) {
      case 0:
      case 1:
        tally.cut++;
        return { kind: 'cut', after: draw(6 * CHUNK) };
      case 2:
        tally.refused++;
        return { kind: 'status', status: 429, headers: { 'retry-after': String(1 + draw(3)) } };
      case 3:
        tally.refused++;
        return { kind: 'status', status: [500, 502, 503, 504][draw(4)] as number };
      default:
        tally.wrong++;
        return draw(2) === 0 ? { kind: 'short', by: 1 + draw(CHUNK) } : { kind: 'shifted' };
    }
  };
}

/** One visit to the page: begins (or goes on with) the download; ends by itself or by what is drawn. */
async function visit(
  manifest: ModelManifest,
  disk: MemoryChunkStore['folders'],
  tally: Tally,
  budget: { left: number },
) {
  const store = new PageStore(disk);
  const end = new AbortController();
  const way = budget.left > 0 ? draw(4) : 3;
  const after = 1 + draw(12);
  if (way === 0) store.room = after;
  let reports = 0;
  const onProgress = () => {
    if (++reports !== after || way > 2 || way === 0) return;
    store.closed = way === 2;
    end.abort();
  };
  const transport = hubTransport({ endpoint: hub.endpoint, fetch: pageFetch });
  const options = { store, transport, onProgress, signal: end.signal, clock: fastClock(), stallMs: PATIENT_MS };
  // A closed page's calls never come back; the visit is over when it is closed.
  const closed = new Promise<void>((resolve) =>
    end.signal.addEventListener('abort', () => store.closed && setTimeout(resolve, 5)),
  );
  const outcome = await Promise.race([
    downloadModel(manifest, { ...options, attempts: 20 }).then(
      () => 'done',
      (error: unknown) => error,
    ),
    closed.then(() => 'closed'),
  ]);
  if (outcome === 'done') return true;
  budget.left--;
  if (outcome === 'closed') tally.reloaded++;
  else if (outcome instanceof ModelStorageFullError) tally.full++;
  else if (end.signal.aborted) tally.cancelled++;
  else throw outcome;
  return false;
}

describe('a download that is interrupted again and again', () => {
  it(`ends in the same bytes after ${INTERRUPTIONS} interruptions, each chunk stored once`, async () => {
    const files = shardedFiles();
    files.set('model-00001-of-00002.safetensors', noise(90 * CHUNK + 13, 7));
    files.set('model-00002-of-00002.safetensors', noise(60 * CHUNK, 8));
    hub.repos.set(REPO, openRepo(files));
    const manifest = await resolveHubModel(REPO, 'main', { endpoint: hub.endpoint, chunkBytes: CHUNK });
    const tally: Tally = { cut: 0, refused: 0, wrong: 0, cancelled: 0, reloaded: 0, full: 0 };
    const budget = { left: INTERRUPTIONS };
    let models = 0;
    let visits = 0;
    while (budget.left > 0) {
      const disk: MemoryChunkStore['folders'] = new Map();
      disturb(tally, budget);
      for (let done = false; !done; visits++) {
        const before = await storedParts(new PageStore(disk), manifest);
        hub.requests.length = 0;
        done = await visit(manifest, disk, tally, budget);
        const after = await storedParts(new PageStore(disk), manifest);
        // Nothing is lost, and nothing that was there is asked for again.
        for (const [key, { name }] of before.chunks) expect(after.chunks.get(key)?.name).toBe(name);
        for (const { place, path, range } of hub.requests) {
          if (place !== 'cdn') continue;
          const { from, to } = range ?? { from: 0, to: (files.get(path) as Uint8Array).length };
          for (let chunk = Math.floor(from / CHUNK); chunk * CHUNK < to; chunk++) {
            expect(before.chunks.has(chunkKey(path, chunk))).toBe(false);
          }
        }
        for (const [path, bytes] of chunkContents(disk, manifest)) {
          expect(Buffer.from(files.get(path) as Uint8Array).indexOf(bytes)).toBeGreaterThanOrEqual(0);
        }
        const opened = openStoredModel(new PageStore(disk), manifest.id);
        if (!done) await expect(opened).rejects.toThrow(StoredModelError);
      }
      models++;
      const model = await openStoredModel(new PageStore(disk), manifest.id);
      for (const { path } of manifest.files) {
        expect(Buffer.compare(await model.read(path), files.get(path) as Uint8Array)).toBe(0);
      }
      const stored = [...(disk.get(manifest.id) as Map<string, Uint8Array>).values()];
      const chunks = manifest.files.reduce((sum, file) => sum + chunkCount(file, CHUNK), 0);
      expect(stored.length).toBe(chunks + manifest.files.length + 1);
    }
    const happened = Object.values(tally).reduce((a, b) => a + b, 0);
    expect(happened).toBeGreaterThanOrEqual(INTERRUPTIONS);
    for (const times of Object.values(tally)) expect(times).toBeGreaterThan(4);
    expect(visits).toBeGreaterThan(models);
    expect(totalBytes(manifest)).toBeGreaterThan(150 * CHUNK);
  });
});

/** Content of the stored chunks, by file; each must have the digest in its name. */
function chunkContents(disk: MemoryChunkStore['folders'], manifest: ModelManifest): [string, Uint8Array][] {
  const contents: [string, Uint8Array][] = [];
  for (const [name, bytes] of disk.get(manifest.id) ?? []) {
    const [path, chunk, digest] = name.split('~');
    if (digest === undefined || chunk === 'verified') continue;
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
    contents.push([path as string, bytes]);
  }
  return contents;
}
