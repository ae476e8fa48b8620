/**
 * The Hugging Face hub: which commit a revision is, which files it has with which sizes and hashes, and their content.
 * Interface: https://huggingface.co/docs/hub/api; error headers as huggingface_hub reads them (utils/_http.py).
 */
import type { ModelConfig } from '../engine/types';
import { aboveLimit, HUB_LIMITS, MODEL_LIMITS, type Limit } from '../engine/limits';
import { readBody } from './body';
import { HubAnswerError, ModelAccessError, ModelNameError, OfflineError, TransferError } from './errors';
import { expectedHash, fileHash } from './hash';
import { checkNames, isRepoName } from './hubName';
import { CHUNK_BYTES, isSmallFile, ROOT_OR_ONNX, type ModelFile, type ModelManifest } from './manifest';
import { checkConfig, neededFiles, noModel } from './neededFiles';
import { refusal } from './refusal';
import { Pacer, Transient, withinTime, type RetryOptions } from './retry';
import type { ByteRange, ByteStream, Transport } from './transport';

export const HUB = 'https://huggingface.co';
const ANSWER_MS = 30_000;

export interface HubOptions extends RetryOptions {
  /** Address of the hub or of a mirror with the same interface. */
  endpoint?: string;
  /** For gated models. Held in memory by the caller, sent to `endpoint` and nowhere else, never stored. */
  token?: string | null;
  fetch?: typeof fetch;
  signal?: AbortSignal;
  chunkBytes?: number;
  /** Keys of config.json to be left out; see `ConfigOptions`. */
  ignore?: readonly string[];
  /** An answer about a model that takes longer than this is asked for again. */
  answerMs?: number;
}

/** Where to ask, and as whom. */
export interface HubAccess {
  endpoint: string;
  token: string | null;
  fetch: typeof fetch;
}

/** A model on the hub before its weights are downloaded. */
export interface HubModel {
  manifest: ModelManifest;
  config: ModelConfig;
}

/** The manifest alone of what `inspectHubModel` finds. */
export async function resolveHubModel(
  repo: string,
  revision = 'main',
  options: HubOptions = {},
): Promise<ModelManifest> {
  return (await inspectHubModel(repo, revision, options)).manifest;
}

/**
 * Everything about a model before its weights are downloaded: the commit, the needed files with sizes and hashes, and
 * its shape, if this engine runs it (config.json is fetched and read; of a sharded model also the index).
 *
 * @param asked `owner/name`; the manifest has the hub's spelling, and the present name of a renamed repository
 * @param revision branch, tag or commit
 * @throws ModelNameError, ModelNotFoundError, RevisionNotFoundError, ModelAccessError, UnsupportedModelError,
 *   OfflineError, RateLimitError, TransferError, HubAnswerError
 */
export async function inspectHubModel(asked: string, revision = 'main', options: HubOptions = {}): Promise<HubModel> {
  let config: ModelConfig | undefined;
  const manifest = await hubFiles(asked, revision, options, async (found, read) => {
    const { repo, files } = found;
    if (!files.some(({ path }) => path === 'config.json')) throw noModel(repo, files);
    const { ignore = [] } = options;
    config = checkConfig(await read('config.json'), repo, { ignore });
    if (config.ignored) found.ignore = [...config.ignored];
    return neededFiles(repo, files, read);
  });
  return { manifest, config: config as ModelConfig };
}

/**
 * A repository's commit, and those of its files that are chosen.
 *
 * @param choose gets all that the hub lists with size and hash, in the root and in `onnx`; what it throws is passed on
 * @throws as `inspectHubModel`
 */
export async function hubFiles(
  asked: string,
  revision: string,
  options: HubOptions,
  choose: (found: ModelManifest, read: (path: string) => Promise<Uint8Array>) => Promise<ModelFile[]>,
): Promise<ModelManifest> {
  checkNames(asked, revision);
  const access = hubAccess(options);
  const pacer = new Pacer(options);
  /** Requests of which each has its time, and several attempts. */
  const ask = <T>(name: string, request: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const { signal, answerMs = ANSWER_MS } = options;
    const late = () => new TransferError(name, `no answer within ${answerMs / 1000} s`);
    return pacer.run(() => withinTime(answerMs, pacer.clock, signal, late, request), signal);
  };
  const url = `${access.endpoint}/api/models/${asked}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const info = await ask(asked, (signal) => fetchJson(access, url, asked, revision, signal));
  const { repo, commit, files } = readInfo(info, asked, access);
  const manifest: ModelManifest = {
    schema: 1,
    id: `${repo}@${commit}`,
    origin: 'hub',
    repo,
    revision: commit,
    requested: revision,
    endpoint: access.endpoint,
    created: Date.now(),
    chunkBytes: options.chunkBytes ?? CHUNK_BYTES,
    files,
  };
  const transport = hubTransport(options);
  manifest.files = await choose(manifest, (path) =>
    ask(`${repo}/${path}`, (signal) => readSmall(path, manifest, transport, signal)),
  );
  return manifest;
}

/** Content of files on the hub, at the manifest's commit. */
export function hubTransport(options: HubOptions = {}): Transport {
  return {
    async open(manifest, file, range, signal): Promise<ByteStream> {
      const access = hubAccess(options);
      // A stored manifest may name another server than the one the token is for.
      if (manifest.endpoint !== access.endpoint) Object.assign(access, { endpoint: manifest.endpoint, token: null });
      const { repo, revision } = manifest;
      const name = `${repo}/${file.path}`;
      const url = `${access.endpoint}/${repo}/resolve/${revision}/${file.path.split('/').map(encodeURIComponent).join('/')}`;
      // In this form a range needs no preflight, which the content network would refuse.
      const headers = range && { range: `bytes=${range.from}-${range.to - 1}` };
      const response = await request(access, url, signal, headers ?? {});
      if (response.status !== 200 && response.status !== 206) {
        throw await refusal(response, { access, repo, revision, file: name });
      }
      const problem = wrongAnswer(response, file, range);
      if (problem !== null || response.body === null) {
        await response.body?.cancel().catch(() => {});
        throw new Transient(new TransferError(name, problem ?? 'the answer has no content'));
      }
      return { start: response.status === 206 && range ? range.from : 0, stream: response.body };
    },
  };
}

/** What does not fit in an answer's headers; null when all that is there fits. */
function wrongAnswer(response: Response, file: ModelFile, range: ByteRange | null): string | null {
  const partial = response.status === 206;
  if (partial && range === null) return 'the server sent a part where the whole was asked for';
  // Readable only where the server allows it; the length and the hash decide in any case.
  const contentRange = response.headers.get('content-range');
  if (partial && range && contentRange !== null) {
    const expected = `bytes ${range.from}-${range.to - 1}/${file.size}`;
    if (contentRange.replace(/\/\*$/, `/${file.size}`) !== expected) {
      return `the server sent "${contentRange}", asked for was "${expected}"`;
    }
  }
  // Asked for as a whole, a file may come compressed, and its length is that of the compressed bytes; CORS keeps the
  // header that would say so from pages. Ranges never come compressed.
  const length = response.headers.get('content-length');
  if (length === null || range === null) return null;
  const expected = partial ? range.to - range.from : file.size;
  return Number(length) === expected ? null : `the server sends ${length} bytes, announced were ${expected}`;
}

/** @throws ModelNameError when the endpoint or the token cannot be used */
export function hubAccess(options: HubOptions): HubAccess {
  const endpoint = (options.endpoint ?? HUB).replace(/\/+$/, '');
  const token = options.token?.trim() || null;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw new ModelNameError(`"${endpoint}" is no web address.`);
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    throw new ModelNameError('The token has spaces or other characters that no token has. Copy it again.');
  }
  if (token !== null && url.protocol !== 'https:' && !/^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)) {
    throw new ModelNameError(`The token is not sent to ${endpoint}: the connection is not encrypted. Use https.`);
  }
  return { endpoint, token, fetch: options.fetch ?? globalThis.fetch.bind(globalThis) };
}

/**
 * One request. The token goes to the hub only: by the Fetch standard (HTTP-redirect fetch, step 13) the browser drops
 * Authorization when a redirect leads to another origin, as the hub's to its content network do.
 */
async function request(
  access: HubAccess,
  url: string,
  signal: AbortSignal | undefined,
  headers: Record<string, string> = {},
): Promise<Response> {
  try {
    return await access.fetch(url, {
      headers: access.token === null ? headers : { ...headers, authorization: `Bearer ${access.token}` },
      // Stored by us, chunk by chunk; the browser's own cache would keep a second copy.
      cache: 'no-store',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Transient(new OfflineError(new URL(access.endpoint).host, { cause }));
  }
}

async function fetchJson(
  access: HubAccess,
  url: string,
  repo: string,
  revision: string,
  signal?: AbortSignal,
): Promise<unknown> {
  const response = await request(access, url, signal);
  if (!response.ok) throw await refusal(response, { access, repo, revision, file: repo });
  let text: string;
  try {
    const tooLong = () => overLimit(repo, HUB_LIMITS.answerBytes.max + 1, HUB_LIMITS.answerBytes);
    text = new TextDecoder().decode(await readBody(response.body, HUB_LIMITS.answerBytes.max, tooLong));
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof HubAnswerError) throw cause;
    throw new Transient(new OfflineError(new URL(access.endpoint).host, { cause }));
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HubAnswerError(`${access.endpoint} did not answer as the hub does (${repo}: no JSON).`, { cause });
  }
}

/**
 * Name, commit and files in the repository's root and its folder `onnx`, as `?blobs=true` lists them.
 *
 * @throws ModelAccessError for a gated repository that is asked for without a token, or whose files the hub keeps to itself
 */
function readInfo(
  info: unknown,
  asked: string,
  { endpoint, token }: HubAccess,
): { repo: string; commit: string; files: ModelFile[] } {
  // "gated" is false, "auto" or "manual".
  const { id, sha, siblings, gated } = (info ?? {}) as Record<string, unknown>;
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) {
    throw new HubAnswerError(`The hub's answer about ${asked} names no commit or no files.`);
  }
  const repo = typeof id === 'string' && isRepoName(id) ? id : asked;
  if (siblings.length > HUB_LIMITS.listedFiles.max) throw overLimit(repo, siblings.length, HUB_LIMITS.listedFiles);
  if (gated && token === null) throw new ModelAccessError(repo, 'token-missing', endpoint);
  const files: ModelFile[] = [];
  for (const sibling of siblings as Record<string, unknown>[]) {
    const path = sibling?.rfilename;
    if (typeof path !== 'string' || !ROOT_OR_ONNX.test(path)) continue;
    const file = readFile(path, sibling);
    if (file && file.size > HUB_LIMITS.fileBytes.max) {
      throw overLimit(`${repo}/${path}`, file.size, HUB_LIMITS.fileBytes);
    }
    if (file) files.push(file);
    else if (isSmallFile(path) || path.endsWith('.safetensors')) {
      if (gated) throw new ModelAccessError(repo, 'not-granted', endpoint);
      throw new HubAnswerError(`The hub's answer about ${repo} has no size or hash for ${path}.`);
    }
  }
  return { repo, commit: sha, files };
}

function overLimit(what: string, count: number, limit: Limit): HubAnswerError {
  return new HubAnswerError(`${what}: ${aboveLimit(count, limit)}.`);
}

/** Null when size or hash are missing. */
function readFile(path: string, sibling: Record<string, unknown>): ModelFile | null {
  const lfs = (sibling.lfs ?? {}) as Record<string, unknown>;
  const sha256 = hex(lfs.sha256 ?? lfs.oid, 64);
  const gitSha1 = sha256 === null ? hex(sibling.blobId, 40) : null;
  const size = lfs.size ?? sibling.size;
  const known = Number.isSafeInteger(size) && (size as number) >= 0 && (sha256 ?? gitSha1) !== null;
  return known ? { path, size: size as number, sha256, gitSha1 } : null;
}

function hex(value: unknown, digits: number): string | null {
  const plain = typeof value === 'string' ? value.replace(/^sha256:/, '') : '';
  return plain.length === digits && /^[0-9a-f]+$/.test(plain) ? plain : null;
}

/** A small file as a whole, its hash checked. */
async function readSmall(
  path: string,
  manifest: ModelManifest,
  transport: Transport,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const file = manifest.files.find((candidate) => candidate.path === path) as ModelFile;
  const name = `${manifest.repo}/${path}`;
  if (file.size > MODEL_LIMITS.jsonBytes.max) throw overLimit(name, file.size, MODEL_LIMITS.jsonBytes);
  const { stream } = await transport.open(manifest, file, null, signal);
  let bytes: Uint8Array;
  try {
    bytes = await readBody(stream, file.size, () => new Error('it sends more than the file has'));
  } catch (cause) {
    signal.throwIfAborted();
    throw new Transient(new TransferError(name, 'the transfer broke off', { cause }));
  }
  const hash = fileHash(file);
  hash.update(bytes);
  if (bytes.length !== file.size || hash.digest() !== expectedHash(file)) {
    throw new Transient(new TransferError(name, 'the content is not what the hub announced'));
  }
  return bytes;
}
