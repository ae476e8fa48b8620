/** The arrows of ARCHITECTURE.md: which part may import which. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';
import { LONG_E2E, LONG_TESTS } from './long';

/** Parts, the longest name first: a file belongs to the first that its path begins with. */
const PARTS = [
  'bench',
  'engine/gpu',
  'engine/exact',
  'engine/kernels',
  'engine/reference',
  'engine',
  'models',
  'backends',
  'tasks',
  'society',
]
  .concat([
    'recipes',
    'runtimes',
    'log',
    'store',
    'share',
    'supervision',
    'site',
    'lab',
    'ui',
    'events',
    'pack',
    'build',
    'random',
    'workers',
  ])
  .sort((a, b) => b.length - a.length);

const ERRORS = 'engine/errors';
/** What the files of a part import beside each other when they run: whole parts, or single files of one. */
const RUNS_WITH: Record<string, string[]> = {
  random: [],
  events: [],
  pack: [ERRORS],
  build: [],
  'engine/kernels': [],
  engine: ['random'],
  'engine/reference': ['engine', 'random'],
  'engine/exact': ['engine', 'engine/reference', 'random'],
  'engine/gpu': ['engine', 'engine/kernels', 'engine/reference', 'random'],
  bench: ['engine', 'engine/gpu', 'engine/exact', 'random', ERRORS],
  models: ['engine'],
  backends: ['engine', 'models', 'supervision'],
  tasks: ['random', 'models/retry', 'models/body', ERRORS, 'engine/limits', 'engine/duplicateKeys'],
  society: ['tasks', 'random', 'pack', ERRORS],
  log: ['society', 'events', 'pack', ERRORS],
  runtimes: [
    'society',
    'log',
    'events',
    'pack',
    'engine/types',
    'engine/requests',
    'engine/describe',
    'engine/grams',
    'engine/merge/rules',
    'engine/reference/sampler',
    'engine/reference/crossEntropy',
    'random',
    'supervision',
    ERRORS,
  ],
  recipes: ['society', 'tasks', 'events', 'pack', 'build', 'random', ERRORS, 'engine/types', 'engine/limits'],
  store: ['log', 'events', ERRORS, 'engine/peft', 'models/lostConnection'],
  share: [
    'recipes',
    'society',
    'tasks',
    'log',
    'store',
    'events',
    'pack',
    ERRORS,
    'engine/describe',
    'engine/limits',
    'engine/peft',
  ],
  supervision: [ERRORS],
  site: [],
  lab: [
    'bench',
    'supervision',
    'share',
    'recipes',
    'runtimes',
    'society',
    'tasks',
    'log',
    'store',
    'models',
    'engine',
    'events',
    'random',
  ],
  ui: [
    'lab',
    'bench/deviceFile',
    'build',
    'share',
    'site',
    'supervision',
    'log',
    'society',
    'tasks',
    'recipes',
    'models',
    'events',
    'pack',
    'random',
    'engine/types',
    'engine/plan',
    'engine/describe',
    'store/readBack',
    ERRORS,
  ],
  workers: PARTS.filter((part) => part !== 'ui' && part !== 'workers'),
};
/** What they may name in types beside that, which leaves nothing behind in the program. */
const SPEAKS_OF: Record<string, string[]> = {
  events: ['recipes', 'tasks'],
  backends: ['tasks'],
  society: ['events', 'runtimes'],
  log: ['engine', 'recipes', 'tasks'],
  runtimes: ['engine', 'backends', 'tasks'],
  recipes: ['engine', 'backends', 'runtimes'],
  store: ['engine', 'recipes'],
  share: ['engine', 'runtimes'],
  ui: ['engine', 'store', 'runtimes', 'bench'],
};

/** `import`, `export … from` and `import()` of relative paths; a worker's address is no import. */
function importsOf(source: string): { path: string; type: boolean }[] {
  const statements = source.matchAll(/^\s*(?:import|export)\s+([^'";]*?)from\s+'(\.[^'?]+)(?:\?(?!worker)[^']*)?'/gm);
  const dynamic = source.matchAll(/\bimport\(\s*'(\.[^'?]+)/g);
  return [
    ...[...statements].map(([, names = '', path = '']) => ({ path, type: names.startsWith('type ') })),
    ...[...dynamic].map(([, path = '']) => ({ path, type: false })),
  ];
}

/** A file below src by its name there, a worker as `workers/…`. */
const inSource = (path: string) => path.replace(/^src\//, '').replace(/\.(svelte\.)?ts$/, '');
const partOf = (file: string) => PARTS.find((part) => file === part || file.startsWith(`${part}/`));

const files = ['src', 'workers'].flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    // Kernels are AssemblyScript, a language of its own.
    .filter((name) => /\.(ts|svelte)$/.test(name) && !name.includes('exact/assembly/'))
    .map((name) => join(root, name)),
);
const imports = files.flatMap((file) =>
  importsOf(readFileSync(file, 'utf8')).map(({ path, type }) => {
    const to = inSource(normalize(join(dirname(file), path)));
    return { from: inSource(file), to, type };
  }),
);

it('finds the imports', () => {
  expect(imports).toContainEqual({ from: 'lab/run/runner', to: 'runtimes/recorded', type: false });
  expect(imports).toContainEqual({ from: 'engine/gpu/engine', to: 'engine/gpu/selfCheck', type: false });
  expect(imports).toContainEqual({ from: 'ui/runReader', to: 'store/types', type: true });
  expect(imports).toContainEqual({ from: 'ui/RunCost.svelte', to: 'lab/progress/estimate', type: false });
});

it('knows the part of every file', () => {
  expect(imports.flatMap(({ from, to }) => [from, to]).filter((file) => partOf(file) === undefined)).toEqual([]);
});

it('has arrows that point one way', () => {
  const wrong = imports.filter(({ from, to, type }) => {
    const [part = '', target = ''] = [partOf(from), partOf(to)];
    const allowed = [...(RUNS_WITH[part] ?? []), ...(type ? (SPEAKS_OF[part] ?? []) : [])];
    return part !== target && !allowed.includes(target) && !allowed.includes(to);
  });
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

it('has no circle of parts that run with each other', () => {
  const reach = (part: string, seen: Set<string>): Set<string> => {
    for (const next of RUNS_WITH[part] ?? []) {
      const target = partOf(next) as string;
      if (!seen.has(target)) reach(target, seen.add(target));
    }
    return seen;
  };
  for (const part of PARTS) expect([...reach(part, new Set())]).not.toContain(part);
});

it('has no circle of files that run with each other', () => {
  const known = new Map(files.map((file) => [inSource(file), file]));
  const next = new Map<string, string[]>();
  for (const { from, to, type } of imports) {
    const target = [to, `${to}/index`].find((name) => known.has(name));
    if (!type && target !== undefined && target !== from) next.set(from, [...(next.get(from) ?? []), target]);
  }
  expect(next.get('engine/operations')).toContain('engine/requests');
  expect(circlesOf(next)).toEqual([]);
});

it('finds a circle, and each one once', () => {
  const next = new Map(Object.entries({ a: ['b', 'd'], b: ['c'], c: ['a', 'e'], d: ['e'], f: ['f2'], f2: ['f'] }));
  expect(circlesOf(next)).toEqual(['a → b → c → a', 'f → f2 → f']);
});

/** One circle for each way back that a walk over all files meets. */
function circlesOf(next: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file].join(' → '));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of next.get(file) ?? []) walk(target);
    path.pop();
    done.add(file);
  };
  for (const file of next.keys()) walk(file);
  return circles;
}

it('lists long tests that are there', () => {
  for (const file of [...LONG_TESTS, ...LONG_E2E]) expect(existsSync(file), file).toBe(true);
});
