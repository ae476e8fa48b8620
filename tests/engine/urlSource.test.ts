/** Models from web servers of all kinds: with ranges, without, and broken ones. */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FileError } from '../../src/engine/errors';
import { urlSource } from '../../src/engine/urlSource';
import { folderSource } from '../../src/engine/loader-node';
import { openFile } from '../../src/engine/source';
import { openModelStream } from '../../src/engine/stream';
import { goldenDir } from './golden';
import { loadModel } from './loadModel';
import { sameBits } from './weightFile';

type Answer = (bytes: Buffer, request: IncomingMessage, response: ServerResponse) => void;

function rangeOf(request: IncomingMessage, bytes: Buffer): { from: number; to: number } | null {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  return match && { from: Number(match[1]), to: Math.min(bytes.length, Number(match[2]) + 1) };
}

function answerRange(response: ServerResponse, bytes: Buffer, from: number, to: number): ServerResponse {
  return response.writeHead(206, {
    'content-length': to - from,
    'content-range': `bytes ${from}-${to - 1}/${bytes.length}`,
  });
}

const plain: Answer = (bytes, _request, response) =>
  void response.writeHead(200, { 'content-length': bytes.length }).end(bytes);

const ranges: Answer = (bytes, request, response) => {
  const range = rangeOf(request, bytes);
  if (range === null) return plain(bytes, request, response);
  if (range.from >= bytes.length) return void response.writeHead(416).end('<html>');
  answerRange(response, bytes, range.from, range.to).end(bytes.subarray(range.from, range.to));
};

/** Only later ranges are answered badly, so that the header gets through. */
const late =
  (answer: (range: { from: number; to: number }, bytes: Buffer, response: ServerResponse) => void): Answer =>
  (bytes, request, response) => {
    const range = rangeOf(request, bytes);
    if (range === null || range.from === 0) return ranges(bytes, request, response);
    answer(range, bytes, response);
  };

/** By the first part of the path. */
const ANSWERS: Record<string, Answer> = {
  ranges,
  plain,
  'without a length': (bytes, _request, response) =>
    void Readable.from([bytes.subarray(0, 999), bytes.subarray(999)]).pipe(response),
  'with compression': (bytes, _request, response) => {
    const small = gzipSync(bytes);
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': small.length }).end(small);
  },
  /** As Chromium answers from its cache where a host sent the whole file compressed. */
  'with ranges of what is compressed': (bytes, request, response) => {
    const small = gzipSync(bytes);
    const range = rangeOf(request, small);
    response.setHeader('content-encoding', 'gzip');
    if (range === null) return plain(small, request, response);
    answerRange(response, small, range.from, range.to).end(small.subarray(range.from, range.to));
  },
  'hiding what it sends': (bytes, request, response) => {
    const range = rangeOf(request, bytes);
    if (range === null) return plain(bytes, request, response);
    response.writeHead(206).end(bytes.subarray(range.from, range.to));
  },
  'whose ranges end': (bytes, request, response) =>
    (rangeOf(request, bytes)?.from === 0 ? ranges : plain)(bytes, request, response),
  empty: (_bytes, request, response) => ranges(Buffer.alloc(0), request, response),
  'empty plain': (_bytes, request, response) => plain(Buffer.alloc(0), request, response),
  cut: late(({ from, to }, bytes, response) => {
    answerRange(response, bytes, from, to).write(bytes.subarray(from, to - 1000), () => response.destroy());
  }),
  short: late(({ from, to }, bytes, response) => {
    response.writeHead(206, { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` });
    response.end(bytes.subarray(from, to - 1000));
  }),
  shifted: late(({ from, to }, bytes, response) => {
    answerRange(response, bytes, from - 8, to - 8).end(bytes.subarray(from - 8, to - 8));
  }),
  grown: late(({ from, to }, bytes, response) => {
    const more = Buffer.concat([bytes, bytes]);
    answerRange(response, more, from, to).end(bytes.subarray(from, to));
  }),
  gone: late((_range, _bytes, response) => void response.writeHead(404).end()),
  'cut plain': (bytes, _request, response) => {
    const half = bytes.subarray(0, bytes.length / 2);
    response.writeHead(200, { 'content-length': bytes.length }).write(half, () => response.destroy());
  },
  page: (_bytes, _request, response) =>
    void response.setHeader('content-type', 'text/html; charset=utf-8').end('<html>'),
  stalling: late(
    ({ from, to }, bytes, response) =>
      void answerRange(response, bytes, from, to).write(bytes.subarray(from, from + 10)),
  ),
  silent: () => {},
  'silent after a while': late(() => {}),
  'stalling plain': (bytes, _request, response) =>
    void response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 10)),
  /** A byte now and then, for ever: it is never silent. */
  'trickling plain': (bytes, _request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    let sent = 0;
    const timer = setInterval(() => response.write(bytes.subarray(sent, ++sent)), 20);
    response.once('close', () => clearInterval(timer));
  },
};

let server: Server;
let base: string;
let requests: { path: string; range: string | undefined }[] = [];
/** Resolves when a connection of /endless is closed. */
let endlessClosed: Promise<void>;

beforeAll(async () => {
  server = createServer((request, response) => {
    const [, kind, model, path] = decodeURIComponent(request.url as string).split('/');
    if (kind === 'endless') return endless(response);
    requests.push({ path, range: request.headers.range });
    const answer = path.endsWith('.safetensors') && request.method === 'GET' ? ANSWERS[kind] : ranges;
    readFile(`${goldenDir(model)}/${path}`).then(
      (bytes) => answer(bytes, request, response),
      () => (kind === 'page' ? ANSWERS.page(Buffer.of(), request, response) : response.writeHead(404).end()),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => void (requests = []));

/** 100 GB in which every byte is the number of its block of 64 KiB. */
function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 1e11 });
  endlessClosed = new Promise((resolve) => response.once('close', resolve));
  const blocks = function* () {
    for (let block = 0; ; block++) yield new Uint8Array(65536).fill(block);
  };
  Readable.from(blocks()).pipe(response);
}

const at = (kind: string, model: string) => urlSource(`${base}/${encodeURIComponent(kind)}/${model}`);

describe('urlSource', () => {
  it.each([
    'ranges',
    'plain',
    'without a length',
    'with compression',
    'with ranges of what is compressed',
    'hiding what it sends',
    'whose ranges end',
  ])('loads the same as the folder, single and sharded, in one part and many, from a server: %s', async (kind) => {
    for (const model of ['llama', 'qwen3']) {
      const wanted = await loadModel(folderSource(goldenDir(model)));
      for (const options of [{}, { partBytes: 9000 }]) {
        const { weights, hash } = await loadModel(at(kind, model), options);
        expect(hash).toBe(wanted.hash);
        expect(weights.tensors.size).toBe(wanted.weights.tensors.size);
        for (const [name, { data }] of weights.tensors) {
          expect(sameBits(data, wanted.weights.tensors.get(name)?.data)).toBe(true);
        }
      }
    }
  });

  it('asks a server with ranges for parts only, and one without for each file once per pass', async () => {
    const weights = () => requests.filter(({ path }) => path.startsWith('model.safetensors'));
    const stream = await openModelStream(at('ranges', 'llama'));
    await stream.read(() => {}, { partBytes: 20_000 });
    const asked = weights().filter(({ range }) => range !== undefined);
    expect(asked.length).toBeGreaterThan(3);
    // HEAD has none.
    expect(weights().length - asked.length).toBe(1);
    for (const { range } of asked.slice(1)) {
      const [from, last] = (range as string).slice('bytes='.length).split('-').map(Number);
      expect(last - from).toBeLessThan(20_000);
    }
    requests = [];
    const whole = await openModelStream(at('plain', 'llama'));
    await whole.read(() => {}, { partBytes: 20_000 });
    expect(weights()).toHaveLength(3);
  });

  it('knows sizes and reads ranges', async () => {
    const bytes = await readFile(`${goldenDir('llama')}/model.safetensors`);
    for (const kind of [
      'ranges',
      'plain',
      'without a length',
      'with compression',
      'with ranges of what is compressed',
    ]) {
      const source = at(kind, 'llama');
      expect(await source.size?.('model.safetensors')).toBe(bytes.length);
      const part = await source.readRange?.('model.safetensors', 1001, 2002);
      expect(Buffer.from(part as Uint8Array).equals(bytes.subarray(1001, 2002))).toBe(true);
      // Backwards too, if not as fast.
      const file = openFile(source, 'model.safetensors');
      for (const from of [5000, 300, 301]) {
        expect(Buffer.from(await file.read(from, from + 1)).equals(bytes.subarray(from, from + 1))).toBe(true);
      }
      await file.close();
    }
  });

  it.each(['silent', 'silent after a while', 'stalling', 'stalling plain'])(
    'gives up a server that sends nothing more: %s',
    async (kind) => {
      const source = urlSource(`${base}/${encodeURIComponent(kind)}/llama`, 200);
      const words =
        /model\.safetensors: could not be fetched: the server sent (nothing|no more than 10 bytes) for 0\.2 s; try again later/;
      await expect(loadModel(source, { partBytes: 20_000 })).rejects.toThrow(words);
      if (kind.endsWith('while') || kind === 'stalling') return;
      await expect(source.read('model.safetensors')).rejects.toThrow(words);
    },
  );

  it.each(['empty', 'empty plain'])('says that a file is %s', async (kind) => {
    expect(await at(kind, 'llama').size?.('model.safetensors')).toBe(0);
    await expect(loadModel(at(kind, 'llama'))).rejects.toThrow(/model\.safetensors: is truncated: 0 bytes/);
  });

  it('takes a part from the body of a server without ranges without taking the rest, and hangs up', async () => {
    const file = openFile(urlSource(`${base}/endless`), 'x');
    expect(await file.size()).toBe(1e11);
    expect(await file.read(65535, 65538)).toEqual(Uint8Array.of(0, 1, 1));
    expect(await file.read(65536 * 200 - 1, 65536 * 200 + 1)).toEqual(Uint8Array.of(199, 200));
    await file.close();
    await endlessClosed;
  });

  it('names HTTP errors, pages instead of files, and servers that do not answer', async () => {
    await expect(loadModel(at('ranges', 'nothing'))).rejects.toThrow(/nothing\/config\.json: .*HTTP 404/);
    await expect(loadModel(at('page', 'nothing'))).rejects.toThrow(/nothing\/config\.json: is missing.*HTML/);
    await expect(loadModel(at('page', 'llama'))).rejects.toThrow(/llama\/model\.safetensors: is missing.*HTML/);
    await expect(loadModel(at('gone', 'llama'), { partBytes: 20_000 })).rejects.toThrow(/safetensors: .*HTTP 404/);
    await expect(loadModel(urlSource('http://127.0.0.1:9/x'))).rejects.toThrow(/x\/config\.json: .*no answer/);
  });

  it.each([
    ['cut', /llama\/model\.safetensors: could not be fetched: the transfer broke off/],
    ['cut plain', /llama\/model\.safetensors: could not be fetched: the transfer broke off/],
    ['short', /llama\/model\.safetensors: is truncated/],
    ['shifted', /llama\/model\.safetensors: bytes \d+ to \d+ of \d+ were asked for, the server sent/],
    ['grown', /llama\/model\.safetensors: bytes \d+ to \d+ of \d+ were asked for, the server sent/],
  ])('refuses a transfer that is %s', async (kind, message) => {
    const load = loadModel(at(kind, 'llama'), { partBytes: 20_000 });
    await expect(load).rejects.toThrow(FileError);
    await expect(load).rejects.toThrow(message);
  });

  it('gives up a file that never ends, and hangs up', async () => {
    const endless = urlSource(`${base}/endless`);
    await expect(endless.read('tokenizer.json')).rejects.toThrow(
      /tokenizer\.json: 2[\d,]+ bytes of text are above the limit of 268,435,456/,
    );
    await endlessClosed;
  });

  it('gives up a server that sends a byte now and then', async () => {
    const source = urlSource(`${base}/trickling plain/llama`, 200);
    const words =
      /model\.safetensors: could not be fetched: the server sent no more than \d+ bytes for 0\.2 s; try again later/;
    await expect(loadModel(source)).rejects.toThrow(FileError);
    await expect(source.read('model.safetensors')).rejects.toThrow(words);
  });

  it('stops a transfer that hangs when it is aborted, with the signal’s reason', async () => {
    const stream = await openModelStream(at('stalling', 'llama'));
    const controller = new AbortController();
    const reason = new Error('another model was chosen');
    const read = stream.read(() => {}, { signal: controller.signal, partBytes: 20_000 });
    setImmediate(() => controller.abort(reason));
    await expect(read).rejects.toBe(reason);
  });
});
