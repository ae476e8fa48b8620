/** Downloads from a hub whose every answer may be wrong: each ends in a model that is right, or in a typed error. */
import { PolylogueError } from '../../src/engine/errors';
import { downloadModel } from '../../src/models/download';
import { hubTransport, resolveHubModel } from '../../src/models/hub';
import { openStoredModel } from '../../src/models/library';
import { systemClock, type Clock } from '../../src/models/retry';
import type { ModelManifest } from '../../src/models/manifest';
import { MemoryChunkStore } from '../../src/models/store';
import { HubServer, pageFetch, type Fault } from '../../tests/models/hubServer';
import { CHUNK, fastClock, openRepo, REPO, repoFiles } from '../../tests/models/samples';
import { memoryFigures, residentMiB } from './memory';
import type { SoakOptions, SoakOutcome } from './result';
import type { Rng } from './rng';

/** A download that takes longer hangs. */
const HANG_MS = 120_000;
/** On the fast clock: 150 ms without progress. */
const STALL_MS = 150_000;

const FAULTS: readonly ((rng: Rng) => Fault)[] = [
  (rng) => ({ kind: 'cut', after: rng.int(6 * CHUNK) }),
  (rng) => ({ kind: 'stall', after: rng.int(3 * CHUNK) }),
  () => ({ kind: 'silence' }),
  (rng) => ({ kind: 'short', by: 1 + rng.int(CHUNK) }),
  () => ({ kind: 'shifted' }),
  () => ({ kind: 'corrupt' }),
  () => ({ kind: 'no-ranges' }),
  (rng) => ({ kind: 'status', status: rng.pick([403, 408, 416, 500, 502, 503]) }),
  () => ({ kind: 'status', status: 429, headers: { 'retry-after': '1' } }),
  // More than there is: inside a chunk, up to its end, chunks behind the file.
  (rng) => ({ kind: 'excess', by: 1 + rng.int(8 * CHUNK) }),
  (rng) => ({ kind: 'excess', by: 1 + rng.int(8 * CHUNK), declared: true }),
  () => ({ kind: 'endless' }),
  (rng) => ({ kind: 'portal', bytes: 1 + rng.int(60 * CHUNK) }),
  (rng) => ({ kind: 'lie', by: rng.int(400) - 200 }),
  () => ({ kind: 'empty' }),
  () => ({ kind: 'endless-headers' }),
  (rng) => ({ kind: 'trickle', ms: 1 + rng.int(4), after: 1 + rng.int(40) }),
];

/** One fault for some requests of a kind, for so many times or always. */
function disturb(hub: HubServer, rng: Rng, used: Set<string>): void {
  const fault = rng.pick(FAULTS)(rng);
  const always = rng.int(5) === 0;
  let left = always ? Infinity : 1 + rng.int(6);
  const share = 1 + rng.int(4);
  hub.fault = ({ place }) => {
    if (place === 'api' || left <= 0 || rng.int(share) > 0) return null;
    // A redirect has no content that could be cut or wrong.
    if (place === 'hub' && !['status', 'silence', 'portal', 'endless-headers'].includes(fault.kind)) return null;
    left--;
    used.add(fault.kind);
    return fault;
  };
}

async function isRight(store: MemoryChunkStore, manifest: ModelManifest): Promise<boolean> {
  const model = await openStoredModel(store, manifest.id);
  const original = repoFiles();
  for (const path of model.paths) {
    if (Buffer.compare(await model.read(path), original.get(path) as Uint8Array) !== 0) return false;
  }
  return true;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T | 'hang'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'hang'>((resolve) => (timer = setTimeout(resolve, ms, 'hang')));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

export async function soakDownloads({ count, say }: SoakOptions, rng: Rng): Promise<SoakOutcome> {
  const hub = new HubServer();
  await hub.start();
  hub.repos.set(REPO, openRepo());
  const options = { endpoint: hub.endpoint, fetch: pageFetch, clock: fastClock(), chunkBytes: CHUNK };
  // Undisturbed, so by a clock on which a busy machine has time to answer.
  const manifest = await resolveHubModel(REPO, 'main', { ...options, clock: systemClock });
  const outcomes: Record<string, number> = {};
  const add = (name: string) => (outcomes[name] = (outcomes[name] ?? 0) + 1);
  const faults: string[] = [];
  const samples: number[] = [];
  let [attempts, disturbed, lost, longestMs] = [0, 0, 0, 0];
  const download = (store: MemoryChunkStore, clock: Clock = fastClock()) =>
    downloadModel(manifest, { store, transport: hubTransport({ ...options, clock }), clock, stallMs: STALL_MS });
  try {
    while (disturbed < count) {
      hub.reset();
      const used = new Set<string>();
      disturb(hub, rng, used);
      const store = new MemoryChunkStore();
      const began = performance.now();
      const end = await within(
        HANG_MS,
        download(store).then(
          () => 'verified',
          (error: unknown) => error,
        ),
      );
      longestMs = Math.max(longestMs, performance.now() - began);
      attempts++;
      if (used.size > 0) disturbed++;
      for (const kind of used) add(`fault ${kind}`);
      const complain = (what: string) => (
        lost++,
        faults.push(`attempt ${attempts} (${[...used].join(', ')}): ${what}`)
      );
      if (end === 'hang') {
        complain('did not end');
        break;
      }
      if (end === 'verified') {
        add('verified');
        if (!(await isRight(store, manifest))) complain('a wrong file was called good');
      } else {
        add(end instanceof PolylogueError ? end.constructor.name : 'untyped error');
        if (!(end instanceof PolylogueError)) complain(String(end));
        if (await isRight(store, manifest).catch(() => false)) add('whole in spite of an error');
        // What was stored is of use: an undisturbed download goes on from it.
        hub.reset();
        const again = await within(
          HANG_MS,
          download(store, systemClock).then(
            () => isRight(store, manifest),
            (error: unknown) => String(error),
          ),
        );
        if (again !== true) complain(`could not go on: ${again}`);
      }
      samples.push(residentMiB());
      if (attempts % 20 === 0) say(`downloads: ${disturbed} of ${count} disturbed`);
    }
  } finally {
    await hub.stop();
  }
  return {
    outcomes,
    attempts,
    lost,
    equal: faults.length === 0,
    memory: memoryFigures(samples),
    longestMs: Math.round(longestMs),
    faults,
  };
}
