/** Recipes on the command line: listed, run, stopped and resumed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { discreteDigestOf, digestOf } from '../../src/log/digest';
import { readEvents } from '../../src/log/read';
import { recipeNamed } from '../../src/recipes';
import { settingsOf } from '../../src/recipes/resolve';
import { commandLine, expectRefusal, objects, polylogue } from './program';

const RECIPES = ['multiagent-finetuning', 'majority-finetuning', 'star'];
const FEW = ['trainProblems=4', 'evaluationProblems=3', 'iterations=2', 'chunk=2', 'finetune.batchSize=4'];

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'polylogue-recipes-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const tiny = (recipe: string, ...more: string[]): string[] => [
  'run',
  '--recipe',
  recipe,
  ...['--preset', 'arithmetic-tiny', '--seed', '3', '--json', '--engine', 'reference'],
  ...FEW.flatMap((setting) => ['--set', setting]),
  ...more,
];

/** Runs the command and presses Ctrl-C when it says such a thing. Returns its exit code and what it said on stderr. */
async function interrupted(when: string, args: string[]): Promise<{ code: unknown; err: string }> {
  const [program, ...command] = commandLine(...args);
  const child = spawn(program!, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
    if (!child.killed && out.includes(when)) child.kill('SIGINT');
  });
  return { code: await new Promise((resolve) => child.on('close', resolve)), err };
}

const filesOf = (zip: string) => unzipSync(new Uint8Array(readFileSync(zip)));

function write(name: string, content: string | Uint8Array): string {
  const file = join(scratch, name);
  writeFileSync(file, content);
  return file;
}

it('lists every recipe with its settings, defaults, bounds and presets', () => {
  const ended = polylogue('recipes', '--json');
  expect(ended.code).toBe(0);
  const listed = objects(ended.out);
  expect(listed.map(({ id }) => id)).toEqual(expect.arrayContaining(RECIPES));
  for (const id of RECIPES) {
    const told = listed.find((one) => one['id'] === id);
    const recipe = recipeNamed(id);
    const { title, paper, revision } = recipe;
    expect(told).toMatchObject({ type: 'recipe', title, paper, revision });
    const settings = told?.['settings'] as { key: string; line: string; default: unknown }[];
    expect(settings.map(({ key }) => key)).toEqual(Object.keys(settingsOf(recipe)));
    for (const { key, line, default: usual } of settings) {
      expect(line, key).not.toBe('');
      const config = recipe.presets['arithmetic-quick']!.config;
      const [outer, inner] = key.split('.') as [string, string | undefined];
      const value = (config as unknown as Record<string, unknown>)[outer];
      const plain = inner === undefined ? value : (value as Record<string, unknown> | undefined)?.[inner];
      expect(usual, key).toEqual(plain ?? settingsOf(recipe)[key]?.absent ?? null);
    }
    const presets = told?.['presets'] as { name: string; config: object; revision: number }[];
    expect(presets.map(({ name }) => name)).toEqual(Object.keys(recipe.presets));
    for (const { name, config } of presets) expect(config).toEqual(recipe.presets[name]?.config);
  }
  const agents = (listed[0]?.['settings'] as { key: string }[]).find(({ key }) => key === 'agents');
  expect(agents).toMatchObject({ type: 'integer', min: 1, default: 3, paper: 3 });
  const plain = polylogue('recipes');
  for (const id of RECIPES) expect(plain.out).toContain(`${id}: `);
});

describe.each(RECIPES)('%s', (recipe) => {
  it('runs to a result with its digests, and resumes from its bundle to the same ones after Ctrl-C', async () => {
    const whole = join(scratch, `${recipe}.zip`);
    const ended = polylogue(...tiny(recipe, '--out', whole));
    expect(ended.code).toBe(0);
    const result = objects(ended.out).at(-1)!;
    expect(result).toMatchObject({ type: 'result', config: { recipe, preset: 'arithmetic-tiny', seed: 3 } });
    const { methods } = recipeNamed(recipe).cast(recipeNamed(recipe).presets['arithmetic-tiny']!.config);
    expect(Object.keys(result['accuracy'] as object)).toEqual(methods.map(({ key }) => key));
    const log = strFromU8(filesOf(whole)['log.jsonl']!).trimEnd().split('\n');
    const events = readEvents(log);
    expect(result['digest']).toBe(digestOf(events));
    expect(result['discreteDigest']).toBe(discreteDigestOf(events));

    const cut = join(scratch, `${recipe}-cut.zip`);
    // The first finetuning has ended: going on needs its adapters.
    const { code, err } = await interrupted('"type":"finetuned"', tiny(recipe, '--out', cut));
    expect(err).toContain(`interrupted; the log so far is in ${cut}`);
    expect(code).toBe(130);
    const stored = strFromU8(filesOf(cut)['log.jsonl']!).trimEnd().split('\n');
    expect(stored.length).toBeLessThan(log.length);
    expect(stored).toEqual(log.slice(0, stored.length));
    const out = join(scratch, `${recipe}-on.zip`);
    const resumed = polylogue('run', '--resume', cut, '--engine', 'reference', '--json', '--out', out);
    expect(resumed.code).toBe(0);
    // What was in the log already is not told again.
    expect(objects(resumed.out)[0]).not.toMatchObject({ type: 'evaluation', iteration: 0 });
    const again = objects(resumed.out).at(-1)!;
    const { digest, discreteDigest } = result;
    expect(again).toMatchObject({ type: 'result', digest, discreteDigest, events: log.length });
    expect(strFromU8(filesOf(out)['log.jsonl']!).trimEnd().split('\n')).toEqual(log);
  }, 600_000);
});

it('is refused by a name that no recipe has', () => {
  expectRefusal(
    polylogue('run', '--recipe', 'dance', '--preset', 'arithmetic-tiny'),
    'recipe',
    '"dance" is unknown',
    'star',
  );
});

describe('--resume refuses', () => {
  const resume = (file: string, ...more: string[]) =>
    polylogue('run', '--resume', file, '--engine', 'reference', ...more);
  /** As far as the first evaluation of the base, which needs no adapters; and with all of the first finetuning. */
  let lines: string[] = [];
  let begun = '';
  beforeAll(() => {
    // What the tests above ended with.
    lines = strFromU8(filesOf(join(scratch, 'star.zip'))['log.jsonl']!)
      .trimEnd()
      .split('\n');
    begun = write('begun.jsonl', lines.slice(0, 4).join('\n') + '\n');
  });

  it('a file that is not there, and one that is neither a bundle nor a log', () => {
    expectRefusal(resume(join(scratch, 'absent.zip')), 'absent.zip', 'no such file');
    expectRefusal(resume(write('words.txt', 'These are words.\n')), 'words.txt', 'event 0 is not JSON');
    expectRefusal(
      resume(write('broken.zip', 'PK\u0003\u0004 and no more')),
      'broken.zip',
      'is not a zip that can be read',
    );
    const other = zipSync({ 'notes.txt': strToU8('nothing') });
    expectRefusal(resume(write('other.zip', other)), 'other.zip', 'holds no log.jsonl', 'run --out');
  });

  it('a damaged line, by its number', () => {
    const damaged = [...lines.slice(0, 3), lines[3]!.slice(0, -5), ...lines.slice(4, 6)];
    expectRefusal(resume(write('damaged.jsonl', damaged.join('\n'))), 'damaged.jsonl', 'event 3 is not JSON');
    const strange = [...lines.slice(0, 2), '{"type":"party"}'];
    expectRefusal(resume(write('strange.jsonl', strange.join('\n'))), 'strange.jsonl', 'event 2 has the type "party"');
    expectRefusal(resume(write('headless.jsonl', lines.slice(1).join('\n'))), 'event 0 is not the start of a run');
    expectRefusal(resume(write('empty.jsonl', '')), 'empty.jsonl', 'holds no run');
  });

  it('a finished run, and a log of format 1', () => {
    expectRefusal(resume(join(scratch, 'star.zip')), 'star.zip', 'holds a finished run: nothing is left to do');
    const first = 'tests/fixtures/logs/format1/arithmetic-tiny.jsonl';
    expectRefusal(
      resume(first),
      'arithmetic-tiny.jsonl',
      'log format 1',
      'can be read and not continued',
      'start a new run',
    );
  });

  it('a log whose adapters are missing', () => {
    const trained = lines.findIndex((line) => line.includes('"type":"evaluation"') && line.includes('"iteration":1'));
    expect(trained).toBeGreaterThan(0);
    const bare = write('bare.jsonl', lines.slice(0, trained + 1).join('\n'));
    expectRefusal(
      resume(bare),
      'bare.jsonl',
      'holds no adapters/iteration-1/single',
      'give the zip that run --out wrote',
    );
  });

  it('settings beside it', () => {
    for (const [name, value] of [
      ['seed', '4'],
      ['recipe', 'star'],
      ['preset', 'arithmetic-tiny'],
      ['dtype', 'f32'],
    ] as const)
      expectRefusal(resume(begun, `--${name}`, value), '--resume goes on with the settings of the run', name);
    expectRefusal(resume(begun, '--set', 'trainProblems=9'), '--resume', 'leave out trainProblems');
  });

  it('another model than that of the run', () => {
    const started = JSON.parse(lines[0]!) as { model: object };
    const other = JSON.stringify({ ...started, model: { name: 'arithmetic-0.4m', hash: '0'.repeat(64) } });
    const ended = resume(write('other.jsonl', [other, ...lines.slice(1, 4)].join('\n')));
    expect(ended.code).toBe(1);
    expect(ended.err).toContain('the weights of the model arithmetic-0.4m have changed');
  });
});
