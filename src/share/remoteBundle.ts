/** A bundle from a web address that is given with its sha-256: nothing of it is read before the hash is right, so the host need not be trusted. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { RemoteBundleError } from './errors';

/** Bytes of a bundle that is fetched. Larger ones are downloaded by the browser and opened as a file. */
export const REMOTE_BYTES = 256_000_000;

/** A host that says nothing for so long will say nothing more. */
const SILENCE_MS = 60_000;

export interface RemoteBundle {
  address: URL;
  /** Hex. */
  sha256: string;
  /** For messages and for a run without a name. */
  file: string;
}

/**
 * What a person typed.
 * @throws RemoteBundleError for an address that is neither https nor of this computer, one with a password, and for what is no sha-256
 */
export function remoteBundle(address: string, hash: string): RemoteBundle {
  const url = urlOf(address.trim());
  const own = url.protocol === 'http:' && ['localhost', '127.0.0.1'].includes(url.hostname);
  if (url.protocol !== 'https:' && !own)
    throw new RemoteBundleError(address, 'is no https address. Give one that begins with https://');
  if (url.username !== '' || url.password !== '')
    throw new RemoteBundleError(address, 'holds a name or a password. Give the address without them');
  const hex = hash.trim().toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new RemoteBundleError(
      address,
      'needs the sha-256 of its file: 64 characters of 0-9 and a-f, as sha256sum prints them',
    );
  const file = url.pathname.split('/').filter(Boolean).at(-1) ?? '';
  return { address: url, sha256: hex, file: decoded(file) || 'run.zip' };
}

function urlOf(address: string): URL {
  try {
    return new URL(address);
  } catch {
    throw new RemoteBundleError(address, 'is no web address. Give one that begins with https://');
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).replace(/[^\w .-]/g, '_');
  } catch {
    return '';
  }
}

export interface FetchParts {
  fetch?: typeof fetch;
  /** Bytes so far, and of how many; null where the host does not say. */
  onBytes?: (done: number, of: number | null) => void;
  signal?: AbortSignal;
  /** Bytes at most. */
  limit?: number;
  silenceMs?: number;
}

/**
 * Fetches the bytes and checks them.
 * @throws RemoteBundleError: no answer (or none that this page may read), an HTTP error, too large, silent, cut, another hash; the signal's reason
 */
export async function fetchBundle(
  { address, sha256: wanted }: RemoteBundle,
  { fetch: get = fetch, onBytes = () => {}, signal, limit = REMOTE_BYTES, silenceMs = SILENCE_MS }: FetchParts = {},
): Promise<Uint8Array> {
  const fail = (problem: string): RemoteBundleError => new RemoteBundleError(address.href, problem);
  const silence = new AbortController();
  const both = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  const late = fail(`said nothing for ${silenceMs / 1000} s. Try again later`);
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => silence.abort(late), silenceMs);
    return work.finally(() => clearTimeout(timer));
  };
  const response = await inTime(get(address.href, { ...ANONYMOUS, signal: both })).catch(() => {
    both.throwIfAborted();
    throw fail(
      'gave no answer that may be read here: there is no such host, no network, or it does not allow other sites to read the file (CORS). Download the file and open it from there',
    );
  });
  if (!response.ok) throw fail(`could not be fetched: HTTP ${response.status}`);
  const tooLarge = fail(`holds more than ${limit / 1e6} MB. Download the file and open it from there`);
  const length = lengthOf(response);
  if (length !== null && length > limit) {
    await response.body?.cancel();
    throw tooLarge;
  }
  const parts: Uint8Array[] = [];
  let done = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const piece = await inTime(Promise.resolve(reader?.read())).catch(() => {
      both.throwIfAborted();
      throw fail(`broke off after ${done} bytes. Try again`);
    });
    if (!piece?.value) break;
    done += piece.value.length;
    if (done > limit) {
      await reader?.cancel();
      throw tooLarge;
    }
    parts.push(piece.value);
    onBytes(done, length);
  }
  if (length !== null && done < length) throw fail(`broke off after ${done} of ${length} bytes. Try again`);
  const bytes = concatBytes(...parts);
  const found = bytesToHex(sha256(bytes));
  if (found !== wanted)
    throw fail(`is another file than was meant: its sha-256 is ${found}, not ${wanted}. Nothing of it was read`);
  return bytes;
}

/** Nobody learns who asks, or from where. */
const ANONYMOUS: RequestInit = { credentials: 'omit', referrerPolicy: 'no-referrer', mode: 'cors', cache: 'no-store' };

/** Null where it is not known; of a packed transfer it is not that of the file. */
function lengthOf({ headers }: Response): number | null {
  const text = headers.get('content-length');
  return text !== null && /^\d+$/.test(text) && !headers.get('content-encoding') ? Number(text) : null;
}
