/** What commands refuse before they compute, in the words that a person reads. In this process: what a program adds is in cli.test.ts. */
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { expect, it, vi } from 'vitest';
import { openOnnxVoice } from '../../src/lab/setup/onnxVoice';
import { onnxFiles } from '../../src/models/onnxFiles';
import { FolderChunkStore } from '../../src/models/store-node';
import { resolveConfig } from '../../src/recipes/resolve';
import { readRuntime } from '../../src/recipes/seats';
import { openBundle } from '../../src/share/openBundle';
import { UsageError } from '../../tools/cli/args';
import { main as bench } from '../../tools/cli/commands/bench';
import { main as run } from '../../tools/cli/commands/run';
import { main as train } from '../../tools/cli/commands/train';
import { MODELS_VARIABLE } from '../../tools/cli/modelStore';
import { ONNX_PARTS } from '../../tools/cli/voices';
import { HubServer } from '../models/hubServer';
import { COMMIT } from '../models/samples';

it('bench: names what does not go with a comparison of runtimes, and a file that cannot be written', async () => {
  for (const [name, value] of Object.entries({ file: 'x.json', engine: 'webgpu', rank: '4', shape: 'SmolLM2-135M' })) {
    const asked = bench(['--runtimes', `--${name}`, value]);
    await expect(asked).rejects.toThrow(new UsageError(`--${name} does not go with --runtimes; leave it out`));
  }
  await expect(bench(['--with', 'endpoint:http://127.0.0.1:1/v1#x'])).rejects.toThrow('--with goes with --runtimes');
  await expect(bench(['--runtimes', '--with', 'vllm:x'])).rejects.toThrow('"vllm" is no runtime');
  await expect(bench(['--file', join(tmpdir(), 'nowhere', 'x.json')])).rejects.toThrow('there is no folder');
  await expect(bench(['--file', 'README.md/x.json'])).rejects.toThrow('there is no folder');
  await expect(bench(['--model', 'README.md/x'])).rejects.toThrow('README.md/x: there is no such folder');
});

it('train: rank and alpha are those of the adapter that it starts from', async () => {
  const from = ['--model', 'm', '--data', 'd', '--out', 'o', '--adapter', 'a'];
  await expect(train([...from, '--rank', '4'])).rejects.toThrow('--rank goes with a new adapter');
  await expect(train([...from, '--alpha', '4'])).rejects.toThrow('--alpha goes with a new adapter');
});

it('run: a second model is looked for in the folder that was named', async () => {
  const folder = join(tmpdir(), 'nowhere', 'large');
  for (const [recipe, key] of [
    ['preference-loop', 'teacherModel'],
    ['ensem-w2s', 'studentModel'],
  ] as const) {
    const asked = run(['--recipe', recipe, '--preset', 'strategies-tiny', '--set', `${key}=${folder}`]);
    await expect(asked).rejects.toThrow(`${folder}: there is no such folder; say where it lies with --set ${key}=DIR`);
  }
});

it('run: seats are named in one way', async () => {
  const seats = ['--seat', '2=transformers:arithmetic-0.4m', '--set', 'seats=3=transformers:arithmetic-0.4m'];
  await expect(run(seats)).rejects.toThrow('--seat and --set seats=… say the same; give one of them');
});

it('a seat: names the runtime beside the file that is missing, and the files of a model', async () => {
  const request = { config: resolveConfig('arithmetic-tiny', { seed: 1 }), signal: new AbortController().signal };
  const open = (address: string) =>
    openOnnxVoice(ONNX_PARTS, { spec: readRuntime('seats', `transformers:${address}`), ...request });
  await expect(open('nowhere')).rejects.toThrow(
    'transformers:nowhere: nowhere/tokenizer.json: no such file. A model for it has config.json, tokenizer.json',
  );
  const own = await mkdtemp(join(tmpdir(), 'polylogue-seat-'));
  await cp('static/models/arithmetic-0.4m', own, { recursive: true });
  await writeFile(join(own, 'onnx', 'model.onnx'), 'none');
  await expect(open(own)).rejects.toThrow(/: its ONNX file is damaged, cut off or none; copy it again \(/);
  await rm(join(own, 'onnx', 'model.onnx'));
  await expect(open(own)).rejects.toThrow(`transformers:${own}: onnx/model.onnx is missing. A model for it has`);
  await writeFile(join(own, 'config.json'), '{"a": 1,\n');
  await expect(open(own)).rejects.toThrow(/config\.json: is not JSON: line 2, column 1/);
  await rm(join(own, 'config.json'));
  await expect(open(own)).rejects.toThrow('config.json: no such file');
  await rm(own, { recursive: true });
  await expect(open('README.md')).rejects.toThrow('README.md/tokenizer.json: a file stands where a folder should be.');
});

it('a seat: says how a gated or private model of a hub is had, since no token can be given', async () => {
  const hub = new HubServer();
  await hub.start();
  const models = await mkdtemp(join(tmpdir(), 'polylogue-models-'));
  vi.stubEnv(MODELS_VARIABLE, models);
  hub.repos.set('me/gated', { commit: COMMIT, files: new Map([['config.json', new Uint8Array(2)]]), token: 'hf_good' });
  const request = { config: resolveConfig('arithmetic-tiny', { seed: 1 }), signal: new AbortController().signal };
  const open = (name: string) =>
    openOnnxVoice(ONNX_PARTS, { spec: readRuntime('seats', `transformers:${hub.endpoint}/${name}`), ...request });
  const instead = (repo: string) =>
    `download it with the hub's own tool ("hf auth login", then "hf download ${repo} --local-dir DIR"), and give the seat ` +
    'that folder: transformers:DIR on the command line';
  try {
    const gated: unknown = await open('me/gated').catch((error: unknown) => error);
    expect(String(gated)).toContain(
      `me/gated is gated, and files of a seat's model are asked for without a token: accept its licence at ${hub.endpoint}/me/gated, ${instead('me/gated')}`,
    );
    expect(String(gated)).not.toContain('Token and address of the hub');
    await expect(open('me/none')).rejects.toThrow(
      `me/none is not at ${hub.endpoint}, or it is private, and files of a seat's model are asked for without a token: ` +
        `check the spelling (owner/name), ${instead('me/none')}`,
    );
    const pinned = `"hf download me/gated --revision ${COMMIT} --local-dir DIR"`;
    await expect(open(`me/gated/resolve/${COMMIT}`)).rejects.toThrow(pinned);
  } finally {
    vi.unstubAllEnvs();
    await hub.stop();
    await rm(models, { recursive: true, force: true });
  }
});

it('a log: names the line of what is damaged, and what to give in place of another file', () => {
  const log = readFileSync('tests/fixtures/logs/format1/arithmetic-tiny.jsonl', 'utf8');
  const lines = log.split('\n');
  const damaged = strToU8(['', ...lines.slice(0, 2), lines[2]!.slice(0, 20), ...lines.slice(3)].join('\n'));
  expect(() => openBundle('log.jsonl', damaged)).toThrow('log.jsonl: line 4: event 2 is not JSON');
  expect(() => openBundle('run.zip', zipSync({ 'log.jsonl': damaged }))).toThrow(
    'run.zip: line 4 of log.jsonl: event 2 is not JSON',
  );
  expect(() => openBundle('notes.txt', strToU8('Notes'))).toThrow(
    'notes.txt: line 1: event 0 is not JSON; give the zip that run --out wrote, or its log.jsonl',
  );
});

it('a repository without a file: says which, and what to choose in its place', () => {
  const files = (...paths: string[]) => paths.map((path) => ({ path, size: 1, sha256: null, gitSha1: null }));
  const rest = ['config.json', 'tokenizer_config.json'];
  const asked = (...paths: string[]) => onnxFiles('me/model', files(...rest, ...paths), 'fp32');
  expect(() => asked('tokenizer.json')).toThrow('onnx/model.onnx missing. Choose a repository with a folder onnx');
  expect(() => asked('tokenizer.json', 'onnx/model_q4.onnx')).toThrow('There are onnx/model_q4.onnx: name the format');
  expect(() => asked('onnx/model.onnx')).toThrow('tokenizer.json missing. Choose a complete copy of it.');
});

it('models of a hub: names the place where they cannot be kept', async () => {
  const store = new FolderChunkStore('README.md');
  const said = 'README.md, where models are kept, cannot be read (a file stands where a folder should be).';
  await expect(store.models()).rejects.toThrow(said);
  await expect(store.write('me/model', 'manifest.json', new Uint8Array(1))).rejects.toThrow(
    /cannot be written \(a file stands where a folder should be\)\. Models are kept in README\.md; make room/,
  );
});
