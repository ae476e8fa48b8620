/** `compare`: several recipes and seeds on the same problems, as one table, one picture and raw numbers. */
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from '../../../src/engine/errors';
import { canonicalJson } from '../../../src/log/canonical';
import { comparisonOf, type ComparedLog } from '../../../src/log/comparison';
import { DEFAULT_RECIPE, recipeNamed, recipes } from '../../../src/recipes';
import { ConfigurationError } from '../../../src/recipes/errors';
import { settingsOf } from '../../../src/recipes/resolve';
import type { Recipe } from '../../../src/recipes/types';
import { estimateWork } from '../../../src/recipes/work';
import { taskNamed } from '../../../src/tasks';
import { KEEP_ADAPTERS } from '../../../src/store/keep';
import {
  cacheHelp,
  choice,
  dtypeHelp,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  readOptions,
  required,
  UsageError,
  ignoreHelp,
  wholeNumbers,
  type Values,
} from '../args';
import { comparisonCsv, comparisonFile } from '../../../src/share/comparisonOut';
import { comparisonMarkdown } from '../comparisonReport';
import { comparisonSvg } from '../comparisonPlot';
import { problem } from '../files';
import { Output } from '../output';
import { playRun } from '../playRun';
import { isFinished, openKept, type StoredLog } from '../resume';
import { readBytes, requireFolderPlace } from '../session';
import { givenSettings, readSettings, SETTING_OPTIONS, type Settings } from '../settings';

export const help = `polylogue compare --recipes A,B,C --seeds 1,2,3 --out DIR [options]

  Plays every recipe with every seed. The same seed has the same problems and draws, so differences are taken problem by problem.
  DIR gets comparison.md (the table and the paired tests), comparison.svg, comparison.csv, comparison.json, and runs/ with each run's bundle.
  The same command goes on where it was interrupted: a finished run is read, an unfinished one is resumed.

  --recipes A,B,C     ${recipes()
    .map(({ id }) => id)
    .join(', ')}
  --seeds 1,2,3       at least one; a spread between seeds needs two
  --preset NAME       ${Object.keys(recipeNamed(DEFAULT_RECIPE).presets).join(', ')}; default arithmetic-quick
  --out DIR           a folder, made where it is not there
  --set KEY=VALUE     change a setting of every recipe that has it; RECIPE/KEY=VALUE of that recipe alone; may be repeated
  --data FILE         problems of a task that reads a file
${ignoreHelp(19)}
${dtypeHelp(19)} or the preset's
${cacheHelp(19)}
${engineHelp(19)}
  --keep-adapters X   all, last (iteration's) or none: what runs/ holds beside the logs; default none
  --json              JSON lines: what happens, then one last object with the comparison`;

/** One run of the comparison. */
interface Planned {
  recipe: string;
  seed: number;
  settings: Settings;
  /** Its bundle, while it is not finished and then. */
  unfinished: string;
  finished: string;
}

export async function main(args: string[]): Promise<void> {
  const { recipe: _, seed: __, ...settingOptions } = SETTING_OPTIONS;
  const values = readOptions(args, {
    ...settingOptions,
    recipes: { type: 'string' },
    seeds: { type: 'string' },
    ...ENGINE_OPTIONS,
    out: { type: 'string' },
    'keep-adapters': { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const keep = choice(values, 'keep-adapters', KEEP_ADAPTERS, 'none');
  const engine = engineChoice(values);
  const out = required(values, 'out');
  const planned = await plan(values, out);
  // Before the work: hours that cannot be written are lost.
  await requireFolderPlace(join(out, 'runs'));
  const done = await Promise.all(planned.map(finishedIn));
  await mkdir(join(out, 'runs'), { recursive: true });

  const calls = planned.reduce(
    (sum, { settings }, at) => sum + (done[at] ? 0 : estimateWork(settings.config).calls),
    0,
  );
  const left = done.filter((log) => log === null).length;
  output.note(`${planned.length} runs, ${left} to do: about ${calls.toLocaleString('en')} responses`);
  const logs: ComparedLog[] = [];
  for (const [at, run] of planned.entries()) {
    const { recipe, seed } = run;
    output.object({ type: 'compared-run', recipe, seed, finished: done[at] !== null });
    const events = done[at]?.events ?? (await played(run, { engine, keep }, output));
    logs.push({ recipe, seed, events });
  }
  await report(values, out, logs, output);
}

/** Every recipe with every seed, all of them checked before the first begins. @throws UsageError, ConfigurationError */
async function plan(values: Values, out: string): Promise<Planned[]> {
  const wanted = required(values, 'recipes')
    .split(',')
    .map((name) => recipeNamed(name.trim()));
  const seeds = wholeNumbers(required(values, 'seeds'), 'seeds', 'a seed');
  const twice = [...wanted.map(({ id }) => id), ...seeds].find((one, at, all) => all.indexOf(one) !== at);
  if (twice !== undefined) throw new UsageError(`${twice} stands twice; name each recipe and each seed once`);
  const given = Object.entries(readSettings((values['set'] as string[]) ?? [])).map(readForRecipe);
  const nobodys = given.find((one) => !wanted.some((recipe) => isFor(one, recipe)));
  if (nobodys) throw nobodysSetting(nobodys, wanted);
  const planned: Planned[] = [];
  for (const recipe of wanted) {
    // What is said of this recipe alone comes last, so it counts.
    const own = given.filter((one) => isFor(one, recipe));
    const set = [...own.filter((one) => one.recipe === null), ...own.filter((one) => one.recipe !== null)].map(
      ({ key, value }) => `${key}=${value}`,
    );
    for (const seed of seeds) {
      const settings = await givenSettings({ ...values, recipe: recipe.id, seed: String(seed), set });
      const file = join(out, 'runs', `${recipe.id}-seed-${seed}`);
      planned.push({
        recipe: recipe.id,
        seed,
        settings,
        unfinished: `${file}.unfinished.zip`,
        finished: `${file}.zip`,
      });
    }
  }
  return planned;
}

/** A setting of all recipes that have it, or of one. */
interface GivenSetting {
  recipe: string | null;
  key: string;
  value: string;
}

/** `RECIPE/KEY` or `KEY`, and a value. */
function readForRecipe([name, value]: [string, string]): GivenSetting {
  const at = name.indexOf('/');
  return { recipe: at < 0 ? null : name.slice(0, at), key: name.slice(at + 1), value };
}

function isFor({ recipe, key }: GivenSetting, one: Recipe): boolean {
  return (recipe === null || recipe === one.id) && Object.hasOwn(settingsOf(one), key);
}

function nobodysSetting({ recipe, key }: GivenSetting, wanted: readonly Recipe[]): ConfigurationError {
  if (recipe === null) return new ConfigurationError(key, 'is a setting of none of these recipes');
  const compared = wanted.some(({ id }) => id === recipe);
  return new ConfigurationError(
    `${recipe}/${key}`,
    `${recipe} ${compared ? 'has no such setting' : 'is not compared here'}`,
  );
}

/** A run that was finished before; null where there is none. @throws FileError for one with other settings */
async function finishedIn({ finished, settings }: Planned): Promise<StoredLog | null> {
  const stored = await storedAt(finished, settings);
  if (stored === null) return null;
  if (!isFinished(stored))
    throw new FileError(finished, 'holds an unfinished run; rename it to end in .unfinished.zip, or delete it');
  return stored;
}

async function storedAt(file: string, { config }: Settings): Promise<StoredLog | null> {
  if (!existsSync(file)) return null;
  const stored = openKept(file, await readBytes(file));
  if (canonicalJson(stored.config) !== canonicalJson(config))
    throw new FileError(file, 'holds a run with other settings; give another --out, or delete it');
  return stored;
}

/** Plays a run, from where it was interrupted if it was. */
async function played(
  { settings, unfinished, finished }: Planned,
  parts: Pick<Parameters<typeof playRun>[1], 'engine' | 'keep'>,
  output: Output,
): Promise<ComparedLog['events']> {
  const before = await storedAt(unfinished, settings);
  // Ctrl-C may come when a run has ended and before its bundle has its name.
  const events =
    before && isFinished(before)
      ? before.events
      : (await playRun(settings, { ...parts, out: unfinished, stored: before }, output)).events;
  await rename(unfinished, finished);
  return events;
}

/** Writes the comparison and says it. */
async function report(values: Values, out: string, logs: readonly ComparedLog[], output: Output): Promise<void> {
  const config = logs[0]?.events.find((event) => event.type === 'run-started')?.config;
  const preset = config?.preset ?? '';
  const comparison = comparisonOf(logs, config && taskNamed(config.task).strategies);
  const seeds = [...new Set(logs.map(({ seed }) => seed))];
  const title = `${preset}: ${new Set(logs.map(({ recipe }) => recipe)).size} recipes, seeds ${seeds.join(', ')}`;
  const table = comparisonMarkdown(title, comparison);
  const whole = comparisonFile(title, logs, comparison);
  await write(join(out, 'comparison.md'), table);
  await write(join(out, 'comparison.svg'), comparisonSvg(title, comparison));
  await write(join(out, 'comparison.csv'), comparisonCsv(comparison));
  await write(join(out, 'comparison.json'), `${JSON.stringify(whole, null, 2)}\n`);
  output.line('');
  for (const line of table.trimEnd().split('\n')) output.line(line);
  output.note(`written to ${out}`);
  output.object({ type: 'comparison', engine: values['engine'] ?? 'auto', ...whole });
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new FileError(file, `cannot be written (${problem(error)})`);
  }
}
