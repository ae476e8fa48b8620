/** `run`: a whole experiment, from the base model's accuracy to the last iteration's. */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileError } from '../../../src/engine/errors';
import { RunControl } from '../../../src/lab/run/control';
import { checkedOptions, runtimeFor } from '../../../src/lab/setup/parts';
import { createRun, Runner } from '../../../src/lab/run/runner';
import { discreteDigestOf } from '../../../src/log/digest';
import { tallyTexts } from '../../../src/log/responses';
import { resultsOf } from '../../../src/log/results';
import { DEFAULT_RECIPE, recipeNamed, recipes } from '../../../src/recipes';
import type { RunConfig } from '../../../src/recipes/config';
import { resolveConfig } from '../../../src/recipes/resolve';
import { estimateWork } from '../../../src/recipes/work';
import { KEEP_ADAPTERS } from '../../../src/store/keep';
import type { RunRecord } from '../../../src/store/types';
import { isFileTask, taskFor, taskNamed, TASKS } from '../../../src/tasks';
import { measuredProblems } from '../../../src/tasks/dialect';
import { readProblemFile } from '../../../src/tasks/importer';
import type { ProblemFile } from '../../../src/tasks/types';
import {
  cacheHelp,
  cacheOption,
  choice,
  dtypeHelp,
  dtypeOption,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  InterruptedError,
  number,
  readOptions,
  text,
  UsageError,
  IGNORE_CONFIG,
  ignoreHelp,
  ignoredKeys,
  type Values,
} from '../args';
import { deviceArithmetic } from '../device';
import { Output } from '../output';
import { openStored, type StoredLog } from '../resume';
import { saturationIn } from '../quantiserErrors';
import { describeEvent, finalReport, summary, textReport } from '../runReport';
import { hashOf, openEngine, openModel, readBytes, requireWritable } from '../session';
import { deskStore, onInterrupt, theDesk } from '../surroundings';
import { openTokenizer } from '../tokenizer';

const FILE_TASKS = TASKS.filter(isFileTask).map((task) => task.name);

export const help = `polylogue run [options]

  --recipe NAME       ${recipes()
    .map(({ id }) => id)
    .join(', ')}; default ${DEFAULT_RECIPE}
  --preset NAME       ${Object.keys(recipeNamed(DEFAULT_RECIPE).presets).join(', ')}; default arithmetic-quick
  --resume FILE       goes on with an interrupted run: the zip that --out wrote, or its log.jsonl. Its settings are the run's
  --set KEY=VALUE     change a setting, for example --set agents=5 --set finetune.lr=0.001; may be repeated
                      (model=FOLDER takes any folder in Hugging Face layout; the log has the folder's own name and the
                      hash of its weights)
  --data FILE         problems (JSON lines, a JSON list, or a CSV with a header) of a task that reads a file:
                      --set task=${FILE_TASKS.join('|')}
  --seed N            default: the preset's
${ignoreHelp(19)}
${dtypeHelp(19)} or the preset's
${cacheHelp(19)}
${engineHelp(19)}
                      (--engine torch: PyTorch in a child process, f32 only; see tools/torch)
  --keep-adapters X   all, last (iteration's) or none: what --out holds beside the log; default all. Changes no number
  --out FILE.zip      log, results and adapters (PEFT directories)
  --json              JSON lines: what happens, then one last object with accuracies, dataset sizes and the log's digest`;

/** Rows decoded together at most. */
const MOST_ROWS = 256;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    recipe: { type: 'string' },
    preset: { type: 'string' },
    resume: { type: 'string' },
    set: { type: 'string', multiple: true },
    data: { type: 'string' },
    seed: { type: 'string' },
    dtype: { type: 'string' },
    cache: { type: 'string' },
    ...ENGINE_OPTIONS,
    out: { type: 'string' },
    'keep-adapters': { type: 'string' },
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const stored = await readStored(values);
  const { config, folder, data } = stored ? await storedSettings(values, stored) : await givenSettings(values);
  const task = taskFor(config, data);
  if (data) output.note(`${data.name}: ${data.problems.length} problems${leftOut(data.repeated)}`);
  const out = text(values, 'out');
  const keep = choice(values, 'keep-adapters', KEEP_ADAPTERS, 'all');
  // Before the work: a run of hours that cannot be written at its end is lost.
  if (out !== undefined) await requireWritable(out);

  const model = await openModel(folder, config.ignoreConfig);
  const tokenizer = await openTokenizer(model.dir);
  const problems = measuredProblems(task, config.seed, data);
  const wanted = engineChoice(values);
  const arithmetic = await deviceArithmetic(wanted);
  const parts = { task, measured: problems, model: model.config, tokenizer, mostRows: MOST_ROWS, arithmetic };
  const options = await checkedOptions(config, parts, folder);
  const store = deskStore();
  const created = await createRun(store, config, undefined, keep);
  // Before the work, too: what it would go on from may be missing.
  const whole = stored?.whole(created, model.config);
  const engine = await openEngine(wanted, model, options, output);
  const control = new RunControl();
  onInterrupt(() => control.stop());

  const work = estimateWork(config);
  output.note(
    `${config.recipe}, ${config.preset}, seed ${config.seed}, on ${engine.info.device}: about ${work.calls.toLocaleString('en')} responses`,
  );
  const hash = await hashOf(model);
  const runtime = runtimeFor(config, { engine, tokenizer, hash, options }, { signal: control.signal });
  const started = performance.now();
  const runner: Runner = new Runner({
    recipe: recipeNamed(config.recipe),
    runtime,
    task,
    adapters: engine,
    store,
    control,
    onEvent: (event, _, old) => {
      const seconds = (performance.now() - started) / 1000;
      const line = old ? null : describeEvent(event);
      if (line) {
        output.line(line.text);
        output.object({ ...line.data, seconds: Math.round(seconds) });
      }
      output.progress(`${(100 * runner.progress).toFixed(0)} %, ${Math.round(seconds)} s`);
    },
  });
  if (stored && whole) {
    await store.rewrite(whole);
    output.note(`goes on behind the ${stored.events.length} events of ${stored.file}`);
  }
  await theDesk().begun(created.id, out ?? null);
  let record: RunRecord;
  try {
    record = await runner.run(created.id);
  } finally {
    // What was done before an error is worth keeping.
    if (out !== undefined) await keepLog(out, output);
  }
  const events = await store.events(created.id);
  const results = resultsOf(events);
  const texts = tallyTexts(events);
  const saturated = await saturationIn(engine);
  await engine.dispose();
  if (record.status !== 'finished')
    throw new InterruptedError(
      out === undefined ? 'with --out FILE.zip the log so far would have been kept' : `the log so far is in ${out}`,
    );
  const seconds = (performance.now() - started) / 1000;
  const cast = recipeNamed(config.recipe).cast(config);
  output.clearProgress();
  for (const line of [...summary(results, cast), ...textReport(texts)]) output.line(line);
  output.line(`log digest ${record.digest}, ${record.events} events, ${seconds.toFixed(0)} s`);
  const report = finalReport(results, cast, record, discreteDigestOf(events), texts);
  output.object({ type: 'result', ...report, ...saturated, seconds: Math.round(seconds) });
}

/** What a run is set to, where its model lies here, and its file of problems. */
interface Settings {
  config: RunConfig;
  folder: string;
  data: ProblemFile | undefined;
}

/** From --recipe, --preset, --set and the options beside them. */
async function givenSettings(values: Values): Promise<Settings> {
  const seed = number(values, 'seed', undefined, { integer: true, min: 0 });
  const recipe = text(values, 'recipe') ?? DEFAULT_RECIPE;
  const preset = text(values, 'preset') ?? 'arithmetic-quick';
  const settings = readSettings((values['set'] as string[]) ?? []);
  const usual = recipeNamed(recipe).presets[preset]?.config.task;
  const data = await readProblems(text(values, 'data'), settings['task'] ?? usual);
  const ignore = ignoredKeys(values);
  const overrides = {
    ...settings,
    ...(seed === undefined ? {} : { seed }),
    ...(values['dtype'] === undefined ? {} : { dtype: dtypeOption(values) as string }),
    ...(values['cache'] === undefined ? {} : { cache: cacheOption(values) as string }),
    ...(ignore.length > 0 && { ignoreConfig: ignore.join(',') }),
    ...(data && { 'data.name': data.name, 'data.sha256': data.sha256 }),
  };
  const asked = resolveConfig(preset, overrides, recipe);
  const folder = modelFolder(asked.model);
  // Where the folder is differs between machines; the log, and with it its digest, does not. The hash says which model it was.
  return { config: { ...asked, model: basename(resolve(folder)) }, folder, data };
}

/** Options that belong to the settings of a run: a run that goes on has its own. */
const OF_A_NEW_RUN = ['recipe', 'preset', 'seed', 'dtype', 'cache', 'ignore-config'];

/** From the run that goes on; --set model=FOLDER says where its model lies, --data where its problems do. */
async function storedSettings(values: Values, stored: StoredLog): Promise<Settings> {
  const { config } = stored;
  const { model, ...others } = readSettings((values['set'] as string[]) ?? []);
  const wrong = OF_A_NEW_RUN.find((option) => values[option] !== undefined) ?? Object.keys(others)[0];
  if (wrong !== undefined) throw new UsageError(`--resume goes on with the settings of the run; leave out ${wrong}`);
  const data = await readProblems(text(values, 'data'), config.data ? config.task : undefined);
  return { config, folder: modelFolder(model ?? config.model), data };
}

async function readStored(values: Values): Promise<StoredLog | null> {
  const file = text(values, 'resume');
  return file === undefined ? null : openStored(file, await readBytes(file));
}

async function keepLog(out: string, output: Output): Promise<void> {
  const problem = await theDesk().keep();
  if (problem !== null) throw new FileError(out, `cannot be written (${problem})`);
  output.note(`written to ${out}`);
}

function leftOut(repeated: number): string {
  if (repeated === 0) return '';
  return `, ${repeated} repeated ${repeated === 1 ? 'line' : 'lines'} left out`;
}

/** "key=value" pairs. */
function readSettings(pairs: string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--set: "${pair}" is not KEY=VALUE, for example agents=5`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** The name of a model that comes with the lab, or a folder; `.` and `..` are folders from here. */
function modelFolder(name: string): string {
  const own = fileURLToPath(new URL(`../../../static/models/${name}`, import.meta.url));
  return !name.includes('/') && existsSync(join(own, 'config.json')) ? own : name;
}

/** The file's problems, read by the task that they are for. */
async function readProblems(file: string | undefined, taskName: string | undefined): Promise<ProblemFile | undefined> {
  if (file === undefined || taskName === undefined) return undefined;
  const task = taskNamed(taskName);
  if (!isFileTask(task)) {
    throw new UsageError(`--data: task ${taskName} makes its own problems; choose --set task=${FILE_TASKS.join('|')}`);
  }
  return readProblemFile(task, file, await readBytes(file));
}
