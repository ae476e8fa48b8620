/** Answers of the site's cache: whole files, parts of them, and every one with the headers that isolate the page. */
import { ISOLATION_HEADERS } from './headers';

/** Headers that speak of how a file travelled, not of the file. */
const OF_THE_WAY = ['content-encoding', 'content-length', 'content-range', 'transfer-encoding', 'vary'];

/** A file as it is kept: its bytes, its length, and the host's headers that are not about the transfer. */
export async function plainCopy(response: Response): Promise<{ response: Response; sha256: string }> {
  const bytes = await response.arrayBuffer();
  const headers = new Headers(response.headers);
  for (const name of OF_THE_WAY) headers.delete(name);
  headers.set('content-length', String(bytes.byteLength));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { response: new Response(bytes, { headers }), sha256 };
}

/** A kept file as an answer: without its bytes to HEAD, in part where a range is asked for. */
export async function answered(request: Request, kept: Response): Promise<Response> {
  const headers = withIsolation(kept.headers);
  if (request.method === 'HEAD') return new Response(null, { headers });
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('range') ?? '');
  if (!range) return new Response(kept.body, { headers });
  const bytes = await kept.arrayBuffer();
  const from = Number(range[1]);
  const to = Math.min(range[2] ? Number(range[2]) + 1 : Infinity, bytes.byteLength);
  if (from >= to) {
    headers.set('content-range', `bytes */${bytes.byteLength}`);
    headers.set('content-length', '0');
    return new Response(null, { status: 416, headers });
  }
  headers.set('content-range', `bytes ${from}-${to - 1}/${bytes.byteLength}`);
  headers.set('content-length', String(to - from));
  return new Response(bytes.slice(from, to), { status: 206, headers });
}

/** The host's own answer, with isolation where it can be added. */
export function isolated(response: Response): Response {
  const { type, status, statusText, body, headers } = response;
  // Answers that a script may not look into, or without a body, pass as they are.
  if (type === 'opaque' || type === 'opaqueredirect' || type === 'error' || body === null) return response;
  return new Response(body, { status, statusText, headers: withIsolation(headers) });
}

export function notFound(): Response {
  return new Response(null, { status: 404, headers: withIsolation(new Headers()) });
}

function withIsolation(headers: Headers): Headers {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(ISOLATION_HEADERS)) all.set(name, value);
  return all;
}
