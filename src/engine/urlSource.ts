/** Files below a web address, read in parts by HTTP ranges where the server has them. */
import { FileError } from './errors';
import { checkLimit, HUB_LIMITS, MODEL_LIMITS, type Limit } from './limits';
import { byOpening, label, truncated, type FileSource, type OpenFile } from './source';

const MOST_EMPTY_PIECES = 1000;
/** Asked for first, to learn the size; what comes is kept for the first read. */
const PROBE_BYTES = 128 * 1024;
/** A server that says nothing for so long will say nothing more. */
const SILENCE_MS = 60_000;
/** One that sends fewer bytes in that time counts as one that sends nothing. */
const LEAST_BYTES = 1024;

/**
 * Files below a web address. A static host that answers a missing file with its index page (as single-page set-ups
 * do) is recognised by the content type. From a server without ranges a file is read in parts from the body of one
 * request, as long as the parts ascend. So is one that is sent compressed: a browser may cut ranges from the compressed
 * bytes of an answer that it kept.
 * @param silenceMs after which a server that sends nothing is given up
 */
export function urlSource(baseUrl: string, silenceMs = SILENCE_MS): FileSource {
  const base = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;
  const source = { name: base.slice(0, -1) };
  return {
    ...source,
    remote: true,
    async read(path) {
      const file = label(source, path);
      const limit = path.endsWith('.safetensors') ? MODEL_LIMITS.adapterBytes : MODEL_LIMITS.textBytes;
      return new BodyReader(await get(`${base}${path}`, file, silenceMs), file, silenceMs).rest(limit);
    },
    async exists(path) {
      const response = await request(`${base}${path}`, label(source, path), silenceMs, { method: 'HEAD' });
      return response.ok && !isHtml(response);
    },
    ...byOpening((path) => new UrlFile(`${base}${path}`, label(source, path), silenceMs)),
  };
}

class UrlFile implements OpenFile {
  #size: number | null = null;
  /** The file's first bytes as the probe brought them. */
  #head: Uint8Array | null = null;
  /** Of a server without ranges: the answer to the last request, and how much of it was read. */
  #body: BodyReader | null = null;
  #ranges = true;

  constructor(
    private readonly url: string,
    private readonly file: string,
    private readonly silenceMs: number,
  ) {}

  async size(): Promise<number> {
    if (this.#size === null && this.#ranges) this.#head = await this.#readRange(0, PROBE_BYTES, undefined);
    // Without ranges and a length all that is left is to count.
    return (this.#size ??= await this.#count());
  }

  async read(from: number, to: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (from === to) return new Uint8Array(0);
    const head = this.#head;
    if (head !== null && to <= head.length) return head.subarray(from, to);
    if (this.#ranges) {
      const bytes = await this.#readRange(from, to, signal);
      if (bytes !== null) return bytes;
    }
    return this.#readBody(from, to, signal);
  }

  async close(): Promise<void> {
    this.#head = null;
    await this.#body?.close();
    this.#body = null;
  }

  /** Bytes in [from, to) or up to the file's end; null when the server answers with the whole file, now in `#body`. */
  async #readRange(from: number, to: number, signal: AbortSignal | undefined): Promise<Uint8Array | null> {
    const response = await get(this.url, this.file, this.silenceMs, {
      headers: { range: `bytes=${from}-${to - 1}` },
      signal,
    });
    // Other origins may hide Content-Range; what is in such an answer nobody can tell.
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    if (response.status !== 206 || range === null || isEncoded(response)) {
      this.#ranges = false;
      if (response.status === 200) this.#take(response, signal);
      else await response.body?.cancel();
      return null;
    }
    const [start, last, size] = range.slice(1).map(Number);
    this.#size ??= size;
    const end = Math.min(to, size);
    if (start !== from || last !== end - 1 || size !== this.#size) {
      await response.body?.cancel();
      throw new FileError(
        this.file,
        `bytes ${from} to ${end} of ${this.#size} were asked for, the server sent ${start} to ${last + 1} of ${size}; ` +
          'load the file again',
      );
    }
    const body = new BodyReader(response, this.file, this.silenceMs, signal);
    try {
      return await body.read(from, end - from);
    } finally {
      await body.close();
    }
  }

  async #readBody(from: number, to: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (this.#body === null || this.#body.position > from) {
      await this.#body?.close();
      this.#take(await get(this.url, this.file, this.silenceMs, { signal }), signal);
    }
    const body = this.#body as BodyReader;
    await body.skip(from - body.position);
    return body.read(body.position, to - from);
  }

  async #count(): Promise<number> {
    await this.close();
    this.#take(await get(this.url, this.file, this.silenceMs));
    if (this.#size !== null) return this.#size;
    const { max } = HUB_LIMITS.fileBytes;
    const size = await (this.#body as BodyReader).skip(max + 1);
    await this.close();
    checkLimit(size, HUB_LIMITS.fileBytes, (problem) => new FileError(this.file, problem));
    return size;
  }

  #take(response: Response, signal?: AbortSignal): void {
    this.#body = new BodyReader(response, this.file, this.silenceMs, signal);
    // Content-Length counts the compressed bytes.
    const length = response.headers.get('content-length');
    if (length !== null && !isEncoded(response)) this.#size ??= Number(length);
  }
}

/** An answer's body in parts of chosen lengths. */
class BodyReader {
  position = 0;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Milliseconds that may still be waited for the next `LEAST_BYTES`, and how many of them have come. */
  #left: number;
  #few = 0;
  #chunk = new Uint8Array(0) as Uint8Array;

  constructor(
    response: Response,
    private readonly file: string,
    private readonly silenceMs: number,
    private readonly signal?: AbortSignal,
  ) {
    this.#reader = response.body?.getReader();
    this.#left = silenceMs;
  }

  /** The next bytes. @param at where they are in the file, for messages */
  async read(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let got = 0;
    while (got < length) {
      const chunk = await this.#take(length - got);
      if (chunk === null) throw truncated(this.file, at + got, at + length);
      bytes.set(chunk, got);
      got += chunk.length;
    }
    return bytes;
  }

  /** All bytes that are left. @throws FileError when they are more than the limit: a body may never end */
  async rest(limit: Limit): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for (let chunk = await this.#take(Infinity); chunk !== null; chunk = await this.#take(Infinity)) {
      chunks.push(chunk);
      if (this.position <= limit.max) continue;
      await this.close();
      checkLimit(this.position, limit, (problem) => new FileError(this.file, problem));
    }
    const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** Drops the next bytes. @returns how many there were */
  async skip(length: number): Promise<number> {
    let dropped = 0;
    while (dropped < length) {
      const chunk = await this.#take(length - dropped);
      if (chunk === null) break;
      dropped += chunk.length;
    }
    return dropped;
  }

  async close(): Promise<void> {
    // The connection may have failed already; nobody waits for the rest.
    await this.#reader?.cancel().catch(() => {});
  }

  /** At least one and at most `most` bytes; null at the end. */
  async #take(most: number): Promise<Uint8Array | null> {
    // Streams may have empty pieces, in a row without end too.
    for (let empty = 0; this.#chunk.length === 0; empty++) {
      if (empty === MOST_EMPTY_PIECES) throw new FileError(this.file, 'could not be fetched: the server sends nothing');
      const { done, value } = await this.#next();
      if (done) return null;
      this.#chunk = value;
    }
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    this.position += taken.length;
    return taken;
  }

  async #next(): Promise<ReadableStreamReadResult<Uint8Array>> {
    if (this.#reader === undefined) return { done: true, value: undefined };
    const began = performance.now();
    const late = (): FileError => tooSlow(this.file, this.silenceMs, this.#few);
    try {
      const piece = await inTime(this.#reader.read(), this.#left, late, () => void this.close());
      this.#few += piece.value?.length ?? 0;
      this.#left = this.#few >= LEAST_BYTES ? this.silenceMs : this.#left - (performance.now() - began);
      if (this.#few >= LEAST_BYTES) this.#few = 0;
      return piece;
    } catch (cause) {
      this.signal?.throwIfAborted();
      if (cause instanceof FileError) throw cause;
      throw brokenOff(this.file, cause);
    }
  }
}

async function get(url: string, file: string, silenceMs: number, init?: RequestInit): Promise<Response> {
  const response = await request(url, file, silenceMs, init);
  // The file ends before the range, or is empty; the caller asks for all of it then.
  if (response.status === 416 && init?.headers !== undefined) return response;
  if (!response.ok) {
    await response.body?.cancel();
    throw new FileError(file, `could not be fetched: HTTP ${response.status}`);
  }
  if (isHtml(response)) {
    await response.body?.cancel();
    throw new FileError(file, 'is missing: the server answered with an HTML page');
  }
  return response;
}

async function request(url: string, file: string, silenceMs: number, init?: RequestInit): Promise<Response> {
  const silence = new AbortController();
  const signal = init?.signal ? AbortSignal.any([init.signal, silence.signal]) : silence.signal;
  try {
    const late = (): FileError => tooSlow(file, silenceMs, 0);
    return await inTime(fetch(url, { ...init, signal }), silenceMs, late, () => silence.abort());
  } catch (cause) {
    init?.signal?.throwIfAborted();
    if (cause instanceof FileError) throw cause;
    throw new FileError(file, 'could not be fetched: no answer from the server', { cause });
  }
}

/** What the server sends, if it comes within so many milliseconds; else `stop` is called. @throws what `late` makes */
async function inTime<T>(work: Promise<T>, ms: number, late: () => FileError, stop: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => {
        reject(late());
        stop();
      },
      Math.max(0, ms),
    );
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param few bytes that came in that time */
function tooSlow(file: string, ms: number, few: number): FileError {
  const seconds = (ms / 1000).toLocaleString('en');
  const what = few === 0 ? 'nothing' : `no more than ${few} bytes`;
  return new FileError(file, `could not be fetched: the server sent ${what} for ${seconds} s; try again later`);
}

function brokenOff(file: string, cause: unknown): FileError {
  return new FileError(file, 'could not be fetched: the transfer broke off', { cause });
}

/** Its lengths and ranges count other bytes than those of the file. */
function isEncoded(response: Response): boolean {
  return !['', 'identity'].includes(response.headers.get('content-encoding') ?? '');
}

function isHtml(response: Response): boolean {
  return (response.headers.get('content-type') ?? '').startsWith('text/html');
}
