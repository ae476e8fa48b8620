/**
 * What a visitor reads when another runtime cannot play: web-llm as it is published, driven up to each failure that can be had without its
 * libraries, models in ONNX from a hub, and servers that a page may not ask. What lies beyond is scripted in tests/runtimes/webllm.test.ts.
 */
import { readdir, readFile, rename } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { resolveConfig } from '../../src/recipes/resolve';
import { encodeLink, linkOf } from '../../src/share/link';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { endpointServer, pieces, refuse, stream, type Misbehaviour } from '../runtimes/endpointServer';
import { FOREIGN_LIBRARY, mlcRepo } from '../runtimes/mlcSamples';
import { BUILT, launch, OUT, serveLab } from './browser';
import { Visit } from './visit';

const hub = new HubServer();
let lab: Awaited<ReturnType<typeof serveLab>>;
let [withGpu, without]: Browser[] = [];
let site: Server;
let library = '';
let libraryBytes: Uint8Array | null = null;

beforeAll(async () => {
  await hub.start();
  site = createServer((_, response) => {
    response.setHeader('access-control-allow-origin', '*');
    if (libraryBytes === null) response.writeHead(404).end();
    else response.end(libraryBytes);
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  library = `http://127.0.0.1:${(site.address() as AddressInfo).port}/model-webgpu.wasm`;
  [lab, withGpu, without] = await Promise.all([serveLab(), launch(), launch(false)]);
}, 300_000);
beforeEach(() => {
  hub.reset();
  hub.repos.set('me/tiny-MLC', { commit: COMMIT, files: mlcRepo(), token: null });
  libraryBytes = FOREIGN_LIBRARY;
});
afterAll(async () => {
  await Promise.all([withGpu?.close(), without?.close()]);
  await lab?.close();
  await hub.stop();
  site.close();
});

/** Opens a run with this seat by its link, allows the sites that it names, and starts it. */
async function started(visit: Visit, seat: string, more = {}): Promise<void> {
  const config = resolveConfig('arithmetic-tiny', {
    seed: 3,
    trainProblems: 4,
    evaluationProblems: 3,
    iterations: 1,
    singleAgentBaseline: 'false',
    seats: `2=${seat}`,
    ...more,
  });
  await visit.page.goto(`${lab.url}${encodeLink(linkOf(config))}`);
  await visit.page.getByRole('button', { name: 'Take these settings' }).click();
  await visit.chooseEngine('exact');
  await visit.allowAll();
  await visit.start();
}

/** What the visitor is told. */
async function told(browser: Browser, seat: string): Promise<string> {
  const visit = await Visit.begin(browser);
  try {
    await started(visit, seat);
    const alert = visit.page.getByRole('alert').first();
    await alert.waitFor({ timeout: 60_000 });
    return await alert.innerText();
  } finally {
    await visit.end();
  }
}

const own = (): string => `web-llm:${hub.endpoint}/me/tiny-MLC#${library}`;
const files = (): Map<string, Uint8Array> => hub.repos.get('me/tiny-MLC')!.files;

it('asks before files of a model are fetched', { timeout: 60_000 }, async () => {
  const visit = await Visit.begin(withGpu!);
  const config = resolveConfig('arithmetic-tiny', { seats: `2=${own()}` });
  await visit.page.goto(`${lab.url}${encodeLink(linkOf(config))}`);
  await visit.page.getByText(`The model of some agents comes from ${hub.endpoint}`).waitFor();
  expect(await visit.page.getByRole('button', { name: 'Run it here' }).count()).toBe(0);
  await visit.page.getByRole('button', { name: 'Take these settings' }).click();
  await visit.form.getByText(`The files of a model come from ${hub.endpoint}`).waitFor();
  expect(await visit.form.getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true);
  for (const width of [1360, 360]) {
    await visit.page.setViewportSize({ width, height: 900 });
    await visit.shot(`web-llm-seat-${width}`);
    expect(await visit.overflow()).toBeLessThanOrEqual(0);
  }
  expect(hub.requests).toEqual([]);
  await visit.end();
});

it('web-llm: says that a library belongs to another version', { timeout: 90_000 }, async () => {
  const text = await told(withGpu!, own());
  expect(text).toMatch(/its library was made for another version of web-llm/);
  expect(text).toMatch(/web-llm 0\.2\.\d+ takes libraries of v0_2_\d+.*TVMOldX/);
});

it('web-llm: says that there is no GPU, and downloads nothing', { timeout: 90_000 }, async () => {
  expect(await told(without!, own())).toMatch(/there is no GPU for it here/);
  expect(hub.requests).toEqual([]);
});

it('web-llm: names missing and damaged files', { timeout: 180_000 }, async () => {
  files().delete('params_shard_1.bin');
  expect(await told(withGpu!, own())).toMatch(/params_shard_1\.bin is missing/);
  files().set('params_shard_1.bin', mlcRepo().get('params_shard_1.bin')!.slice(0, 4096));
  expect(await told(withGpu!, own())).toMatch(/params_shard_1\.bin has 4096 bytes, and tensor-cache\.json names 5000/);
  files().set('params_shard_1.bin', mlcRepo().get('params_shard_1.bin')!);
  libraryBytes = new TextEncoder().encode('<!doctype html>');
  expect(await told(withGpu!, own())).toMatch(/no WebAssembly, or only a part of it/);
  libraryBytes = null;
  expect(await told(withGpu!, own())).toMatch(/there is no such file \(HTTP 404\)/);
});

it('web-llm: knows no model that its list does not name', { timeout: 60_000 }, async () => {
  expect(await told(withGpu!, 'web-llm:Nobody-1B-MLC')).toMatch(/its list has no model Nobody-1B-MLC/);
});

it('web-llm: does not hang when its worker is missing', { timeout: 90_000 }, async () => {
  const assets = join(process.env[BUILT] ?? join(OUT, `e2e-dist-${process.pid}`), 'assets');
  const script = (await readdir(assets)).find((name) => /^webllm-.*\.js$/.test(name))!;
  await rename(join(assets, script), join(assets, 'moved'));
  try {
    expect(await told(withGpu!, own())).toMatch(/worker of web-llm could not be started.*Resume the run/);
  } finally {
    await rename(join(assets, 'moved'), join(assets, script));
  }
});

it('transformers.js: plays a model of the hub, whose files the lab has checked', { timeout: 150_000 }, async () => {
  const folder = 'static/models/arithmetic-0.4m';
  const names = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx'];
  const read = await Promise.all(
    names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const),
  );
  hub.repos.set('me/tiny-ONNX', { commit: COMMIT, files: new Map(read), token: null });
  const seat = `transformers:${hub.endpoint}/me/tiny-ONNX`;
  expect(await told(withGpu!, `${seat}#wasm/q4`)).toMatch(/onnx\/model_q4\.onnx missing\. There are onnx\/model\.onnx/);
  const visit = await Visit.begin(withGpu!);
  await started(visit, seat);
  await visit.untilState('finished');
  const fetched = hub.requests.filter(({ path }) => path === 'onnx/model.onnx').length;
  expect(fetched).toBeGreaterThan(0);
  // It is kept: another run fetches nothing.
  await started(visit, seat, { seed: 4 });
  await visit.untilState('finished');
  expect(hub.requests.filter(({ path }) => path === 'onnx/model.onnx').length).toBe(fetched);
  await visit.end();
});

it('a server that refuses the page ends in what to do', { timeout: 120_000 }, async () => {
  const server = await endpointServer({ cors: '' });
  try {
    const text = await told(withGpu!, `endpoint:${server.address}#scripted`);
    expect(text).toMatch(/cannot be reached/);
    expect(text).toMatch(/has to allow this page’s origin|has to allow this page's origin/);
    expect(text).toMatch(/local network/);
    expect(server.asked).toEqual([]);
  } finally {
    await server.close();
  }
});

const EXPOSED = { 'access-control-expose-headers': 'retry-after' };
const MISBEHAVIOURS: [string, Misbehaviour, RegExp][] = [
  [
    'is busy for an hour',
    (_, response) => (refuse(response, 429, 'quota', { ...EXPOSED, 'retry-after': '3600' }), true),
    /asks for a pause of 3600 seconds/,
  ],
  // Without that header a page cannot know for how long.
  [
    'is busy',
    (_, response) => (refuse(response, 429, 'quota', { 'retry-after': '3600' }), true),
    /answered 429 \(quota\) to 6 tries/,
  ],
  ['answers no JSON', (_, response) => (stream(response, ['<html>hello</html>']), true), /it is not JSON: <html>/],
  [
    'answers with another model',
    (_, response) => (stream(response, pieces('other-1b', 'sum#1')), true),
    /"other-1b" answered, and "scripted" was asked/,
  ],
  [
    'breaks off each answer',
    (_, response) => (stream(response, pieces('scripted', 'sum#1234').slice(0, 2)), true),
    /broke off before its end, 6 times/,
  ],
];

it('a server that misbehaves ends in what to do', { timeout: 240_000 }, async () => {
  for (const [what, misbehave, message] of MISBEHAVIOURS) {
    const server = await endpointServer();
    server.misbehave = misbehave;
    try {
      expect(await told(withGpu!, `endpoint:${server.address}#scripted`), what).toMatch(message);
    } finally {
      await server.close();
    }
  }
});
