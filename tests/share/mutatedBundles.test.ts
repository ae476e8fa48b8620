/** Bundles that were damaged or made to harm: each is opened, or refused in words, and nothing is stored of what is refused. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, strToU8, unzipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { FileError, PolylogueError } from '../../src/engine/errors';
import { folderSource } from '../../src/engine/loader-node';
import { readConfig } from '../../src/engine/stream';
import type { ModelConfig } from '../../src/engine/types';
import { importRun } from '../../src/lab/stored/import';
import { nestsTooDeep } from '../../src/log/depth';
import { cardOf } from '../../src/share/card';
import { adapterCheck, claimChecks } from '../../src/share/claims';
import { adapterFolders } from '../../src/share/exports/peft';
import { trlFiles } from '../../src/share/exports/trl';
import { adaptersIn, openBundle } from '../../src/share/openBundle';
import { MemoryRunStore } from '../../src/store/memory';
import { createRng, type Rng } from '../../tools/soak/rng';
import { polylogue } from '../cli/program';
import { expectNoRequests } from './nothingAsked';
import { rawZip, type RawEntry } from './rawZip';

/** As many as the project promises; every one is drawn from the seed. */
const BUNDLES = 2_000;
const SEED = 17;

expectNoRequests();

let honest: Record<string, Uint8Array>;
let model: ModelConfig;

beforeAll(async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'polylogue-mutated-'));
  const file = join(scratch, 'run.zip');
  const few = ['trainProblems=2', 'evaluationProblems=1', 'iterations=1', 'chunk=2', 'adapter.rank=1'];
  const { code, err } = polylogue(
    ...['run', '--preset', 'arithmetic-tiny', '--seed', '4', '--engine', 'exact', '--workers', '1', '--out', file],
    ...few.flatMap((setting) => ['--set', setting]),
  );
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  honest = unzipSync(new Uint8Array(readFileSync(file)));
  rmSync(scratch, { recursive: true, force: true });
  model = await readConfig(folderSource('static/models/arithmetic-0.4m'));
}, 600_000);

const entriesOf = (files: Record<string, Uint8Array>): RawEntry[] =>
  Object.entries(files).map(([name, data]) => ({ name, data, method: 0 }));
const zipped = (change: (entries: RawEntry[]) => void): Uint8Array => {
  const entries = entriesOf(honest);
  change(entries);
  return rawZip(entries);
};

const HOSTILE_NAMES = [
  '../../outside',
  '/etc/passwd',
  'C:\\run.json',
  'adapters/../../x',
  'adapters//x',
  '__proto__',
  'adapters/__proto__/x',
  'constructor',
  '',
  '/',
  '.',
  'a\u0000b',
  'log.jsonl\n',
  '\u202elnosj.gol',
  'x'.repeat(5_000),
  'LOG.JSONL',
  'log.jsonl/',
];
const VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0.5,
  1e308,
  2 ** 53,
  '',
  '=1+1',
  '<img src=x onerror=alert(1)>',
  '../../x',
  '\ud800',
  'x'.repeat(70_000),
  [],
  [[]],
  {},
  { length: 1e9 },
  { toString: 1 },
  [null],
];
const WHERE = ['run.json', 'receipt.json', 'results.json', 'log.jsonl', 'adapter_config.json'];

type Json = Record<string, unknown>;

/** Removes, replaces or adds one field somewhere. */
function changeField(root: Json, { int, pick }: Rng): void {
  let holder = root;
  for (let depth = int(6); depth > 0; depth--) {
    const inner = holder[pick(Object.keys(holder))];
    if (typeof inner !== 'object' || inner === null || Object.keys(inner).length === 0) break;
    holder = inner as Json;
  }
  const keys = Object.keys(holder);
  const key = keys.length === 0 ? 'new' : pick(keys);
  const how = int(4);
  if (how === 0) delete holder[key];
  else if (how === 1) holder[pick(['__proto__', 'constructor', 'extra', '0'])] = pick(VALUES);
  else holder[key] = pick(VALUES);
}

/** JSON of an entry, or of a line of it, with a field changed. */
function changedText(name: string, data: Uint8Array, rng: Rng): Uint8Array {
  const lines = name.endsWith('.jsonl') ? strFromU8(data).trimEnd().split('\n') : [strFromU8(data)];
  const at = rng.int(lines.length);
  const value = JSON.parse(lines[at] as string) as Json;
  changeField(value, rng);
  lines[at] = JSON.stringify(value);
  return strToU8(lines.join('\n'));
}

function flipped(data: Uint8Array, { int }: Rng): Uint8Array {
  const bytes = data.slice();
  for (let change = int(4); change >= 0; change--) if (bytes.length > 0) bytes[int(bytes.length)] = int(256);
  return bytes;
}

/** What is done to a bundle, each kind about as often. */
const KINDS: Readonly<Record<string, (rng: Rng) => Uint8Array>> = {
  'bytes of the zip': (rng) => flipped(rawZip(entriesOf(honest)), rng),
  'bytes of the end, where the directory is': (rng) => {
    const bytes = rawZip(entriesOf(honest));
    for (let change = rng.int(3); change >= 0; change--) bytes[bytes.length - 1 - rng.int(600)] = rng.int(256);
    return bytes;
  },
  'a zip that is cut': (rng) => {
    const bytes = rawZip(entriesOf(honest));
    return bytes.subarray(0, rng.int(bytes.length));
  },
  'a log alone, its bytes changed or cut': (rng) => {
    const bytes = flipped(honest['log.jsonl'] as Uint8Array, rng);
    return bytes.subarray(0, rng.int(3) === 0 ? rng.int(bytes.length) : bytes.length);
  },
  'bytes of an entry': (rng) =>
    zipped((entries) => {
      const entry = rng.pick(entries);
      entry.data = flipped(entry.data, rng);
    }),
  'an entry that is cut, empty or too long': (rng) =>
    zipped((entries) => {
      const entry = rng.pick(entries);
      const { data } = entry;
      entry.data = rng.pick([data.subarray(0, rng.int(data.length + 1)), new Uint8Array(), new Uint8Array(100_000)]);
    }),
  'fields of JSON': (rng) =>
    zipped((entries) => {
      const entry = rng.pick(entries.filter(({ name }) => WHERE.some((end) => name.endsWith(end))));
      entry.data = changedText(entry.name, entry.data, rng);
    }),
  'an entry that is missing': (rng) => zipped((entries) => void entries.splice(rng.int(entries.length), 1)),
  'a name': (rng) => zipped((entries) => (rng.pick(entries).name = rng.pick(HOSTILE_NAMES))),
  'an entry more': (rng) =>
    zipped((entries) => void entries.push({ name: rng.pick(HOSTILE_NAMES), data: strToU8('{}'), method: 8 })),
  'an entry twice': (rng) =>
    zipped((entries) => {
      const entry = rng.pick(entries);
      entries.splice(rng.int(entries.length), 0, { ...entry, data: flipped(entry.data, rng) });
    }),
  'sizes, places and methods that are not true': (rng) => {
    const entries = entriesOf(honest);
    const entry = rng.pick(entries);
    entry.method = rng.pick([0, 8, 8, 12, 99]);
    const wrong = (): number => rng.pick([0, 1, rng.int(1_000), 2 ** 31, 2 ** 32 - 1]);
    if (rng.int(2) === 0) entry.size = wrong();
    if (rng.int(3) === 0) entry.packed = wrong();
    if (rng.int(4) === 0) entry.offset = wrong();
    return rawZip(entries, rng.int(5) === 0 ? rng.int(65_536) : entries.length);
  },
};

/** What a visitor's page and the command line do with a bundle, short of running a model. */
async function taken(bytes: Uint8Array): Promise<'card' | 'refused'> {
  const store = new MemoryRunStore();
  let opened = false;
  try {
    const bundle = openBundle('mutated.zip', bytes);
    expect(JSON.parse(JSON.stringify(cardOf(bundle)))).toBeTypeOf('object');
    claimChecks(bundle);
    adapterCheck(bundle.events, adaptersIn(bundle, model));
    await importRun(store, 'mutated.zip', bytes, () => Promise.resolve(model));
    opened = true;
    expect(await store.runs()).toHaveLength(1);
    trlFiles(bundle.events);
    for (const { folder } of adapterFolders(bundle)) expect(folder).toMatch(/^iteration-\d+\/[a-z0-9-]+$/);
    return 'card';
  } catch (error) {
    if (!(error instanceof PolylogueError)) throw error;
    expect(error.message.length).toBeLessThan(2_000);
    // What was opened may still lack what an export needs.
    expect(await store.runs()).toHaveLength(opened ? 1 : 0);
    return 'refused';
  }
}

it(`${BUNDLES} mutated bundles are opened or refused in words`, { timeout: 600_000 }, async () => {
  const kinds = Object.entries(KINDS);
  const counts = new Map<string, number>();
  for (let round = 0; round < BUNDLES; round++) {
    const [kind, make] = kinds[round % kinds.length] as (typeof kinds)[number];
    const rng = createRng(SEED + round, kind);
    const outcome = await taken(make(rng)).catch((error: unknown) => {
      throw new Error(`bundle ${round}, ${kind}: ${String(error)}`, { cause: error });
    });
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  expect(counts.get('card')).toBeGreaterThan(0);
  expect(counts.get('refused')).toBeGreaterThan(BUNDLES / 2);
  expect(Object.keys(Object.prototype)).toEqual([]);
});

describe('a zip', () => {
  const refusal = (bytes: Uint8Array): string => {
    try {
      openBundle('run.zip', bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(FileError);
      return (error as Error).message;
    }
    return 'opened';
  };

  it('with names that lead out of its folder is refused', () => {
    for (const name of ['../x', '/x', 'a/../../x', 'a\\b', 'C:x', '__proto__', 'a//b', '', 'a\u0000'])
      expect(refusal(zipped((entries) => void entries.push({ name, data: new Uint8Array() }))), name).toMatch(
        /such a name leads out of a folder/,
      );
  });

  it('that holds a file twice is refused, since two readers would see two runs', () => {
    const twice = zipped((entries) => void entries.push(entries.find(({ name }) => name === 'log.jsonl')!));
    expect(refusal(twice)).toContain('holds "log.jsonl" twice');
  });

  it('that says more of its sizes than its bytes can hold is refused before anything is unpacked', () => {
    for (const size of [2 ** 31, 2 ** 32 - 1])
      expect(refusal(zipped((entries) => (entries[0]!.size = size))), String(size)).toMatch(/cannot hold/);
    const bomb = zipped((entries) => void entries.push({ name: 'bomb', data: strToU8('x'), method: 8, size: 1e9 }));
    expect(refusal(bomb)).toMatch(/"bomb" has 1000000000 bytes, which its \d+ packed bytes cannot hold/);
  });

  it('with JSON that is nested without end is refused, wherever it stands', async () => {
    const deep = ['['.repeat(200_000) + ']'.repeat(200_000), '{"a":'.repeat(200_000) + '1' + '}'.repeat(200_000)];
    const put = (name: string, change: (text: string) => string) =>
      zipped((entries) => {
        const entry = entries.find((one) => one.name === name)!;
        entry.data = strToU8(change(strFromU8(entry.data)));
      });
    for (const value of deep) {
      expect(refusal(put('log.jsonl', (text) => text.replace('"config":{', `"config":{"x":${value},`)))).toMatch(
        /event 0 is nested too deeply/,
      );
      expect(refusal(put('log.jsonl', () => `{"type":"run-started","format":${value}}`))).toMatch(/nested too deeply/);
      for (const name of ['run.json', 'receipt.json', 'results.json'])
        expect(await taken(put(name, () => value)), name).toBe('refused');
    }
    // Brackets within strings are no nesting.
    expect(nestsTooDeep(JSON.stringify({ text: `\\"${'['.repeat(1_000)}\\`, list: [[[]]] }))).toBe(false);
  });

  it('with folders beside its files is opened', () => {
    const bytes = zipped((entries) => void entries.unshift({ name: 'adapters/', data: new Uint8Array(), method: 0 }));
    const bundle = openBundle('run.zip', bytes);
    expect(Object.keys(bundle.files).sort()).toEqual(Object.keys(honest).sort());
  });
});
