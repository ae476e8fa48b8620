/** Numbers and bodies from a hub: just within their bounds, and just above. */
import { describe, expect, it } from 'vitest';
import { FileError } from '../../src/engine/errors';
import { HUB_LIMITS, MODEL_LIMITS } from '../../src/engine/limits';
import { readBody } from '../../src/models/body';
import { HubAnswerError, StoredModelError, TransferError, UnsupportedModelError } from '../../src/models/errors';
import { openFolder } from '../../src/models/folder';
import { resolveHubModel } from '../../src/models/hub';
import { CHUNK_BYTES, parseManifest } from '../../src/models/manifest';
import { COMMIT, CONFIG, fastClock } from './samples';

const REPO = 'tiny/model';
const sha256 = 'a'.repeat(64);
const config = new TextEncoder().encode(JSON.stringify(CONFIG));

/** Asks a hub whose answer about the repository is this text, or a stream of so many bytes. */
function asking(answer: string | ReadableStream<Uint8Array>, file = new Response(config)) {
  return resolveHubModel(REPO, 'main', {
    clock: fastClock(),
    random: () => 0,
    fetch: async (url) => (String(url).includes('/api/') ? new Response(answer) : file),
  });
}

const sibling = (rfilename: string, size: number) => ({ rfilename, size, lfs: { sha256, size } });
const listing = (...siblings: object[]) => JSON.stringify({ id: REPO, sha: COMMIT, gated: false, siblings });

/** A stream that goes on for so many bytes, and counts what was taken of it. */
function body(bytes: number) {
  const piece = new Uint8Array(1 << 16).fill(0x20);
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent >= bytes) return controller.close();
      controller.enqueue(piece.subarray(0, Math.min(piece.length, bytes - sent)));
      sent += piece.length;
    },
  });
  return { stream, sent: () => sent };
}

describe('an answer of a hub', () => {
  it('is read up to its bound and no further', async () => {
    const { max } = HUB_LIMITS.answerBytes;
    // Blanks are no JSON, but they were read.
    await expect(asking(body(max).stream)).rejects.toThrow(/no JSON/);
    const endless = body(Infinity);
    await expect(asking(endless.stream)).rejects.toThrow(
      /67,108,865 bytes of an answer .* above the limit of 67,108,864/,
    );
    expect(endless.sent()).toBeLessThan(max + 1_000_000);
  });

  it('lists so many files and no more', async () => {
    const { max } = HUB_LIMITS.listedFiles;
    const files = Array.from({ length: max + 1 }, (_, i) => ({ rfilename: `f/${i}` }));
    await expect(asking(listing(...files.slice(1)))).rejects.toThrow(UnsupportedModelError);
    await expect(asking(listing(...files))).rejects.toThrow(
      /100,001 files in a repository are above the limit of 100,000/,
    );
  });

  it('names sizes that files have', async () => {
    const { max } = HUB_LIMITS.fileBytes;
    // Within the bound what is missed next is the configuration.
    await expect(asking(listing(sibling('model.safetensors', max)))).rejects.toThrow(UnsupportedModelError);
    const above = asking(listing(sibling('model.safetensors', max + 1)));
    await expect(above).rejects.toThrow(HubAnswerError);
    await expect(above).rejects.toThrow(/model\.safetensors: 500,000,000,001 bytes in a file are above the limit/);
  });

  it('with a configuration too large to read is refused before it is fetched', async () => {
    const { max } = MODEL_LIMITS.jsonBytes;
    await expect(asking(listing(sibling('config.json', max + 1)))).rejects.toThrow(
      /16,777,217 bytes of JSON are above/,
    );
    await expect(asking(listing(sibling('config.json', max)))).rejects.toThrow(TransferError);
  });

  it('with more than the file has is given up behind the file’s end', async () => {
    const bodies: ReturnType<typeof body>[] = [];
    const fetched: typeof fetch = async (url) => {
      if (String(url).includes('/api/')) return new Response(listing(sibling('config.json', 5000)));
      bodies.push(body(Infinity));
      return new Response(bodies.at(-1)!.stream);
    };
    const asked = resolveHubModel(REPO, 'main', { clock: fastClock(), random: () => 0, fetch: fetched });
    await expect(asked).rejects.toThrow(TransferError);
    expect(bodies.length).toBe(6);
    expect(Math.max(...bodies.map(({ sent }) => sent()))).toBeLessThan(400_000);
  });

  it('that is an error is read no further than its message goes', async () => {
    const endless = body(Infinity);
    const fetched: typeof fetch = async () => new Response(endless.stream, { status: 418 });
    await expect(resolveHubModel(REPO, 'main', { fetch: fetched })).rejects.toThrow(/HTTP 418/);
    expect(endless.sent()).toBeLessThan(HUB_LIMITS.errorBytes.max + 1_000_000);
  });
});

describe('a body', () => {
  const tooLong = () => new Error('too long');

  it('of the bound is read, of one byte more not', async () => {
    expect((await readBody(body(100_000).stream, 100_000, tooLong)).length).toBe(100_000);
    await expect(readBody(body(100_001).stream, 100_000, tooLong)).rejects.toThrow('too long');
    expect((await readBody(null, 0, tooLong)).length).toBe(0);
  });

  it('of empty pieces without end leaves a turn for whoever ends it', async () => {
    const end = new AbortController();
    const empty = new ReadableStream<Uint8Array>({
      start: (controller) => end.signal.addEventListener('abort', () => controller.error(new Error('ended'))),
      pull: (controller) => controller.enqueue(new Uint8Array(0)),
    });
    setTimeout(() => end.abort(), 20);
    await expect(readBody(empty, 10, tooLong)).rejects.toThrow('ended');
  });
});

describe('a stored manifest', () => {
  const manifest = (size: number, chunkBytes: number) =>
    JSON.stringify({
      schema: 1,
      id: 'x',
      origin: 'hub',
      repo: REPO,
      revision: COMMIT,
      requested: 'main',
      endpoint: 'https://hub.example',
      created: 0,
      chunkBytes,
      files: [{ path: 'model.safetensors', size, sha256, gitSha1: null }],
    });

  it('has files of so many parts and no more', () => {
    const { max } = HUB_LIMITS.chunks;
    expect(parseManifest(manifest(max, 1), 'x').files.length).toBe(1);
    expect(() => parseManifest(manifest(max + 1, 1), 'x')).toThrow(StoredModelError);
    expect(HUB_LIMITS.fileBytes.max / CHUNK_BYTES).toBeLessThan(max);
    expect(parseManifest(manifest(10, 64 << 20), 'x').chunkBytes).toBe(64 << 20);
    expect(() => parseManifest(manifest(10, (64 << 20) + 1), 'x')).toThrow(StoredModelError);
  });
});

it('a folder whose configuration is too large is refused before it is read', async () => {
  const sized = (size: number) => {
    const config = new Blob(['{']);
    Object.defineProperty(config, 'size', { value: size });
    return { name: 'big', files: new Map([['config.json', config]]) };
  };
  await expect(openFolder(sized(MODEL_LIMITS.jsonBytes.max))).rejects.toThrow(/is not JSON/);
  await expect(openFolder(sized(MODEL_LIMITS.jsonBytes.max + 1))).rejects.toThrow(FileError);
});
