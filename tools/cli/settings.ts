/** The settings of a run as the command line gives them. */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_RECIPE, recipeNamed } from '../../src/recipes';
import type { RunConfig } from '../../src/recipes/config';
import { resolveConfig } from '../../src/recipes/resolve';
import { secondModelOf } from '../../src/recipes/secondModel';
import { isFileTask, taskNamed, TASKS } from '../../src/tasks';
import { readProblemFile } from '../../src/tasks/importer';
import type { ProblemFile } from '../../src/tasks/types';
import { cacheOption, dtypeOption, IGNORE_CONFIG, ignoredKeys, number, text, UsageError, type Values } from './args';
import { readBytes } from './session';

/** Names of the tasks that read a file. */
export const FILE_TASKS = TASKS.filter(isFileTask).map((task) => task.name);

/** The options that say what a run is set to; for `readOptions`. */
export const SETTING_OPTIONS = {
  recipe: { type: 'string' },
  preset: { type: 'string' },
  set: { type: 'string', multiple: true },
  seat: { type: 'string', multiple: true },
  data: { type: 'string' },
  seed: { type: 'string' },
  dtype: { type: 'string' },
  cache: { type: 'string' },
  ...IGNORE_CONFIG,
} as const;

/** What a run is set to, where its model lies here, and its file of problems. */
export interface Settings {
  config: RunConfig;
  folder: string;
  /** Where the second base model lies; absent = where its name says. */
  secondFolder?: string;
  data: ProblemFile | undefined;
}

/** From --recipe, --preset, --set and the options beside them. */
export async function givenSettings(values: Values): Promise<Settings> {
  const seed = number(values, 'seed', undefined, { integer: true, min: 0 });
  const recipe = text(values, 'recipe') ?? DEFAULT_RECIPE;
  const preset = text(values, 'preset') ?? 'arithmetic-quick';
  const settings = readSettings((values['set'] as string[]) ?? []);
  const usual = recipeNamed(recipe).presets[preset]?.config.task;
  const data = await readProblems(text(values, 'data'), settings['task'] ?? usual);
  const ignore = ignoredKeys(values);
  const overrides = {
    ...settings,
    ...seatsIn(values, settings),
    ...(seed === undefined ? {} : { seed }),
    ...(values['dtype'] === undefined ? {} : { dtype: dtypeOption(values) as string }),
    ...(values['cache'] === undefined ? {} : { cache: cacheOption(values) as string }),
    ...(ignore.length > 0 && { ignoreConfig: ignore.join(',') }),
    ...(data && { 'data.name': data.name, 'data.sha256': data.sha256 }),
  };
  const asked = resolveConfig(preset, overrides, recipe);
  const folder = modelFolder(asked.model);
  // Where the folder is differs between machines; the log, and with it its digest, does not. The hash says which model it was.
  const second = secondModelOf(asked);
  const config = { ...asked, model: basename(resolve(folder)) };
  if (!second) return { config, folder, data };
  const secondFolder = modelFolder(second.model);
  return { config: { ...config, [second.key]: basename(resolve(secondFolder)) }, folder, secondFolder, data };
}

/** --seat 2=transformers:MODEL, as often as there are seats on another runtime. */
function seatsIn(values: Values, settings: Record<string, string>): { seats?: string } {
  const seats = (values['seat'] as string[] | undefined) ?? [];
  if (seats.length > 0 && settings['seats'] !== undefined)
    throw new UsageError('--seat and --set seats=… say the same; give one of them');
  return seats.length === 0 ? {} : { seats: seats.join(',') };
}

/** "key=value" pairs. */
export function readSettings(pairs: string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--set: "${pair}" is not KEY=VALUE, for example agents=5`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** Where the base models of a run lie here. */
export type ModelFolders = Pick<Settings, 'folder' | 'secondFolder'>;

/**
 * Where the models of a run lie that was played before: where `--set` says, else where their names say.
 * @param given what `--set` gives: `model=DIR`, and the folder of a second model by the setting that names it
 * @returns with the keys of what was given besides
 */
export function foldersOf(config: RunConfig, given: Record<string, string>): ModelFolders & { others: string[] } {
  const second = secondModelOf(config);
  const { model, ...rest } = given;
  const { [second?.key ?? 'model']: secondModel, ...others } = rest;
  const secondFolder = second && modelFolder(secondModel ?? second.model);
  return {
    folder: modelFolder(model ?? config.model),
    ...(secondFolder !== null && { secondFolder }),
    others: Object.keys(others),
  };
}

/** The name of a model that comes with the lab, or a folder; `.` and `..` are folders from here. */
export function modelFolder(name: string): string {
  const own = fileURLToPath(new URL(`../../static/models/${name}`, import.meta.url));
  return !name.includes('/') && existsSync(join(own, 'config.json')) ? own : name;
}

/** The file's problems, read by the task that they are for. */
export async function readProblems(
  file: string | undefined,
  taskName: string | undefined,
): Promise<ProblemFile | undefined> {
  if (file === undefined || taskName === undefined) return undefined;
  const task = taskNamed(taskName);
  if (!isFileTask(task)) {
    throw new UsageError(`--data: task ${taskName} makes its own problems; choose --set task=${FILE_TASKS.join('|')}`);
  }
  return readProblemFile(task, file, await readBytes(file));
}
