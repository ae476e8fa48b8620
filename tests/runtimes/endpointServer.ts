/** A server of the protocol, on this machine, that behaves or misbehaves as it is told. It computes what the prompt asks. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  model: string;
  messages: { role: string; content: string }[];
  seed: number;
  temperature: number;
  max_tokens: number;
  stream: boolean;
  logprobs?: boolean;
  top_k?: number;
}

/** What becomes of a request: `true` = it was dealt with, `false` = it is answered as usual. */
export type Misbehaviour = (asked: Asked, response: ServerResponse, count: number) => boolean;

export interface EndpointServer {
  /** Up to /v1. */
  address: string;
  asked: Asked[];
  /** Authorization headers, in order. */
  keys: (string | undefined)[];
  /** Requests that were under way at the same time, at most. */
  readonly most: number;
  misbehave: Misbehaviour | null;
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Models that it knows. */
  models?: string[];
  logprobs?: boolean;
  /** Name that answers give for a model. */
  answers?: (model: string) => string;
  /** What is said. */
  say?: (asked: Asked) => string;
  /** Origins that may ask; none = no page may. */
  cors?: string;
  /** Milliseconds before an answer. */
  delay?: number;
}

export async function endpointServer(options: ServerOptions = {}): Promise<EndpointServer> {
  const {
    models = ['scripted'],
    logprobs = true,
    answers = (model) => model,
    say = sum,
    cors = '*',
    delay = 0,
  } = options;
  let [open, most] = [0, 0];
  const state: Omit<EndpointServer, 'address' | 'close' | 'most'> = { asked: [], keys: [], misbehave: null };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (cors !== '') {
      response.setHeader('access-control-allow-origin', cors);
      response.setHeader('access-control-allow-headers', 'content-type, authorization');
      // The page is isolated, and its local network is asked for.
      response.setHeader('cross-origin-resource-policy', 'cross-origin');
      response.setHeader('access-control-allow-private-network', 'true');
    }
    if (request.method === 'OPTIONS') return void response.writeHead(cors === '' ? 403 : 204).end();
    const asked = JSON.parse(await bodyOf(request)) as Asked;
    state.asked.push(asked);
    state.keys.push(request.headers.authorization);
    most = Math.max(most, ++open);
    response.on('close', () => open--);
    if (state.misbehave?.(asked, response, state.asked.length)) return;
    if (!models.includes(asked.model)) return refuse(response, 404, `model ${asked.model} not found`);
    if (asked.logprobs && !logprobs) return refuse(response, 400, 'logprobs is not supported');
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    stream(response, pieces(answers(asked.model), say(asked), Boolean(asked.logprobs)));
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const counted = {
    address,
    get most() {
      return most;
    },
    close: () => ended(server),
  };
  return Object.defineProperties(state, Object.getOwnPropertyDescriptors(counted)) as EndpointServer;
}

/** The events of an answer. */
export function pieces(model: string, text: string, logprobs = true): string[] {
  const parts = text.match(/.{1,3}/gs) ?? [];
  const piece = (choice: object) => JSON.stringify({ id: 'x', model, system_fingerprint: 'fp_1', choices: [choice] });
  return [
    ...parts.map((content) =>
      piece({
        index: 0,
        delta: { content },
        ...(logprobs && { logprobs: { content: [{ token: content, logprob: -0.25 }] } }),
        finish_reason: null,
      }),
    ),
    piece({ index: 0, delta: {}, finish_reason: 'stop' }),
    JSON.stringify({ id: 'x', model, choices: [], usage: { completion_tokens: parts.length + 1 } }),
    '[DONE]',
  ];
}

export function stream(response: ServerResponse, events: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) response.write(`data: ${event}\n\n`);
  response.end();
}

export function refuse(response: ServerResponse, status: number, message: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ error: { message } }));
}

/** The value of a+b*c+d-e*f in the last message, wrong with every fifth seed. */
function sum({ messages, seed }: Asked): string {
  const text = messages.at(-1)?.content ?? '';
  const found = /(\d)\+(\d)\*(\d)\+(\d)-(\d)\*(\d)/.exec(text);
  if (!found) return '?';
  const [a, b, c, d, e, f] = found.slice(1).map(Number) as [number, number, number, number, number, number];
  return `sum#${a + b * c + d - e * f + (seed % 5 === 0 ? 1 : 0)}`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function ended(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
