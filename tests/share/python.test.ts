/** The Python that repeats a run: its jobs are those of the log, its strings cannot end, and Python reads it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/events';
import { recipes } from '../../src/recipes';
import { resolveConfig } from '../../src/recipes/resolve';
import { ExportError } from '../../src/share/errors';
import { jobPlans } from '../../src/share/exports/python/jobs';
import { BODIES } from '../../src/share/exports/python/bodies';
import { pythonLiteral } from '../../src/share/exports/python/literal';
import { scriptFiles } from '../../src/share/exports/python/script';
import { trlFiles } from '../../src/share/exports/trl';
import { FakeRuntime, logOf } from '../recipes/fakeRuntime';

const hasPython = spawnSync('python3', ['--version']).status === 0;
const scratch = mkdtempSync(join(tmpdir(), 'polylogue-python-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function played(recipe: string, settings: Record<string, string | number> = {}) {
  const runtime = new FakeRuntime();
  const config = resolveConfig('arithmetic-tiny', { seed: 3, ...settings }, recipe);
  return { events: await logOf(runtime, config), runtime };
}

/** What Python makes of a program's output, which is one JSON text. */
function python(program: string): unknown {
  const file = join(scratch, 'program.py');
  writeFileSync(file, program);
  const { status, stdout, stderr } = spawnSync('python3', [file], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const HOSTILE = [
  '""" + __import__("os").system("x") + """',
  "'''\\",
  'a\nb\r\u2028\u0000\u001b',
  '\\N{BULLET} {x} %s $x `x`',
  'naïve 😀 \u202e \ud800',
];

describe('literals', () => {
  it('hold printable ASCII alone, whatever the text', () => {
    for (const text of HOSTILE) expect(pythonLiteral(text)).toMatch(/^"[ -~]*"$/);
    expect(() => pythonLiteral(Number.NaN)).toThrow(RangeError);
  });

  it.skipIf(!hasPython)('are what Python reads', () => {
    const texts = HOSTILE.map((text) => text.replace('\ud800', ''));
    const value = { texts, 'a"b': [1, -0.5, 5e-7, true, false, null, {}, []] };
    const program = `import json\nvalue = ${pythonLiteral(value)}\nprint(json.dumps(value))\n`;
    expect(python(program)).toEqual(value);
  });
});

const RECIPES = recipes()
  .filter(({ presets }) => Object.hasOwn(presets, 'arithmetic-tiny'))
  .map(({ id }) => id);

describe('jobs', () => {
  it.each(RECIPES)('of %s begin, compare and step as the run did', async (recipe) => {
    const { events, runtime } = await played(recipe);
    const tracks = runtime.trained.flatMap(({ job, objective, tracks }) =>
      tracks.filter(({ batches }) => batches.length > 0).map((track) => ({ job, objective, ...track })),
    );
    const plans = jobPlans(events);
    expect(plans.map(({ job, adapter, objective, steps }) => [job, adapter, objective, steps])).toEqual(
      tracks.map(({ job, adapter, objective, batches }) => [job, adapter, objective.kind, batches.length]),
    );
    const files = trlFiles(events);
    plans.forEach(({ own_reference, adapter, data, start }, at) => {
      const { objective, reference } = tracks[at]!;
      if (objective.kind === 'dpo') expect(own_reference).toBe(reference === adapter);
      expect(files[data]).toBeDefined();
      // What it begins with was made before.
      if (start !== null) expect(plans.slice(0, at).map(({ out }) => out)).toContain(start);
    });
    expect(new Set(plans.map(({ out }) => out)).size).toBe(plans.length);
  });

  it('begin with the base in every iteration where the run did', async () => {
    const starts = async (startFrom: string) =>
      jobPlans((await played('multiagent-finetuning', { iterations: 2, startFrom })).events)
        .filter(({ adapter }) => adapter === 'generator-0')
        .map(({ start }) => start);
    expect(await starts('base')).toEqual([null, null]);
    expect(await starts('current')).toEqual([null, 'iteration-1/generator-0']);
  });

  it('of a run that is not finished are refused', async () => {
    const { events } = await played('multiagent-finetuning');
    const at = events.findIndex(({ type }) => type === 'adapter');
    expect(() => jobPlans(events.slice(0, at))).toThrow(ExportError);
  });
});

describe('scripts', () => {
  it.skipIf(!hasPython).each(RECIPES)('of %s are Python', async (recipe) => {
    const { events } = await played(recipe);
    const files = scriptFiles(events, BODIES, HOSTILE.join(' '));
    for (const name of ['finetune.py', 'serve.py']) {
      const file = join(scratch, name);
      writeFileSync(file, files[name]!);
      const { status, stderr } = spawnSync('python3', ['-m', 'py_compile', file], { encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(0);
    }
  });

  it.skipIf(!hasPython)('hold the run’s settings as data', async () => {
    const { events } = await played('malt');
    const hostile = structuredClone(events);
    const first = hostile[0] as Extract<RunEvent, { type: 'run-started' }>;
    first.model.name = HOSTILE.slice(0, 4).join(' ');
    const files = scriptFiles(hostile, BODIES, 'x');
    const reads = 'import ast, json\ntree = ast.parse(open(PATH, encoding="utf-8").read())\n';
    const found =
      'names = {n.targets[0].id: ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id in ("MODEL", "JOBS", "LORA")}\nprint(json.dumps(names))\n';
    const path = join(scratch, 'finetune.py');
    writeFileSync(path, files['finetune.py']!);
    const names = python(`PATH = ${pythonLiteral(path)}\n${reads}${found}`) as Record<string, unknown>;
    expect(names['MODEL']).toBe(first.model.name);
    expect(names['JOBS']).toEqual(jobPlans(events));
    expect(names['LORA']).toMatchObject({ r: first.config.adapter.rank, lora_alpha: first.config.adapter.alpha });
    expect(files['README.md']).not.toContain('\u2028');
  });
});

describe.skipIf(!hasPython)('the script that serves', () => {
  const folder = join(scratch, 'serving');
  let script = '';
  beforeAll(async () => {
    script = join(folder, 'serve.py');
    mkdirSync(folder, { recursive: true });
    writeFileSync(script, scriptFiles((await played('multiagent-finetuning')).events, BODIES, 'x')['serve.py']!);
    // What `vllm` would be started with, word for word.
    const vllm = join(folder, 'vllm');
    writeFileSync(vllm, '#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n', { mode: 0o755 });
    adapter('iteration-1/generator-0', { r: 8 });
    adapter('iteration-2/generator-0', { r: 8 });
    adapter('iteration-2/critic-0', { r: 24 });
    adapter('iteration-10/late', { r: 8 });
    adapter('iteration-2/judge', { r: 8, task_type: 'SEQ_CLS' });
  });

  function adapter(path: string, config: object): void {
    mkdirSync(join(folder, 'adapters', path), { recursive: true });
    const text = JSON.stringify({ task_type: 'CAUSAL_LM', ...config });
    writeFileSync(join(folder, 'adapters', path, 'adapter_config.json'), text);
  }

  function serve(...args: string[]) {
    const PATH = `${folder}:${process.env['PATH'] ?? ''}`;
    const { status, stdout, stderr } = spawnSync('python3', [script, ...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH },
    });
    return { status, command: status === 0 ? (JSON.parse(stdout) as string[]) : [], stderr };
  }
  const at = (path: string) => `${path.split('/').pop()}=${join(folder, 'adapters', path)}`;

  it('starts vLLM with each agent’s last adapter, a rank that it has, and what else it is given', () => {
    const { command, stderr } = serve('--model', 'some/model', '--port', '9000', '--dtype', 'float32');
    expect(stderr).toBe('');
    const adapters = ['iteration-2/generator-0', 'iteration-2/critic-0', 'iteration-10/late'].map(at);
    const modules = command.slice(command.indexOf('--lora-modules') + 1, command.indexOf('--port'));
    expect(modules.sort()).toEqual(adapters.sort());
    expect(command.slice(0, 7)).toEqual([
      'serve',
      'some/model',
      '--enable-lora',
      '--max-loras',
      '3',
      '--max-lora-rank',
      '32',
    ]);
    expect(command.slice(-4)).toEqual(['--port', '9000', '--dtype', 'float32']);
  });

  it('starts it with those of one iteration', () => {
    const { command } = serve('--iteration', '1');
    expect(command.slice(command.indexOf('--lora-modules') + 1)).toEqual([at('iteration-1/generator-0')]);
    expect(command[1]).toBe('fake');
  });

  it('says in a line what is missing or too much', () => {
    expect(serve('--iteration', '7')).toMatchObject({ status: 1, stderr: expect.stringMatching(/holds no adapters/) });
    expect(serve('--iteration', 'x').stderr).toMatch(/invalid int value/);
    adapter('iteration-11/wide', { r: 1_000 });
    expect(serve().stderr).toBe('vLLM serves adapters up to rank 512; one has 1000\n');
  });
});
