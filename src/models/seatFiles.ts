/**
 * Models for runtimes beside the engine, from the hub or a mirror into the store: every file has the length and the hash that the hub
 * lists before a runtime sees it. Interrupted downloads go on where they stopped; what is stored completely is not asked for again.
 */
import * as v from 'valibot';
import { parseJson } from '../engine/source';
import { readBody } from './body';
import { downloadModel } from './download';
import {
  HubAnswerError,
  ModelAccessError,
  ModelNameError,
  ModelNotFoundError,
  OfflineError,
  SeatAccessError,
  TransferError,
  UnsupportedModelError,
} from './errors';
import { chunkDigest } from './hash';
import { hubFiles, hubTransport, type HubOptions } from './hub';
import { listStoredModels } from './library';
import type { ModelFile, ModelManifest } from './manifest';
import { onnxFiles } from './onnxFiles';
import type { DownloadProgress } from './progress';
import { Pacer, rateLimited, retryAfterMs, Transient, withinTime } from './retry';
import type { ChunkStore } from './store';
import type { Transport } from './transport';

export interface SeatFilesOptions extends Omit<HubOptions, 'endpoint' | 'ignore'> {
  store: ChunkStore;
  onProgress?: (progress: DownloadProgress) => void;
}

/** What a seat names. */
export interface SeatModel {
  /** As the setting `seats` names the runtime: what is stored under it is taken again. */
  name: string;
  /** SITE/owner/name, or SITE/owner/name/resolve/REVISION. */
  address: string;
}

/** Name of a library beside the files of its model. */
export const LIBRARY_FILE = 'library.wasm';
export const TENSORS_FILE = 'tensor-cache.json';
export const CHAT_FILE = 'mlc-chat-config.json';

/** Bytes of a library at most; those of the prebuilt list have 4 to 9 million. */
const MOST_LIBRARY = 64 * 2 ** 20;
const LIBRARY_MS = 120_000;

const tensors = v.object({
  records: v.array(v.object({ dataPath: v.string(), nbytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) })),
});
const chat = v.object({ tokenizer_files: v.array(v.string()) });

/** @returns its id in the store @throws as `downloadModel` and `inspectHubModel`; UnsupportedModelError where files are missing */
export function storeOnnx(model: SeatModel, dtype: string, options: SeatFilesOptions): Promise<string> {
  return stored('transformers', model, options, async ({ repo, revision, endpoint }) => {
    const manifest = await hubFiles(repo, revision, { ...options, endpoint }, async ({ files }) =>
      onnxFiles(repo, files, dtype),
    );
    manifest.id = `${manifest.id}+onnx.${dtype}`;
    return { manifest, transport: hubTransport({ ...options, endpoint }) };
  });
}

/**
 * A model of web-llm and the library that computes it.
 * @returns its id in the store @throws as `storeOnnx`; HubAnswerError where the library is not there or none
 */
export function storeMlc(model: SeatModel & { library: string }, options: SeatFilesOptions): Promise<string> {
  return stored('web-llm', model, options, async ({ repo, revision, endpoint }) => {
    const manifest = await hubFiles(repo, revision, { ...options, endpoint }, ({ files }, read) =>
      mlcFiles(repo, files, read),
    );
    const library = await fetchLibrary(model.library, options);
    const sha256 = await chunkDigest(library);
    manifest.files = [...manifest.files, { path: LIBRARY_FILE, size: library.length, sha256, gitSha1: null }];
    manifest.id = `${manifest.id}+web-llm.${sha256.slice(0, 12)}`;
    const hub = hubTransport({ ...options, endpoint });
    const transport: Transport = {
      open: (...asked) => (asked[1].path === LIBRARY_FILE ? inMemory(library, asked[2]) : hub.open(...asked)),
    };
    return { manifest, transport };
  });
}

interface Place {
  repo: string;
  revision: string;
  endpoint: string;
}

async function stored(
  runtime: string,
  { name, address }: SeatModel,
  options: SeatFilesOptions,
  resolve: (place: Place) => Promise<{ manifest: ModelManifest; transport: Transport }>,
): Promise<string> {
  const there = (await listStoredModels(options.store)).find(
    ({ manifest, complete }) => complete && manifest?.seat?.runtime === runtime && manifest.seat.name === name,
  );
  if (there) return there.id;
  const place = placeOf(address);
  const { manifest, transport } = await resolve(place).catch((error: unknown) => {
    throw withoutToken(error, runtime, place);
  });
  manifest.seat = { runtime, name };
  await downloadModel(manifest, { ...options, transport });
  return manifest.id;
}

/** The error where a token would be needed: what can be done without one. Any other error as it is. */
function withoutToken(error: unknown, runtime: string, { repo, revision, endpoint }: Place): unknown {
  const page = `${endpoint}/${repo}`;
  const gated = error instanceof ModelAccessError && error.problem === 'token-missing';
  if (!gated && !(error instanceof ModelNotFoundError)) return error;
  const problem = gated ? 'is gated' : `is not at ${endpoint}, or it is private`;
  const first = gated ? `accept its licence at ${page}` : 'check the spelling (owner/name)';
  const at = revision === 'main' ? '' : ` --revision ${revision}`;
  const instead =
    runtime === 'transformers'
      ? `${first}, download it with the hub's own tool ("hf auth login", then "hf download ${repo}${at} --local-dir DIR"), ` +
        'and give the seat that folder: transformers:DIR on the command line; in the page open it under Models.'
      : `${first}, or choose a copy that everybody may download.`;
  return new SeatAccessError(repo, problem, instead, { cause: error });
}

function placeOf(address: string): Place {
  const { origin, pathname } = new URL(address);
  const [, repo = '', revision = 'main'] = /^\/([^/]+\/[^/]+)(?:\/resolve\/([^/]+))?\/?$/.exec(pathname) ?? [];
  if (repo === '') throw new ModelNameError(`${address} is not SITE/owner/name or SITE/owner/name/resolve/REVISION.`);
  return { repo, revision: decodeURIComponent(revision), endpoint: origin };
}

/** The model's own list names its shards with their lengths, which have to be those of the hub. */
async function mlcFiles(
  repo: string,
  files: ModelFile[],
  read: (path: string) => Promise<Uint8Array>,
): Promise<ModelFile[]> {
  const by = new Map(files.map((file) => [file.path, file]));
  if (!by.has(TENSORS_FILE) && by.has('ndarray-cache.json'))
    throw new UnsupportedModelError(
      repo,
      `it has ndarray-cache.json and no ${TENSORS_FILE}: it was made for web-llm before 0.2.80. Choose a newer copy of it.`,
    );
  for (const path of [CHAT_FILE, TENSORS_FILE]) if (!by.has(path)) throw missing(repo, path);
  const { tokenizer_files } = readFields(repo, CHAT_FILE, await read(CHAT_FILE), chat);
  const { records } = readFields(repo, TENSORS_FILE, await read(TENSORS_FILE), tensors);
  const tokenizer = ['tokenizer.json', 'tokenizer.model'].find((path) => tokenizer_files.includes(path));
  if (!tokenizer)
    throw new UnsupportedModelError(repo, `${CHAT_FILE} names neither tokenizer.json nor tokenizer.model.`);
  for (const path of [tokenizer, ...records.map(({ dataPath }) => dataPath)])
    if (!by.has(path)) throw missing(repo, path);
  for (const { dataPath, nbytes } of records) {
    const size = by.get(dataPath)?.size;
    if (size !== nbytes)
      throw new UnsupportedModelError(
        repo,
        `${dataPath} has ${size} bytes, and ${TENSORS_FILE} names ${nbytes}: it is cut short or of another version.`,
      );
  }
  const wanted = new Set([CHAT_FILE, TENSORS_FILE, tokenizer, ...records.map(({ dataPath }) => dataPath)]);
  return files.filter(({ path }) => wanted.has(path));
}

function missing(repo: string, path: string): UnsupportedModelError {
  return new UnsupportedModelError(
    repo,
    `${path} is missing, so it is no model of web-llm. Choose a repository that MLC made, as those of mlc-ai.`,
  );
}

function readFields<T extends v.GenericSchema>(
  repo: string,
  path: string,
  bytes: Uint8Array,
  schema: T,
): v.InferOutput<T> {
  const read = v.safeParse(schema, parseJson(bytes, `${repo}/${path}`), { abortEarly: true });
  if (read.success) return read.output;
  const place = read.issues[0].path?.map(({ key }) => String(key)).join('.') ?? 'it';
  throw new UnsupportedModelError(repo, `${path}: ${place} is not what a model of web-llm has there.`);
}

async function fetchLibrary(address: string, options: SeatFilesOptions): Promise<Uint8Array<ArrayBuffer>> {
  const pacer = new Pacer(options);
  const late = (): TransferError => new TransferError(address, `no answer within ${LIBRARY_MS / 1000} s`);
  const bytes = await pacer.run(
    () => withinTime(LIBRARY_MS, pacer.clock, options.signal, late, (signal) => fetchOnce(address, options, signal)),
    options.signal,
  );
  if (!WebAssembly.validate(bytes))
    throw new HubAnswerError(`${address}: what came is no WebAssembly, or only a part of it. Look at the address.`);
  return bytes;
}

async function fetchOnce(
  address: string,
  { fetch: ask = globalThis.fetch.bind(globalThis) }: SeatFilesOptions,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const { host } = new URL(address);
  try {
    const response = await ask(address, { signal, credentials: 'omit', referrerPolicy: 'no-referrer' });
    const { status, headers } = response;
    if (status === 429) throw rateLimited(host, headers);
    if (status >= 500) throw new Transient(new TransferError(address, `HTTP ${status}`), retryAfterMs(headers));
    if (!response.ok)
      throw new HubAnswerError(`${address}: there is no such file (HTTP ${status}). Look at the address.`);
    return await readBody(
      response.body,
      MOST_LIBRARY,
      () => new HubAnswerError(`${address} is too large for a library.`),
    );
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Transient || cause instanceof HubAnswerError) throw cause;
    throw new Transient(new OfflineError(host, { cause }));
  }
}

async function inMemory(bytes: Uint8Array<ArrayBuffer>, range: Parameters<Transport['open']>[2]) {
  const { from, to } = range ?? { from: 0, to: bytes.length };
  const stream = new Blob([bytes.subarray(from, to)]).stream();
  return { start: from, stream };
}
