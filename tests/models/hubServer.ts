/**
 * A server that behaves like the Hugging Face hub: the model API, `resolve` with a redirect of large files to another
 * origin (the content network), ranges, the hub's error headers. Faults are injected per request.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubRequest {
  /** `api`: about a model; `hub`: a file or a redirect; `cdn`: content on the other origin. */
  place: 'api' | 'hub' | 'cdn';
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
  /** A well-formed answer whose content is too short. */
  | { kind: 'short'; by: number }
  /** 206 with a range that was not asked for. */
  | { kind: 'shifted' }
  /** One byte is changed. */
  | { kind: 'corrupt' }
  /** 200 with the whole file, whatever was asked for. */
  | { kind: 'no-ranges' };

export interface Repo {
  commit: string;
  files: Map<string, Uint8Array>;
  /** Accepted token; null when the repository is open. */
  token: string | null;
  /** Tokens that the hub knows but that have no access to this repository. */
  knownTokens?: string[];
}

/** Files larger than this are kept in LFS: SHA-256 known, content on the other origin. */
const LFS_BYTES = 2_000;

export class HubServer {
  readonly repos = new Map<string, Repo>();
  readonly requests: HubRequest[] = [];
  /** Bytes of bodies that were sent. */
  sentBytes = 0;
  preflights = 0;
  fault: (request: HubRequest) => Fault | null = () => null;
  endpoint = '';
  private cdn = '';
  private servers: Server[] = [];

  async start(): Promise<void> {
    const listen = async (handle: (request: IncomingMessage, response: ServerResponse) => void) => {
      const server = createServer((request, response) => {
        // Readable from any page, as the hub's answers are.
        response.setHeader('access-control-allow-origin', '*');
        response.setHeader('access-control-allow-headers', 'authorization, range');
        response.setHeader(
          'access-control-expose-headers',
          'x-error-code, x-error-message, retry-after, content-range',
        );
        if (request.method === 'OPTIONS') this.preflights++;
        if (request.method === 'OPTIONS') response.writeHead(204).end();
        else handle(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      this.servers.push(server);
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    this.cdn = await listen((request, response) => this.onCdn(request, response));
    this.endpoint = await listen((request, response) => this.onHub(request, response));
  }

  async stop(): Promise<void> {
    for (const server of this.servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  reset(): void {
    this.requests.length = 0;
    this.sentBytes = 0;
    this.fault = () => null;
  }

  private onHub(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url as string, this.endpoint);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(url.pathname);
    const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/([^/]+)$/.exec(url.pathname);
    const [, name, revision, path] = (api ?? file ?? []) as string[];
    const seen = this.note(request, api ? 'api' : 'hub', path ?? '');
    const fault = this.fault(seen);
    if (fault?.kind === 'status') return void this.answerStatus(response, fault);
    const repo = this.repos.get(name ?? '');
    const token = request.headers.authorization?.replace('Bearer ', '');
    if (token !== undefined && token !== repo?.token && !repo?.knownTokens?.includes(token)) {
      return void refuse(response, 401, '', 'Invalid credentials in Authorization header');
    }
    if (!repo) return void refuse(response, 401, '', 'Invalid username or password.');
    if (revision !== 'main' && revision !== repo.commit) {
      return void refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    }
    if (api) return void response.end(JSON.stringify(describe(name as string, repo)));
    if (repo.token !== null && token !== repo.token) {
      return void refuse(response, token === undefined ? 401 : 403, 'GatedRepo', 'Access to this model is restricted.');
    }
    const bytes = repo.files.get(path as string);
    if (!bytes) return void refuse(response, 404, 'EntryNotFound', 'Entry not found');
    if (bytes.length <= LFS_BYTES) return void this.send(request, response, bytes, seen, fault);
    response.writeHead(302, { location: `${this.cdn}/${name}/${path}?signature=x` }).end();
  }

  private onCdn(request: IncomingMessage, response: ServerResponse): void {
    const [, owner, name, path] = new URL(request.url as string, this.cdn).pathname.split('/') as string[];
    const seen = this.note(request, 'cdn', path as string);
    const fault = this.fault(seen);
    if (fault?.kind === 'status') return void this.answerStatus(response, fault);
    const bytes = this.repos.get(`${owner}/${name}`)?.files.get(path as string) as Uint8Array;
    this.send(request, response, bytes, seen, fault);
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

  private answerStatus(response: ServerResponse, fault: Fault & { kind: 'status' }): void {
    response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
  }

  private send(
    _request: IncomingMessage,
    response: ServerResponse,
    bytes: Uint8Array,
    { range }: HubRequest,
    fault: Fault | null,
  ): void {
    const partial = range !== null && fault?.kind !== 'no-ranges';
    let { from, to } = partial ? range : { from: 0, to: bytes.length };
    if (fault?.kind === 'shifted') [from, to] = [Math.max(0, from - 1), to - 1];
    if (fault?.kind === 'short') to = Math.max(from, to - fault.by);
    const body = Buffer.from(bytes.slice(from, to));
    if (fault?.kind === 'corrupt' && body.length > 0) body[body.length >> 1] ^= 1;
    response.writeHead(partial ? 206 : 200, {
      'content-length': body.length,
      ...(partial ? { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` } : {}),
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

function describe(id: string, repo: Repo): object {
  const siblings = [...repo.files].map(([rfilename, bytes]) => {
    const blobId = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
    if (bytes.length <= LFS_BYTES) return { rfilename, blobId, size: bytes.length };
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const pointer = createHash('sha1').update(`pointer to ${sha256}`).digest('hex');
    return { rfilename, blobId: pointer, size: bytes.length, lfs: { sha256, size: bytes.length, pointerSize: 134 } };
  });
  return { id, sha: repo.commit, gated: repo.token === null ? false : 'manual', siblings };
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { ...(code ? { 'x-error-code': code } : {}), 'x-error-message': message })
    .end(JSON.stringify({ error: message }));
}
