import { afterEach, expect, it } from 'vitest';
import { complete, retryAfter, type ClientOptions } from '../../src/runtimes/endpoint/client';
import { eventsOf } from '../../src/runtimes/endpoint/events';
import { openEndpoint, type EndpointOptions } from '../../src/runtimes/endpoint/voice';
import { seedOf } from '../../src/runtimes/seedOf';
import type { Question } from '../../src/runtimes/types';
import { endpointServer, pieces, refuse, stream, type EndpointServer, type ServerOptions } from './endpointServer';

const open: EndpointServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function serve(options?: ServerOptions): Promise<EndpointServer> {
  const server = await endpointServer(options);
  open.push(server);
  return server;
}

const sampling = { temperature: 1, topK: 0, topP: 1, maxTokens: 20 };
const waits: number[] = [];
const optionsFor = ({ address }: { address: string }, more: Partial<EndpointOptions> = {}): EndpointOptions => ({
  name: `endpoint:${address}#scripted`,
  address,
  model: 'scripted',
  key: null,
  config: { seed: 7, sampling },
  wait: async (milliseconds) => void waits.push(milliseconds),
  ...more,
});

function question(problem: number, text = '1+2*3+4-0*0='): Question {
  return {
    at: { purpose: 'train', learner: 'society', iteration: 1, problem },
    call: 'answer-1',
    kind: 'answer',
    agent: 'generator-1',
    seat: 1,
    layer: 0,
    adapter: null,
    messages: [{ role: 'user', content: text }],
    draw: { stream: 1, iteration: 1, agent: 1, problem, round: 1 },
  };
}

it('answers in order with text, seeds, counts and log-probabilities', async () => {
  const server = await serve({ say: ({ messages }) => `<${messages[0]?.content}>`, delay: 5 });
  const grown: string[] = [];
  const voice = await openEndpoint(optionsFor(server, { rows: 4, onText: (_, text) => grown.push(text) }));
  const answers = await voice.ask(Array.from({ length: 10 }, (_, n) => question(n, `question ${n}`)));
  expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, n) => `<question ${n}>`));
  expect(answers[3]).toMatchObject({ finish: 'stop', tokens: 5, logprobs: [-0.25, -0.25, -0.25, -0.25] });
  expect(answers[3]?.margins).toBeUndefined();
  expect(answers[3]?.ids).toBeUndefined();
  expect(answers.map(({ seed }) => seed)).toEqual(Array.from({ length: 10 }, (_, n) => seedOf(7, question(n).draw)));
  expect(new Set(server.asked.slice(1).map(({ seed }) => seed))).toEqual(new Set(answers.map(({ seed }) => seed)));
  // Several at once, and no more than were allowed.
  expect(server.most).toBeGreaterThan(1);
  expect(server.most).toBeLessThanOrEqual(4);
  expect(grown).toContain('<question 3>');
  expect(grown).toContain('<qu');
  expect(voice.describe()).toEqual({
    name: `endpoint:${server.address}#scripted`,
    engine: 'OpenAI chat completions',
    model: { name: 'scripted', hash: '' },
    fingerprint: 'fp_1',
    gives: ['logprobs'],
  });
});

it('sends the key with every request and names it nowhere', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server, { key: 'secret-key' }));
  await voice.ask([question(1)]);
  expect(server.keys).toEqual(['Bearer secret-key', 'Bearer secret-key']);
  expect(JSON.stringify(voice.describe())).not.toContain('secret');
  server.misbehave = (_, response) => (refuse(response, 401, 'bad key'), true);
  const failed = await voice.ask([question(2)]).catch((error: Error) => error);
  expect(String(failed)).toMatch(/refused the key \(401: bad key\)/);
  expect(String(failed)).not.toContain('secret');
});

it('does without log-probabilities where a server refuses them', async () => {
  const server = await serve({ logprobs: false });
  const voice = await openEndpoint(optionsFor(server));
  expect(voice.can.logprobs).toBe(false);
  const [answer] = await voice.ask([question(1)]);
  expect(answer).not.toHaveProperty('logprobs');
  expect(server.asked.at(-1)).not.toHaveProperty('logprobs');
});

it('sends top_k only where it changes something', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server));
  await voice.ask([question(1), { ...question(2), sampling: { topK: 3 } }]);
  expect(server.asked.map(({ top_k }) => top_k)).toEqual([undefined, undefined, 3]);
});

it('waits as long as a busy server says, and tells when it stays busy', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server));
  const first = server.asked.length;
  server.misbehave = (_, response, count) =>
    count <= first + 2 && (refuse(response, 429, 'slow down', { 'retry-after': '3' }), true);
  waits.length = 0;
  expect((await voice.ask([question(1)]))[0]?.text).toBe('sum#11');
  expect(waits).toEqual([3000, 3000]);
  waits.length = 0;
  server.misbehave = (_, response) => (refuse(response, 503, 'loading'), true);
  await expect(voice.ask([question(1)])).rejects.toMatchObject({
    name: 'EndpointBusyError',
    message: expect.stringMatching(/answered 503 \(loading\) to 6 tries\. Resume the run/),
  });
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000]);
  server.misbehave = (_, response) => (refuse(response, 429, 'quota', { 'retry-after': '3600' }), true);
  await expect(voice.ask([question(1)])).rejects.toThrow(/asks for a pause of 3600 seconds/);
});

it('reads Retry-After as seconds and as a date', () => {
  const after = (value?: string) => retryAfter({ headers: new Headers(value ? { 'retry-after': value } : {}) }, 1e12);
  expect(after('2.5')).toBe(2500);
  expect(after(new Date(1e12 + 5000).toUTCString())).toBe(5000);
  expect(after(new Date(1e12 - 5000).toUTCString())).toBe(0);
  expect(after('soon')).toBeNull();
  expect(after()).toBeNull();
});

it('asks again where an answer broke off, and does not take the half for the whole', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server));
  const first = server.asked.length;
  const half = pieces('scripted', 'sum#1234').slice(0, 2);
  server.misbehave = (_, response, count) => count === first + 1 && (stream(response, half), true);
  expect((await voice.ask([question(1)]))[0]?.text).toBe('sum#11');
  expect(server.asked.length).toBe(first + 2);
  expect(server.asked.at(-1)?.seed).toBe(server.asked.at(-2)?.seed);
  // The connection itself is torn.
  server.misbehave = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${half[0]}\n\n`, () => response.destroy());
    return true;
  };
  await expect(voice.ask([question(1)])).rejects.toMatchObject({
    name: 'EndpointCutError',
    message: expect.stringMatching(/broke off before its end, 6 times/),
  });
});

it.each([
  ['<html>hello</html>', /it is not JSON: <html>/],
  ['{"choices": "none"}', /its field choices is not what/],
  ['{"choices":[{"delta":{"content":"1"},"finish_reason":"content_filter"}]}', /ended with "content_filter"/],
  ['{"choices":[{"delta":{"content":5}}]}', /its field choices\.0\.delta\.content/],
])('refuses an answer that is none: %s', async (event, message) => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server));
  server.misbehave = (_, response) => (stream(response, [event]), true);
  await expect(voice.ask([question(1)])).rejects.toMatchObject({
    name: 'EndpointAnswerError',
    message: expect.stringMatching(message),
  });
});

it('tells what a server says of its own failure within a stream', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server));
  server.misbehave = (_, response) => (stream(response, ['{"error":{"message":"out of memory"}}']), true);
  await expect(voice.ask([question(1)])).rejects.toThrow(/failed while it answered: out of memory/);
});

it('takes a whole answer from a server that does not stream', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server));
  server.misbehave = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const choice = { index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'length' };
    response.end(JSON.stringify({ model: 'scripted', choices: [choice], usage: { completion_tokens: 4 } }));
    return true;
  };
  expect(await voice.ask([question(1)])).toMatchObject([{ text: 'whole', finish: 'length', tokens: 4 }]);
});

it('refuses another model, from the start and later', async () => {
  const other = await serve({ answers: () => 'somebody-else' });
  await expect(openEndpoint(optionsFor(other))).rejects.toMatchObject({
    name: 'OtherModelError',
    message: expect.stringMatching(/"somebody-else" answered, and "scripted" was asked/),
  });
  const dated = await serve({ answers: () => 'scripted-2026-01-02' });
  const voice = await openEndpoint(optionsFor(dated));
  expect(voice.describe().model.name).toBe('scripted-2026-01-02');
  dated.misbehave = (_, response) => (stream(response, pieces('scripted-2026-05-05', 'x')), true);
  await expect(voice.ask([question(1)])).rejects.toThrow(/"scripted-2026-05-05" answered, and "scripted-2026-01-02"/);
});

it('says of a model that the server lacks how it is named', async () => {
  const server = await serve({ models: ['else'] });
  await expect(openEndpoint(optionsFor(server))).rejects.toMatchObject({
    name: 'EndpointRefusedError',
    message: expect.stringMatching(/no model "scripted" \(404: model scripted not found\)/),
  });
});

it('does not wait for ever for a server that says nothing, nor for one that falls silent', async () => {
  const server = await serve();
  const voice = await openEndpoint(optionsFor(server, { patience: 40 }));
  server.misbehave = () => true;
  await expect(voice.ask([question(1)])).rejects.toMatchObject({ name: 'EndpointSilentError' });
  server.misbehave = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': hello\n\n');
    return true;
  };
  await expect(voice.ask([question(1)])).rejects.toThrow(/said nothing for 0.04 seconds/);
});

it('says of a server that is not there what to look at', async () => {
  const server = await serve();
  const { address } = server;
  await server.close();
  await expect(openEndpoint(optionsFor({ address }))).rejects.toMatchObject({
    name: 'EndpointUnreachableError',
    message: expect.stringMatching(/cannot be reached .*CORS/),
  });
});

it('does not follow a server to another one', async () => {
  const server = await serve();
  server.misbehave = (_, response) => {
    response.writeHead(307, { location: 'http://127.0.0.1:9/v1/chat/completions' }).end();
    return true;
  };
  await expect(openEndpoint(optionsFor(server, { key: 'secret-key' }))).rejects.toMatchObject({
    name: 'EndpointUnreachableError',
  });
});

it('stops at once, and begins no question behind one that failed', async () => {
  const server = await serve();
  const control = new AbortController();
  const voice = await openEndpoint(optionsFor(server, { signal: control.signal, rows: 2 }));
  const before = server.asked.length;
  server.misbehave = (_, response) => (refuse(response, 400, 'no'), true);
  await expect(voice.ask(Array.from({ length: 20 }, (_, n) => question(n)))).rejects.toThrow(/refused the request/);
  expect(server.asked.length - before).toBeLessThanOrEqual(3);
  server.misbehave = () => true;
  const waiting = voice.ask([question(1)]);
  control.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
});

it('reads events whose lines and characters come in pieces', async () => {
  const bytes = new TextEncoder().encode(
    'data: {"a":"é"}\r\n\r\n: comment\ndata: one\ndata: two\n\nevent: x\ndata: last',
  );
  for (let size = 1; size < 9; size++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const events: string[] = [];
    for await (const event of eventsOf(body)) events.push(event);
    expect(events).toEqual(['{"a":"é"}', 'one\ntwo', 'last']);
  }
});

it('gives up an answer without an end', async () => {
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: '.padEnd(1_000_000, 'x'))),
  });
  const fetch = async () => new Response(endless, { headers: { 'content-type': 'text/event-stream' } });
  const options: ClientOptions = { name: 'e', address: 'http://127.0.0.1:1/v1', key: null, fetch };
  const request = { model: 'm', messages: [], sampling, seed: 1, logprobs: false };
  await expect(complete(options, request)).rejects.toThrow(/more than 8000000 characters/);
});
