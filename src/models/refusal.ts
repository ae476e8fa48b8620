/** What a server's error status means, as a typed error that says what to do. */
import { HUB_LIMITS } from '../engine/limits';
import { readBody } from './body';
import { HubAnswerError, ModelAccessError, ModelNotFoundError, RevisionNotFoundError, TransferError } from './errors';
import { rateLimited, retryAfterMs, Transient } from './retry';

interface Asked {
  access: { endpoint: string; token: string | null };
  repo: string;
  revision: string;
  /** For messages. */
  file: string;
}

/**
 * The error for an answer that is no content. The hub explains itself in X-Error-Code and X-Error-Message; without
 * them a 401 means a token that it does not know, or, asked without one, a missing or a private repository, which it does
 * not tell apart.
 */
export async function refusal(response: Response, asked: Asked): Promise<Error> {
  const { access, repo, revision, file } = asked;
  const { status, headers } = response;
  const code = headers.get('x-error-code') ?? '';
  const message = `${headers.get('x-error-message') ?? ''} ${await errorText(response)}`;
  const origin = new URL(response.url || access.endpoint).origin;

  if (status === 429) return rateLimited(new URL(origin).host, headers);
  // Another host is the content network behind a signed address that may have run out: the hub gives a new one.
  const passing = status >= 500 || status === 408 || status === 416 || origin !== new URL(access.endpoint).origin;
  if (passing) {
    return new Transient(new TransferError(file, `the server answered HTTP ${status}`), retryAfterMs(headers));
  }
  if (code === 'GatedRepo') {
    return new ModelAccessError(repo, access.token === null ? 'token-missing' : 'not-granted', access.endpoint);
  }
  if (message.includes('Access to this resource is disabled')) {
    return new ModelAccessError(repo, 'disabled', access.endpoint);
  }
  const unknown = status === 401 && access.token !== null && code === '';
  if (unknown || message.includes('Invalid credentials'))
    return new ModelAccessError(repo, 'token-refused', access.endpoint);
  if (code === 'RevisionNotFound' || (status === 404 && message.includes('Invalid rev'))) {
    return new RevisionNotFoundError(repo, revision);
  }
  if (code === 'EntryNotFound') {
    return new HubAnswerError(`${file} is not there any more at ${revision}. Choose the model again to start anew.`);
  }
  if (code === 'RepoNotFound' || status === 401 || status === 404) return new ModelNotFoundError(repo, access.endpoint);
  if (status === 403) {
    return new ModelAccessError(repo, access.token === null ? 'token-missing' : 'not-granted', access.endpoint);
  }
  return new HubAnswerError(`${file}: the hub answered HTTP ${status}${message.trim() && `: ${message.trim()}`}`);
}

/** The JSON answer's "error", shortened; '' when there is none. */
async function errorText(response: Response): Promise<string> {
  const tooLong = () => new Error('nobody reads on');
  const bytes = await readBody(response.body, HUB_LIMITS.errorBytes.max, tooLong).catch(() => new Uint8Array(0));
  const text = new TextDecoder().decode(bytes);
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error.slice(0, 200) : '';
  } catch {
    return '';
  }
}
