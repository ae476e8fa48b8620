/** One question to a server of the protocol: sent, read as it comes, asked again where that helps. */
import {
  EndpointAnswerError,
  EndpointBusyError,
  EndpointCutError,
  EndpointRefusedError,
  EndpointSilentError,
  EndpointUnreachableError,
  VoiceError,
} from '../errors';
import { eventsOf, TooLongError } from './events';
import {
  addPiece,
  bodyOf,
  emptyCompletion,
  ProtocolError,
  SaidError,
  type ChatRequest,
  type Completion,
} from './protocol';

export interface ClientOptions {
  /** Name of the runtime, for messages. */
  name: string;
  /** Up to /v1. */
  address: string;
  /** Sent as a bearer's token; kept nowhere else. */
  key: string | null;
  signal?: AbortSignal | undefined;
  /** Something came, or is waited for on purpose. */
  onProgress?: (() => void) | undefined;
  /** Milliseconds without a byte that are waited. */
  patience?: number;
  /** Resolves after so many milliseconds; rejects when the signal fires. */
  wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  fetch?: typeof globalThis.fetch;
}

const PATIENCE = 120_000;
/** Times that a question is asked in all. */
const TRIES = 6;
/** Milliseconds before the second try; doubled before each further one. */
const FIRST_WAIT = 500;
/** A server that wants more than that is not waited for. */
const LONGEST_WAIT = 120_000;

/** It may go well next time. @param after milliseconds that the server wants to be left alone; null = it does not say */
class Again extends Error {
  constructor(
    readonly reason: VoiceError,
    readonly after: number | null = null,
  ) {
    super(reason.message);
  }
}

/**
 * @param onText all of the text so far, as it grows
 * @throws VoiceError and its kinds; what the signal says when it fires
 */
export async function complete(
  options: ClientOptions,
  request: ChatRequest,
  onText: (text: string) => void = () => {},
): Promise<Completion> {
  const { name, signal, wait = waited } = options;
  for (let tried = 1; ; tried++) {
    try {
      return await tryOnce(options, request, onText);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Again)) throw error;
      if (tried === TRIES) throw error.reason;
      const pause = error.after ?? FIRST_WAIT * 2 ** (tried - 1);
      if (pause > LONGEST_WAIT)
        throw new EndpointBusyError(
          name,
          `it asks for a pause of ${Math.ceil(pause / 1000)} seconds. Resume the run later.`,
        );
      await wait(pause, signal);
    }
  }
}

async function tryOnce(
  options: ClientOptions,
  request: ChatRequest,
  onText: (text: string) => void,
): Promise<Completion> {
  const { name, signal, patience = PATIENCE } = options;
  const silence = new AbortController();
  const both = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (): void => {
    options.onProgress?.();
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), patience);
  };
  heard();
  try {
    const response = await send(options, request, both);
    heard();
    return await read(name, response, onText, heard);
  } catch (error) {
    signal?.throwIfAborted();
    if (silence.signal.aborted)
      throw new Again(
        new EndpointSilentError(name, `it said nothing for ${patience / 1000} seconds. Look at the server's own log.`),
      );
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function send(
  { name, address, key, fetch = globalThis.fetch }: ClientOptions,
  request: ChatRequest,
  signal: AbortSignal,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${address}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) },
      body: bodyOf(request),
      signal,
      // A key must not follow anywhere, and nothing else goes with it.
      redirect: 'error',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Again(new EndpointUnreachableError(name, unreachable(address, error), { cause: error }));
  }
  if (response.ok) return response;
  const status = response.status;
  const said = await whatItSaid(response);
  if (status === 429 || status === 503 || status === 502 || status === 504 || status === 500)
    throw new Again(
      new EndpointBusyError(
        name,
        `it answered ${status} (${said}) to ${TRIES} tries. Resume the run when it has less to do.`,
      ),
      retryAfter(response),
    );
  throw new EndpointRefusedError(name, refused(status, said, request.model, key !== null));
}

async function read(
  name: string,
  response: Response,
  onText: (text: string) => void,
  heard: () => void,
): Promise<Completion> {
  const so = emptyCompletion();
  const piece = (json: string): void => {
    const before = so.text.length;
    addPiece(so, json);
    if (so.text.length > before) onText(so.text);
  };
  try {
    if (!(response.headers.get('content-type') ?? '').includes('text/event-stream')) piece(await response.text());
    else if (response.body)
      for await (const data of eventsOf(response.body, heard)) {
        if (data === '[DONE]') break;
        piece(data);
      }
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof TooLongError)
      throw new EndpointAnswerError(
        name,
        `its answer cannot be read: ${error.message}. Is it a server of OpenAI's chat completions, and does the address end where they begin (…/v1)?`,
      );
    if (error instanceof SaidError)
      throw new EndpointRefusedError(
        name,
        `it failed while it answered: ${error.message}. Look at the server's own log.`,
      );
    throw new Again(cut(name), null);
  }
  if (so.finish === null) throw new Again(cut(name), null);
  return so;
}

function cut(name: string): EndpointCutError {
  return new EndpointCutError(
    name,
    `its answer broke off before its end, ${TRIES} times in a row. Resume the run when the connection is better.`,
  );
}

function unreachable(address: string, error: unknown): string {
  const { origin } = new URL(address);
  const detail = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return (
    `${origin} cannot be reached${detail}. Is it running there? A page needs its leave too: the server has to allow this page's origin (CORS), ` +
    'and the browser asks for access to the local network. docs/runtimes.md has the setting for each server.'
  );
}

function refused(status: number, said: string, model: string, hasKey: boolean): string {
  if (status === 401 || status === 403)
    return hasKey
      ? `it refused the key (${status}: ${said}). Give another key.`
      : `it wants a key (${status}: ${said}). Give one: it is kept in memory only.`;
  if (status === 404)
    return `it knows no such address, or no model "${model}" (404: ${said}). The address ends with /v1, and the model is named as the server lists it under /v1/models.`;
  return `it refused the request (${status}: ${said}).`;
}

/** The reason in a refusal's body, or its beginning. */
async function whatItSaid(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const { error, message } = JSON.parse(text) as { error?: unknown; message?: unknown };
    const reason = typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error;
    const said = reason ?? message;
    if (typeof said === 'string') return said.slice(0, 300);
  } catch {
    // Its beginning says more than nothing.
  }
  return text.trim() === '' ? 'without a reason' : text.trim().slice(0, 300);
}

/** Milliseconds of a Retry-After header, seconds or a date; null where there is none that a page may read. */
export function retryAfter(response: Pick<Response, 'headers'>, now = Date.now()): number | null {
  const value = response.headers.get('retry-after')?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function waited(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      signal?.removeEventListener('abort', stop);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
