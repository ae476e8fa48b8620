/**
 * Stores a model's files chunk by chunk, several ranges at once. Whatever interrupts it (a cut connection, a closed tab, a
 * full disk, Cancel), chunks stored by then are not fetched again. A model counts as stored only after every file was read
 * back and has the announced hash.
 */
import { smallest } from './chunks';
import { HashMismatchError, ModelStorageFullError, StoredModelError } from './errors';
import { chunkDigest, expectedHash, fileHash } from './hash';
import { chunkCount, totalBytes, type ModelFile, type ModelManifest } from './manifest';
import { ProgressMeter, type DownloadProgress } from './progress';
import { Pacer, type RetryOptions } from './retry';
import { fetchSpan, ServerWithoutRanges, type FileJob, type Span } from './span';
import { MANIFEST, chunkKey, chunkName, readManifest, storedParts, verifiedName, type ChunkStore } from './store';
import type { Transport } from './transport';

export interface DownloadOptions extends Omit<RetryOptions, 'onWait'> {
  store: ChunkStore;
  transport: Transport;
  /** Cancels: the download rejects with the signal's reason, what is stored stays. */
  signal?: AbortSignal;
  onProgress?: (progress: DownloadProgress) => void;
  /** Requests at the same time. */
  parallel?: number;
  /** A transfer without a byte for this long counts as cut. */
  stallMs?: number;
}

/** Chunks asked for in one request. */
const SPAN_CHUNKS = 8;
/** Rounds in which chunks may turn out damaged in the storage before it is called unusable. */
const DAMAGE_ROUNDS = 3;

/**
 * Downloads what is missing of a model, then checks it. Returns at once when it is stored already.
 *
 * @throws HashMismatchError, ModelStorageFullError, OfflineError, RateLimitError, TransferError, ModelAccessError and the
 *   other errors of ./errors; the signal's reason. In every case a later call goes on from what is stored.
 */
export async function downloadModel(wanted: ModelManifest, options: DownloadOptions): Promise<void> {
  options.signal?.throwIfAborted();
  await options.store.exclusive(wanted.id, async () => {
    const manifest = await adoptManifest(options.store, wanted);
    const download = new Download(manifest, options);
    try {
      await download.run();
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error instanceof ModelStorageFullError ? await download.fullError(error) : error;
    }
  });
}

/**
 * The chunk size of what is stored stays, so that its chunks can be used. A manifest whose writing was interrupted is
 * replaced: chunks say themselves what they are.
 */
async function adoptManifest(store: ChunkStore, wanted: ModelManifest): Promise<ModelManifest> {
  const stored = await readManifest(store, wanted.id).catch((error: unknown) => {
    if (error instanceof StoredModelError) return null;
    throw error;
  });
  const manifest = stored ? { ...wanted, chunkBytes: stored.chunkBytes, created: stored.created } : wanted;
  const text = JSON.stringify(manifest);
  if (stored === null || JSON.stringify(stored) !== text) {
    await store.write(wanted.id, MANIFEST, new TextEncoder().encode(text));
  }
  return manifest;
}

class Download {
  private readonly pacer: Pacer;
  private readonly meter: ProgressMeter;
  private readonly stop = new AbortController();
  private readonly mismatches = new Map<string, number>();

  constructor(
    private readonly manifest: ModelManifest,
    private readonly options: DownloadOptions,
  ) {
    this.pacer = new Pacer({ ...options, onWait: () => this.meter.waiting() });
    this.meter = new ProgressMeter(this.pacer.clock, options.onProgress ?? (() => {}));
  }

  async run(): Promise<void> {
    const { signal } = this.options;
    const cancel = () => this.stop.abort(signal?.reason);
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      for (let damaged = 0; ;) {
        await this.fetchMissing();
        const outcome = await this.verify();
        if (outcome === 'whole') break;
        if (outcome === 'damaged' && ++damaged === DAMAGE_ROUNDS) {
          throw new StoredModelError(
            `The storage does not return what was written to it (${this.manifest.repo}). Free disk space or restart the ` +
              'browser, then start the download again.',
          );
        }
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.meter.stop();
    }
    const total = totalBytes(this.manifest);
    this.meter.start('done', total, total);
  }

  /** The same error with numbers. The browser's estimate may claim room where a write just failed: it is left out then. */
  async fullError(error: ModelStorageFullError): Promise<ModelStorageFullError> {
    if (error.neededBytes !== null) return error;
    const needed = totalBytes(this.manifest) - (await storedParts(this.options.store, this.manifest)).bytes;
    const free = await this.freeBytes();
    return new ModelStorageFullError(needed, free !== null && free < needed ? free : null, { cause: error });
  }

  private async fetchMissing(): Promise<void> {
    const { store, parallel = 4 } = this.options;
    const parts = await storedParts(store, this.manifest);
    const total = totalBytes(this.manifest);
    const free = await this.freeBytes();
    // Better before the first byte than after the last that fits.
    if (free !== null && free < total - parts.bytes) throw new ModelStorageFullError(total - parts.bytes, free);

    const jobs = this.manifest.files.map((file): FileJob => {
      const all = Array.from({ length: chunkCount(file, this.manifest.chunkBytes) }, (_, chunk) => chunk);
      return {
        file,
        missing: new Set(all.filter((chunk) => !parts.chunks.has(chunkKey(file.path, chunk)))),
        ranged: true,
        busy: false,
      };
    });
    if (jobs.every(({ missing }) => missing.size === 0)) return;
    this.meter.start('download', parts.bytes, total);
    let failure: { error: unknown } | null = null;
    const worker = async () => {
      try {
        await this.work(jobs);
      } catch (error) {
        // The first failure counts; what the others throw follows from their being stopped.
        failure ??= { error };
        this.stop.abort(error);
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    if (failure !== null) throw (failure as { error: unknown }).error;
  }

  private async work(jobs: FileJob[]): Promise<void> {
    for (let span = claim(jobs); span !== null; span = claim(jobs)) {
      try {
        await fetchSpan(span, {
          manifest: this.manifest,
          transport: this.options.transport,
          pacer: this.pacer,
          signal: this.stop.signal,
          stallMs: this.options.stallMs ?? 30_000,
          received: (bytes) => this.meter.add(bytes),
          write: (file, chunk, bytes) => this.writeChunk(file, chunk, bytes),
        });
      } catch (error) {
        if (!(error instanceof ServerWithoutRanges)) throw error;
      } finally {
        for (const chunk of span.wanted) span.job.missing.add(chunk);
        if (!span.ranged) span.job.busy = false;
      }
    }
  }

  private async writeChunk(file: ModelFile, chunk: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const name = chunkName(file.path, chunk, await chunkDigest(bytes));
    await this.options.store.write(this.manifest.id, name, bytes);
  }

  /** Reads every unchecked file back. `damaged`: chunks were dropped that are not what was written; `wrong`: a whole file. */
  private async verify(): Promise<'whole' | 'damaged' | 'wrong'> {
    const { store } = this.options;
    const { verified, chunks } = await storedParts(store, this.manifest);
    const unchecked = this.manifest.files.filter(({ path }) => !verified.has(path));
    if (unchecked.length === 0) return 'whole';
    this.meter.start(
      'verify',
      0,
      unchecked.reduce((sum, { size }) => sum + size, 0),
    );
    let outcome: 'whole' | 'damaged' | 'wrong' = 'whole';
    for (const file of unchecked) {
      const hash = fileHash(file);
      const stored = Array.from({ length: chunkCount(file, this.manifest.chunkBytes) }, (_, chunk) =>
        chunks.get(chunkKey(file.path, chunk)),
      );
      for (const part of stored) {
        this.options.signal?.throwIfAborted();
        if (!part) throw new StoredModelError(`Stored parts of ${file.path} vanished. Start the download again.`);
        hash.update(await store.read(this.manifest.id, part.name));
        this.meter.add(part.size);
      }
      const actual = hash.digest();
      if (actual === expectedHash(file)) {
        await store.write(this.manifest.id, verifiedName(file), new Uint8Array(0));
      } else if (await this.dropDamaged(file, stored as { name: string; digest: string }[])) {
        outcome = outcome === 'wrong' ? outcome : 'damaged';
      } else {
        outcome = 'wrong';
        await this.dropFile(file, stored as { name: string }[], actual);
      }
    }
    return outcome;
  }

  /** Chunks whose content is not what was received; they alone are fetched again. */
  private async dropDamaged(file: ModelFile, stored: { name: string; digest: string }[]): Promise<boolean> {
    let dropped = false;
    for (const part of stored) {
      if ((await chunkDigest(await this.options.store.read(this.manifest.id, part.name))) === part.digest) continue;
      await this.options.store.remove(this.manifest.id, part.name);
      dropped = true;
    }
    return dropped;
  }

  /** The content was wrong as it arrived, nobody knows where: the whole file is fetched once more. */
  private async dropFile(file: ModelFile, stored: { name: string }[], actual: string): Promise<void> {
    for (const { name } of stored) await this.options.store.remove(this.manifest.id, name);
    const times = (this.mismatches.get(file.path) ?? 0) + 1;
    this.mismatches.set(file.path, times);
    if (times > 1) {
      const { repo, origin } = this.manifest;
      throw new HashMismatchError(`${repo}/${file.path}`, expectedHash(file), actual, origin);
    }
  }

  private async freeBytes(): Promise<number | null> {
    const estimate = await this.options.store.estimate();
    return estimate && Math.max(0, estimate.quotaBytes - estimate.usedBytes);
  }
}

/** Takes the next chunks to fetch: a run of neighbours, or all of a file whose server does not do ranges. */
function claim(jobs: FileJob[]): Span | null {
  const job = jobs.find(({ missing, ranged, busy }) => missing.size > 0 && (ranged || !busy));
  if (!job) return null;
  const wanted = new Set<number>();
  if (job.ranged) {
    const first = smallest(job.missing);
    for (let chunk = first; chunk < first + SPAN_CHUNKS && job.missing.has(chunk); chunk++) wanted.add(chunk);
  } else {
    for (const chunk of job.missing) wanted.add(chunk);
    job.busy = true;
  }
  for (const chunk of wanted) job.missing.delete(chunk);
  return { job, wanted, ranged: job.ranged };
}
