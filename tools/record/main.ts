/**
 * Makes the recorded runs of the site: the tiny run of every recipe, the quick run of multiagent finetuning, and the runs of the course's
 * pages and questions, on the exact engine.
 *
 *     npm run record                  those that are missing, or whose settings have changed since
 *     npm run record -- --all         all of them anew
 *     npm run record -- star malt     those of these recipes anew
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEvent, RunStarted } from '../../src/events';
import { canonicalJson } from '../../src/log/canonical';
import { DEFAULT_RECIPE, recipeNamed, recipes } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import type { Scalar } from '../../src/recipes/settings';
import type { Recipe } from '../../src/recipes/types';
import { openBundle } from '../../src/share/openBundle';
import {
  readRecordedIndex,
  recorded,
  RECORDED_BUDGET,
  recordedLines,
  recordedName,
  type RecordedEntry,
} from '../../src/share/recorded';
import { RECORDED_FOLDER, RECORDED_INDEX, recordedFile } from '../../src/share/recordedNames';
import { configOf, type Experiment } from '../../src/ui/course/experiments';
import { PAGES } from '../../src/ui/course/pages';
import { QUESTIONS } from '../../src/ui/course/questions';

const FOLDER = join('static', RECORDED_FOLDER);
const INDEX = join(FOLDER, RECORDED_INDEX);

interface Wanted {
  recipe: Recipe;
  preset: string;
  /** Question or page of the course that it answers; absent for a preset as it is. */
  variant?: string;
  /** What differs from the preset, by dotted key. */
  set: Readonly<Record<string, Scalar>>;
  config: RunConfig;
  title: string;
}

function main(args: string[]): number {
  const unknown = args.filter((arg) => arg !== '--all' && !recipes().some(({ id }) => id === arg));
  if (unknown.length > 0) {
    process.stderr.write(
      `no recipe is called ${unknown.join(', ')}; there are ${recipes()
        .map(({ id }) => id)
        .join(', ')}\n`,
    );
    return 1;
  }
  mkdirSync(FOLDER, { recursive: true });
  const known = new Map(stored().map((entry) => [entry.name, entry]));
  const runs = wantedRuns().map((wanted) => {
    const entry = known.get(nameOf(wanted));
    const anew = args.includes('--all') || args.includes(wanted.recipe.id);
    return entry && !anew && isCurrent(entry, wanted) ? { ...entry, title: wanted.title } : make(wanted);
  });
  writeFileSync(INDEX, JSON.stringify({ format: 1, runs }, null, 1) + '\n');
  const files = new Set([RECORDED_INDEX, ...runs.map(recordedFile)]);
  for (const file of readdirSync(FOLDER)) if (!files.has(file)) rmSync(join(FOLDER, file));
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  process.stdout.write(`${runs.length} recorded runs, ${(bytes / 1e6).toFixed(2)} MB of ${RECORDED_BUDGET / 1e6} MB\n`);
  return bytes > RECORDED_BUDGET ? 1 : 0;
}

/** The runs of presets first, in the order in which recipes are offered, then the default recipe's quick run, then questions and pages. */
function wantedRuns(): Wanted[] {
  const tiny = recipes().map((recipe) => ofPreset(recipe, tinyPreset(recipe)));
  const quick = ofPreset(recipeNamed(DEFAULT_RECIPE), 'arithmetic-quick');
  const questions = QUESTIONS.map(({ id, title, experiment }) => ofExperiment(experiment, id, title));
  // Several pages have one experiment: the first gives the title.
  const pages = PAGES.map(({ title, experiment }) => ofExperiment(experiment, experiment.recording, title));
  const once = pages.filter(({ variant }, at) => pages.findIndex((page) => page.variant === variant) === at);
  return [...tiny, quick, ...questions, ...once];
}

function ofExperiment(experiment: Experiment, variant: string | undefined, title: string): Wanted {
  const { recipe, preset, set } = experiment;
  const config = configOf(experiment);
  if (variant === undefined) throw new Error(`the experiment of “${title}” has no name for its recorded run`);
  return { recipe: recipeNamed(recipe), preset, variant, set: { ...set, seed: config.seed }, config, title };
}

function ofPreset(recipe: Recipe, preset: string): Wanted {
  const config = recipe.presets[preset]?.config;
  if (!config) throw new Error(`${recipe.id} has no preset ${preset}`);
  return { recipe, preset, set: {}, config, title: `${recipe.title}, ${preset.replace(/^.*-/, '')}` };
}

/** The first preset that is called tiny. @throws Error for a recipe without one */
function tinyPreset({ id, presets }: Recipe): string {
  const tiny = Object.keys(presets).find((preset) => preset.endsWith('-tiny'));
  if (tiny === undefined) throw new Error(`${id} has no preset that is called tiny`);
  return tiny;
}

const nameOf = ({ recipe, preset, variant }: Wanted) => recordedName({ recipe: recipe.id, preset, variant });

function stored(): RecordedEntry[] {
  try {
    return readRecordedIndex(readFileSync(INDEX, 'utf8')).runs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Was it made with the settings and the recipe as they are? */
function isCurrent(entry: RecordedEntry, { recipe, config }: Wanted): boolean {
  try {
    const [first = ''] = recordedLines(entry, readFileSync(join(FOLDER, recordedFile(entry))));
    const started = JSON.parse(first) as RunStarted;
    return started.recipe.revision === recipe.revision && canonicalJson(started.config) === canonicalJson(config);
  } catch {
    return false;
  }
}

function make(wanted: Wanted): RecordedEntry {
  const began = Date.now();
  const { entry, file } = recorded(play(wanted), wanted.title, wanted.variant);
  writeFileSync(join(FOLDER, recordedFile(entry)), file);
  const seconds = ((Date.now() - began) / 1000).toFixed(0);
  process.stdout.write(`${entry.name}: ${entry.events} events, ${(entry.bytes / 1000).toFixed(0)} kB, ${seconds} s\n`);
  return entry;
}

/** The log of a run of the command line, on the exact engine. */
function play({ recipe, preset, set, config }: Wanted): RunEvent[] {
  const folder = mkdtempSync(join(tmpdir(), 'polylogue-record-'));
  try {
    const out = join(folder, 'run.zip');
    const options = [
      '--recipe',
      recipe.id,
      '--preset',
      preset,
      ...Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
      '--engine',
      'exact',
      '--keep-adapters',
      'none',
      '--out',
      out,
    ];
    const { status } = spawnSync(process.execPath, ['tools/cli/polylogue.mjs', 'run', ...options], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new Error(`${recipe.id} with ${preset} ended with ${status}`);
    const bundle = openBundle(out, readFileSync(out));
    if (canonicalJson(bundle.config) !== canonicalJson(config))
      throw new Error(`${recipe.id} with ${preset} was played with other settings than were meant`);
    return bundle.events;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(main(process.argv.slice(2)));
