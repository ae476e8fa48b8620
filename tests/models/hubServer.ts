/**
 * A server that behaves like the Hugging Face hub: the model API, `resolve` with a redirect of small files to the hub's own
 * cache and of large ones to another origin (the content network), ranges, compression, renamed repositories, the hub's
 * error headers, and what of all that a page of another origin may read. Faults are injected per request.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface HubRequest {
  /** `api`: about a model; `hub`: the redirect to a file; `cache`: content of a small file; `cdn`: of a large one. */
  place: 'api' | 'hub' | 'cache' | 'cdn';
  /** File name; '' for the API. */
  path: string;
  range: { from: number; to: number } | null;
  authorization: string | undefined;
}

export type Fault =
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: string }
  /** The connection breaks after so many bytes of the body. */
  | { kind: 'cut'; after: number }
  /** So many bytes, then nothing. */
  | { kind: 'stall'; after: number }
  /** No answer at all. */
  | { kind: 'silence' }
  /** A well-formed answer whose content is too short. */
  | { kind: 'short'; by: number }
  /** 206 with a range that was not asked for. */
  | { kind: 'shifted' }
  /** One byte is changed. */
  | { kind: 'corrupt' }
  /** 200 with the whole file, whatever was asked for. */
  | { kind: 'no-ranges' }
  /** More bytes than were asked for, in a body that names no length (`declared`: names its own). */
  | { kind: 'excess'; by: number; declared?: boolean }
  /** 200 with a page of so many bytes and no length, as the portal of a network answers any request. */
  | { kind: 'portal'; bytes: number }
  /** What was asked for, then noise without an end. */
  | { kind: 'endless' }
  /** A Content-Length that is `by` above (or below, when negative) the length of what comes. */
  | { kind: 'lie'; by: number }
  /** An answer without a byte of content. */
  | { kind: 'empty' }
  /** Header after header, none the last. */
  | { kind: 'endless-headers' }
  /** One byte every `ms` milliseconds, and the connection is cut after so many. */
  | { kind: 'trickle'; ms: number; after: number };

export interface Repo {
  commit: string;
  files: Map<string, Uint8Array>;
  /** Accepted token; null when the repository is open. */
  token: string | null;
  /** Tokens that the hub knows but that have no access to this repository. */
  knownTokens?: string[];
  /** The hub tells sizes and hashes to those only who have access. */
  secretive?: boolean;
}

/** Files larger than this are kept in LFS: SHA-256 known, content on the other origin. */
const LFS_BYTES = 2_000;

/** What the hub's answers let a page of another origin read. RateLimit, Retry-After and Content-Encoding are not among it. */
const HUB_EXPOSES =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,' +
  'X-Linked-Size,X-Linked-ETag,X-Xet-Hash';
const CDN_EXPOSES = 'Accept-Ranges, Content-Range, Content-Type, Content-Disposition, ETag, X-Cache';
/** By the Fetch standard a page may always read these. */
const ALWAYS_READABLE = 'cache-control,content-language,content-length,content-type,expires,last-modified,pragma'.split(
  ',',
);

/** `fetch` as a page of another origin has it: of an answer's headers it sees what CORS lets it see. */
export const pageFetch: typeof fetch = async (...asked) => {
  const response = await fetch(...asked);
  const exposed = response.headers.get('access-control-expose-headers') ?? '';
  const readable = new Set([...ALWAYS_READABLE, ...exposed.toLowerCase().split(/\s*,\s*/)]);
  const headers = new Headers([...response.headers].filter(([name]) => readable.has(name)));
  return Object.defineProperty(response, 'headers', { value: headers });
};

export class HubServer {
  readonly repos = new Map<string, Repo>();
  /** Names that repositories had before, to what they are called now. */
  readonly renamed = new Map<string, string>();
  readonly requests: HubRequest[] = [];
  /** Bytes of bodies that were sent. */
  sentBytes = 0;
  fault: (request: HubRequest) => Fault | null = () => null;
  endpoint = '';
  private cdn = '';
  private servers: Server[] = [];

  async start(): Promise<void> {
    const listen = async (
      handle: (request: IncomingMessage, response: ServerResponse) => void,
      cors: (origin: string) => Record<string, string>,
      preflight: number,
    ) => {
      const server = createServer((request, response) => {
        const headers = cors(request.headers.origin ?? 'null');
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        if (request.method === 'OPTIONS') response.writeHead(preflight).end();
        else handle(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      this.servers.push(server);
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    // The content network has been seen to refuse preflights: ranges must do without.
    this.cdn = await listen(
      (request, response) => this.onCdn(request, response),
      () => ({
        'access-control-allow-origin': '*',
        'access-control-allow-headers': 'Content-Range, Content-Type, Content-Disposition, ETag',
        'access-control-expose-headers': CDN_EXPOSES,
      }),
      403,
    );
    this.endpoint = await listen(
      (request, response) => this.onHub(request, response),
      (origin) => ({
        'access-control-allow-origin': origin,
        vary: 'Origin',
        'access-control-allow-headers': 'authorization',
        'access-control-allow-methods': 'GET',
        'access-control-expose-headers': HUB_EXPOSES,
      }),
      204,
    );
  }

  async stop(): Promise<void> {
    for (const server of this.servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  reset(): void {
    this.requests.length = 0;
    this.renamed.clear();
    this.sentBytes = 0;
    this.fault = () => null;
  }

  private onHub(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url as string, this.endpoint);
    const api = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(url.pathname);
    const cached = /^\/api\/resolve-cache\/models\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(url.pathname);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const [, name = '', revision = '', path = ''] = (api ?? cached ?? file ?? []) as string[];
    const now = this.renamed.get(name);
    if (now !== undefined) {
      // Relative, and with the question.
      return void response.writeHead(307, { location: url.pathname.replace(name, now) + url.search }).end();
    }
    const seen = this.note(request, api ? 'api' : cached ? 'cache' : 'hub', path);
    const fault = this.fault(seen);
    if (fault && answersAnything(response, fault)) return;
    const repo = this.repos.get(name);
    const token = request.headers.authorization?.replace('Bearer ', '') ?? null;
    if (!this.admitted(repo, token, response)) return;
    if (revision !== 'main' && revision !== repo.commit) {
      return void refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    }
    if (api) return void response.end(JSON.stringify(describe(name, repo, token)));
    if (repo.token !== null && token !== repo.token) {
      return void refuse(response, token === null ? 401 : 403, 'GatedRepo', 'Access to this model is restricted.');
    }
    const bytes = repo.files.get(path);
    if (!bytes) return void refuse(response, 404, 'EntryNotFound', 'Entry not found');
    if (cached) return void this.send(request, response, bytes, seen, fault);
    const location =
      bytes.length <= LFS_BYTES
        ? `/api/resolve-cache/models/${name}/${repo.commit}/${path}?etag=x`
        : `${this.cdn}/${name}/${path}?signature=x`;
    response.writeHead(bytes.length <= LFS_BYTES ? 307 : 302, { location }).end();
  }

  /** Whom the hub does not know is told nothing; who has no business with a private repository, that it is not there. */
  private admitted(repo: Repo | undefined, token: string | null, response: ServerResponse): repo is Repo {
    const known = [...this.repos.values()].some((one) => one.token === token || one.knownTokens?.includes(token ?? ''));
    if (token !== null && !known) refuse(response, 401, '', 'Invalid credentials in Authorization header');
    else if (!repo && token !== null) refuse(response, 404, 'RepoNotFound', 'Repository not found');
    else if (!repo) refuse(response, 401, '', 'Invalid username or password.');
    else return true;
    return false;
  }

  private onCdn(request: IncomingMessage, response: ServerResponse): void {
    const [, name = '', path = ''] =
      /^\/([^/]+\/[^/]+)\/(.+)$/.exec(new URL(request.url as string, this.cdn).pathname) ?? [];
    const seen = this.note(request, 'cdn', path);
    const fault = this.fault(seen);
    if (fault && answersAnything(response, fault)) return;
    this.send(request, response, this.repos.get(name)?.files.get(path) as Uint8Array, seen, fault);
  }

  private note(request: IncomingMessage, place: HubRequest['place'], path: string): HubRequest {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const seen: HubRequest = {
      place,
      path,
      range: range && { from: Number(range[1]), to: Number(range[2]) + 1 },
      authorization: request.headers.authorization,
    };
    this.requests.push(seen);
    return seen;
  }

  private send(
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Uint8Array,
    { range, place }: HubRequest,
    fault: Fault | null,
  ): void {
    const partial = range !== null && fault?.kind !== 'no-ranges';
    let { from, to } = partial ? range : { from: 0, to: bytes.length };
    if (fault?.kind === 'shifted') [from, to] = [Math.max(0, from - 1), to - 1];
    if (fault?.kind === 'short') to = Math.max(from, to - fault.by);
    const body = Buffer.from(bytes.slice(from, to));
    // Clients send "identity" with a range.
    if (place === 'cache' && !fault && request.headers['accept-encoding']?.includes('gzip')) {
      this.sentBytes += body.length;
      const packed = gzipSync(body);
      return void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
    }
    const contentRange: Record<string, string> = partial
      ? { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }
      : {};
    if (fault && sendsWrongLength(response, fault, partial ? 206 : 200, contentRange, body)) return;
    if (fault?.kind === 'corrupt' && body.length > 0) body[body.length >> 1] ^= 1;
    response.writeHead(partial ? 206 : 200, {
      'content-length': body.length,
      ...contentRange,
    });
    const breaks = fault?.kind === 'cut' || fault?.kind === 'stall';
    const sent = breaks ? Math.min(fault.after, body.length - 1) : body.length;
    this.sentBytes += Math.max(0, sent);
    if (!breaks) return void response.end(body);
    response.write(body.subarray(0, Math.max(0, sent)), () => {
      // A moment, so that what was sent arrives before the connection is gone.
      if (fault.kind === 'cut') setTimeout(() => response.destroy(), 2);
    });
    if (sent <= 0) response.flushHeaders();
  }
}

/** Faults that do not depend on what was asked for. @returns whether the fault is one and answers */
function answersAnything(response: ServerResponse, fault: Fault): boolean {
  if (fault.kind === 'silence') return true;
  if (fault.kind === 'status') response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
  else if (fault.kind === 'portal') {
    const page = '<!doctype html>Log in to this network. '.padEnd(fault.bytes, 'x').slice(0, fault.bytes);
    response.writeHead(200, { 'content-type': 'text/html' });
    response.flushHeaders();
    response.end(page);
  } else if (fault.kind === 'endless-headers') {
    response.socket?.write('HTTP/1.1 200 OK\r\n');
    repeatedly(response, 5, (turn) => response.socket?.write(`x-more-${turn}: ${'x'.repeat(100)}\r\n`));
  } else return false;
  return true;
}

/** Faults in the length of a body. @returns whether the fault is one and answers */
function sendsWrongLength(
  response: ServerResponse,
  fault: Fault,
  status: number,
  headers: Record<string, string>,
  body: Buffer,
): boolean {
  if (fault.kind === 'excess') {
    const longer = Buffer.concat([body, Buffer.alloc(fault.by, 'y')]);
    // Without a length the body comes in chunks.
    response.writeHead(status, fault.declared ? { ...headers, 'content-length': longer.length } : headers);
    // Of one write a reader gets one piece, in which the file's end lies somewhere.
    response.end(longer);
  } else if (fault.kind === 'endless') {
    response.writeHead(status, headers).write(body);
    repeatedly(response, 1, () => response.write(Buffer.alloc(65_536, 'z')));
  } else if (fault.kind === 'lie') {
    response.writeHead(status, { ...headers, 'content-length': Math.max(0, body.length + fault.by) });
    // Past the server's own count of bytes.
    response.flushHeaders();
    response.socket?.end(body);
  } else if (fault.kind === 'empty') {
    response.writeHead(status, headers).end();
  } else if (fault.kind === 'trickle') {
    response.writeHead(status, { ...headers, 'content-length': body.length });
    repeatedly(response, fault.ms, (turn) => {
      if (turn < Math.min(fault.after, body.length)) response.write(body.subarray(turn, turn + 1));
      else response.destroy();
    });
  } else return false;
  return true;
}

/** Does something every few milliseconds until the connection is gone. */
function repeatedly(response: ServerResponse, ms: number, work: (turn: number) => void): void {
  let turn = 0;
  const timer = setInterval(() => work(turn++), ms);
  const end = () => clearInterval(timer);
  response.on('close', end);
  response.socket?.on('close', end).on('error', end);
}

function describe(id: string, repo: Repo, token: string | null): object {
  const siblings = [...repo.files].map(([rfilename, bytes]) => {
    if (repo.secretive && token !== repo.token) return { rfilename };
    const blobId = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
    if (bytes.length <= LFS_BYTES) return { rfilename, blobId, size: bytes.length };
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const pointer = createHash('sha1').update(`pointer to ${sha256}`).digest('hex');
    return { rfilename, blobId: pointer, size: bytes.length, lfs: { sha256, size: bytes.length, pointerSize: 134 } };
  });
  return { id, modelId: id, sha: repo.commit, gated: repo.token === null ? false : 'manual', siblings };
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { ...(code ? { 'x-error-code': code } : {}), 'x-error-message': message })
    .end(JSON.stringify({ error: message }));
}
