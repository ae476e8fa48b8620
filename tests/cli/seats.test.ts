/** A society on the command line, one of whose seats is played by a server. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, unzipSync } from 'fflate';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readEvents } from '../../src/log/read';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';
import { of } from '../recipes/fakeRuntime';
import { endpointServer, refuse, type EndpointServer } from '../runtimes/endpointServer';
import { commandLine, type Ended } from './program';

let [server, folder]: [EndpointServer, string] = [null!, ''];
beforeAll(async () => {
  server = await endpointServer();
  folder = await mkdtemp(join(tmpdir(), 'polylogue-seats-'));
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** The server is in this process, so nothing here may wait for the program in one piece. */
function program(env: Record<string, string>, ...args: string[]): Promise<Ended> {
  const [command, ...rest] = commandLine(...args);
  const child = spawn(command!, rest, { env: { ...process.env, ...env } });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.on('data', (text) => (ended.out += text));
  child.stderr.on('data', (text) => (ended.err += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
}

const few = ['--set', 'trainProblems=4', '--set', 'evaluationProblems=3', '--set', 'iterations=1', '--engine', 'exact'];
const run = (env: Record<string, string>, ...args: string[]) =>
  program(
    env,
    'run',
    '--preset',
    'arithmetic-tiny',
    ...few,
    '--seat',
    `2=endpoint:${server.address}#scripted`,
    ...args,
  );

it('plays, trains the others, and keeps neither key nor place in the log', { timeout: 600_000 }, async () => {
  const out = join(folder, 'run.zip');
  const { code, err } = await run({ POLYLOGUE_ENDPOINT_KEY: 'secret-key' }, '--out', out);
  expect(err).toMatch(/Some agents are played by http:\/\/127\.0\.0\.1:\d+, with the key in POLYLOGUE_ENDPOINT_KEY/);
  expect(code).toBe(0);
  expect(new Set(server.keys)).toEqual(new Set(['Bearer secret-key']));
  const files = unzipSync(new Uint8Array(await readFile(out)));
  for (const bytes of Object.values(files)) expect(strFromU8(bytes)).not.toContain('secret-key');
  const events = readEvents(strFromU8(files['log.jsonl']!).trimEnd().split('\n'));
  const turns = of(events, 'episode').flatMap(({ turns: said }) => said);
  expect(turns.some(({ runtime, text }) => runtime?.startsWith('endpoint:') && text.startsWith('sum#'))).toBe(true);
  expect(of(events, 'dataset').find(({ adapter }) => adapter === 'generator-1')?.examples).toEqual([]);
  expect(of(events, 'adapter').map(({ adapter }) => adapter)).toContain('generator-0');
});

it('says in one line why a server cannot play, before a model is loaded', { timeout: 60_000 }, async () => {
  server.misbehave = (_, response) => (refuse(response, 401, 'who are you'), true);
  const { code, err } = await run({});
  server.misbehave = null;
  expect(code).toBe(1);
  expect(err).toMatch(/it wants a key \(401: who are you\)/);
});

it('is not run again by a file that names a server: it says what can be done', { timeout: 600_000 }, async () => {
  const asked = server.keys.length;
  const { code, err, out } = await program({}, 'verify', join(folder, 'run.zip'), '--mode', 'run-again');
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/no site is asked because a file names it; look at the run with "polylogue replay .*run\.zip"/);
  expect(err).toContain('--mode receipt or --mode spot-check');
  expect(server.keys).toHaveLength(asked);
  expect(await program({}, 'verify', join(folder, 'run.zip'))).toMatchObject({ code: 0 });
});

it('is run again where its other runtime repeats itself: the same byte for byte', { timeout: 600_000 }, async () => {
  const out = join(folder, 'onnx.zip');
  const seat = ['--seat', '2=transformers:arithmetic-0.4m'];
  expect(await program({}, 'run', '--preset', 'arithmetic-tiny', ...few, ...seat, '--out', out)).toMatchObject({
    code: 0,
  });
  const ended = await program({}, 'verify', out, '--mode', 'run-again', '--json');
  expect(ended).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(ended.out)).toMatchObject({ verdict: 'same-bytes', same_until: null });
});

it('plays a model of a hub, which is downloaded once, checked and kept', { timeout: 300_000 }, async () => {
  const hub = new HubServer();
  await hub.start();
  const own = 'static/models/arithmetic-0.4m';
  const names = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx'];
  const read = await Promise.all(
    names.map(async (name) => [name, new Uint8Array(await readFile(join(own, name)))] as const),
  );
  hub.repos.set('me/tiny-ONNX', { commit: COMMIT, files: new Map(read), token: null });
  const name = `transformers:${hub.endpoint}/me/tiny-ONNX`;
  const env = { POLYLOGUE_MODELS: join(folder, 'models') };
  try {
    const refused = await program(env, 'run', '--preset', 'arithmetic-tiny', ...few, '--seat', `2=${name}#wasm/q4`);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/onnx\/model_q4\.onnx missing\. There are onnx\/model\.onnx/);
    const out = join(folder, 'hub.zip');
    const ended = await program(env, 'run', '--preset', 'arithmetic-tiny', ...few, '--seat', `2=${name}`, '--out', out);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.err).toContain(
      `The model of some agents comes from ${hub.endpoint}; it is kept in ${join(folder, 'models')}`,
    );
    const files = unzipSync(new Uint8Array(await readFile(out)));
    const [started] = of(readEvents(strFromU8(files['log.jsonl']!).trimEnd().split('\n')), 'run-started');
    expect(started!.runtimes?.[0]?.model.hash).toMatch(/^[0-9a-f]{64}$/);
    const fetched = hub.requests.filter(({ path }) => path === 'onnx/model.onnx').length;
    expect(fetched).toBeGreaterThan(0);
    // The bench takes what is stored, and measures it beside the engine.
    const bench = await program(env, 'bench', '--runtimes', '--rows', '1', '--quick', '--json', '--with', name);
    expect(bench).toMatchObject({ code: 0, err: '' });
    const lines = bench.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const agreements = lines.filter(({ type }) => type === 'agreement');
    expect(agreements.map(({ same, texts, of: all }) => [same, texts, all])).toEqual([
      [200, 200, 200],
      [200, 200, 200],
    ]);
    expect(hub.requests.filter(({ path }) => path === 'onnx/model.onnx')).toHaveLength(fetched);
  } finally {
    await hub.stop();
  }
});

it('measures a server beside the engine, and says what it does not give', { timeout: 120_000 }, async () => {
  const args = ['bench', '--runtimes', '--rows', '1', '--quick', '--with', `endpoint:${server.address}#scripted`];
  const { code, out } = await program({}, ...args);
  expect(code).toBe(0);
  expect(out).toMatch(/^endpoint, scripted, 1 row: \d+ tokens\/s$/m);
  expect(out).toContain(
    'greedy answers of endpoint, scripted beside exact engine, WebAssembly: ids are not given, 0 of 200 the same text',
  );
});
