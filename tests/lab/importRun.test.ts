/** A run that comes from a file: the same bytes when it is bundled again, refused whole when it was changed. */
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { FileError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { readConfig } from '../../src/engine/stream';
import type { ModelConfig } from '../../src/engine/types';
import { exportedRun } from '../../src/lab/stored/exported';
import { importRun } from '../../src/lab/stored/import';
import type { ExportRequest } from '../../src/lab/types';
import { PAGE_MARKS } from '../../src/share/exports/kinds';
import { runInPage } from '../../src/share/exports/page';
import { decodeLink } from '../../src/share/link';
import { bundleRun } from '../../src/share/writeBundle';
import { MemoryRunStore } from '../../src/store/memory';
import { polylogue } from '../cli/program';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let bytes: Uint8Array;
let model: ModelConfig;
const modelOf = () => Promise.resolve(model);
const noModel = () => Promise.reject(new Error('not at hand'));

beforeAll(async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'polylogue-import-'));
  const file = join(scratch, 'run.zip');
  const few = ['trainProblems=3', 'evaluationProblems=2', 'chunk=2', 'finetune.batchSize=4'];
  const { code } = polylogue(
    ...['run', '--preset', 'arithmetic-tiny', '--seed', '4', '--engine', 'exact', '--workers', '1', '--out', file],
    ...few.flatMap((setting) => ['--set', setting]),
  );
  expect(code).toBe(0);
  bytes = new Uint8Array(readFileSync(file));
  rmSync(scratch, { recursive: true, force: true });
  model = await readConfig(folderSource('static/models/arithmetic-0.4m'));
}, 120_000);

function changed(change: (files: Record<string, Uint8Array>) => void): Uint8Array {
  const files = unzipSync(bytes);
  change(files);
  return zipSync(files, { level: 0 });
}

describe('a bundle', () => {
  it('comes in and goes out with the same bytes', async () => {
    const store = new MemoryRunStore();
    const { run, notes } = await importRun(store, 'run.zip', bytes, modelOf);
    expect(notes).toEqual([]);
    expect(run.status).toBe('finished');
    expect(Buffer.from(await bundleRun(store, run.id)).equals(Buffer.from(bytes))).toBe(true);
  });

  it('comes in without adapters where the model is not at hand, and says so', async () => {
    const store = new MemoryRunStore();
    const { run, notes } = await importRun(store, 'run.zip', bytes, noModel);
    expect(notes).toEqual(['Its model is not at hand, so its adapters were left out.']);
    expect(await store.adapters(run.id)).toEqual([]);
  });

  it('comes in as its log alone', async () => {
    const store = new MemoryRunStore();
    const log = unzipSync(bytes)['log.jsonl']!;
    const { run, notes } = await importRun(store, 'my run.jsonl', log, modelOf);
    expect(run.name).toBe('my run');
    expect(notes.join()).toMatch(/holds 0 of its 7 adapters/);
  });

  it('comes in as a log that was cut, up to its last whole line, and says so', async () => {
    const store = new MemoryRunStore();
    const log = strFromU8(unzipSync(bytes)['log.jsonl']!).split('\n');
    const file = strToU8(`${log.slice(0, 3).join('\n')}\n${log[3]!.slice(0, 20)}`);
    const { run, notes } = await importRun(store, 'my run.jsonl', file, modelOf);
    expect(run).toMatchObject({ status: 'stopped', events: 3 });
    expect(notes).toEqual(['my run.jsonl: line 4 was not written to its end and is left out.']);
  });

  it('that is not finished can go on from its last iteration', async () => {
    const store = new MemoryRunStore();
    const unfinished = changed((files) => {
      const lines = strFromU8(files['log.jsonl']!).trimEnd().split('\n');
      files['log.jsonl'] = strToU8(`${lines.slice(0, -2).join('\n')}\n`);
      for (const name of ['run.json', 'receipt.json', 'results.json']) delete files[name];
    });
    const { run } = await importRun(store, 'run.zip', unfinished, modelOf);
    expect(run.status).toBe('stopped');
    await expect(importRun(store, 'run.zip', unfinished, noModel)).rejects.toThrow(/Get it under Models first/);
  });
});

describe('nothing is stored of', () => {
  it.each<[string, () => Uint8Array, RegExp]>([
    ['what is no zip and no log', () => strToU8('hello'), /event 0 is not JSON/],
    ['an empty file', () => new Uint8Array(), /holds no run/],
    ['a zip without a log', () => zipSync({ 'a.txt': strToU8('x') }), /holds no log\.jsonl/],
    ['a torn zip', () => bytes.slice(0, bytes.length - 40), /is not a zip that can be read/],
    [
      'a log that was changed',
      () =>
        changed(
          (files) => (files['log.jsonl'] = strToU8(strFromU8(files['log.jsonl']!).replace('"count":', '"count":1'))),
        ),
      /another digest than its log/,
    ],
    [
      'a receipt that was changed',
      () =>
        changed((files) => {
          const text = strFromU8(files['receipt.json']!);
          files['receipt.json'] = strToU8(text.replace(/"n": 2/, '"n": 20'));
        }),
      /the receipt: it claims something else than the log: the right answers of/,
    ],
    [
      'an adapter that was changed',
      () =>
        changed((files) => {
          const name = Object.keys(files).find((entry) => entry.endsWith('adapter_model.safetensors'))!;
          files[name]![files[name]!.length - 1]! ^= 1;
        }),
      /it was changed since the run/,
    ],
    ['a run.json that is no object', () => changed((files) => (files['run.json'] = strToU8('7'))), /is no object/],
  ])('%s', async (_, file, words) => {
    const store = new MemoryRunStore();
    const attempt = importRun(store, 'run.zip', file(), modelOf);
    await expect(attempt).rejects.toThrow(words);
    await expect(attempt).rejects.toThrow(FileError);
    expect(await store.runs()).toEqual([]);
  });
});

describe('a stored run for other programs', () => {
  it('is its adapters as the bundle holds them, and scripts with its data sets', async () => {
    const store = new MemoryRunStore();
    const { run } = await importRun(store, 'run.zip', bytes, modelOf);
    const { name, files } = await exported(store, run.id, { kind: 'peft' });
    expect(name).toMatch(/^[a-z0-9-]+-adapters\.zip$/);
    const held = Object.entries(unzipSync(bytes)).filter(([path]) => path.startsWith('adapters/'));
    expect(Object.keys(files).sort()).toEqual(held.map(([path]) => path.slice('adapters/'.length)).sort());
    for (const [path, weights] of held.filter(([path]) => path.endsWith('.safetensors')))
      expect(Buffer.from(files[path.slice('adapters/'.length)]!).equals(Buffer.from(weights))).toBe(true);
    const script = await exported(store, run.id, { kind: 'script' });
    expect(Object.keys(script.files)).toEqual(
      expect.arrayContaining(['README.md', 'finetune.py', 'serve.py', 'requirements.txt', 'data/README.md']),
    );
  });

  it('is one page that holds the log and a link with the receipt', async () => {
    const store = new MemoryRunStore();
    const { run } = await importRun(store, 'run.zip', bytes, modelOf);
    const site = 'https://example.org/lab/';
    const template = `<title>${PAGE_MARKS.title}</title>${PAGE_MARKS.run}`;
    const page = strFromU8((await exportedRun(store, run.id, { kind: 'page', template, site })).bytes);
    const shown = runInPage(/id="run">([^<]*)</.exec(page)![1]!);
    expect(shown.events).toEqual(await store.events(run.id));
    expect(shown.link!.startsWith(`${site}#`)).toBe(true);
    expect(decodeLink(shown.link!).link.receipt?.digest).toBe(run.digest);
  });

  it('is refused in words where no adapter was kept, or one is not that of the log', async () => {
    const store = new MemoryRunStore();
    const { run } = await importRun(store, 'run.zip', bytes, noModel);
    await expect(exportedRun(store, run.id, { kind: 'peft' })).rejects.toThrow(/None of the adapters of .* were kept/);
    const other = await importRun(store, 'run.zip', bytes, modelOf);
    const read = store.adapter.bind(store);
    store.adapter = async (id, version) => {
      const weights = await read(id, version);
      return { ...weights, config: { ...weights.config, alpha: weights.config.alpha + 1 } };
    };
    await expect(exportedRun(store, other.run.id, { kind: 'peft' })).rejects.toThrow(/was changed since the run/);
  });

  async function exported(store: MemoryRunStore, id: string, request: ExportRequest) {
    const { name, bytes } = await exportedRun(store, id, request);
    return { name, files: unzipSync(bytes) };
  }
});
