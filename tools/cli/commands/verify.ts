/** `verify`: how far a run's claims hold: by its own log, by some of its units, or by another run. */
import { FileError } from '../../../src/engine/errors';
import type { RunEvent } from '../../../src/events';
import { runtimeFor } from '../../../src/lab/setup/parts';
import { closeVoices, openVoices, seatedOn, type Voices } from '../../../src/lab/setup/voices';
import { drawChecks, logCheck, NOT_RECOMPUTED, spotChecked } from '../../../src/lab/stored/verify';
import { runsAgain } from '../../../src/log/receipt';
import { recipeNamed } from '../../../src/recipes';
import type { RunConfig } from '../../../src/recipes/config';
import { runRecipe } from '../../../src/recipes/run';
import { secondModelOf } from '../../../src/recipes/secondModel';
import { serversOf } from '../../../src/recipes/seats';
import type { Runtime } from '../../../src/runtimes/types';
import { adapterCheck, claimChecks, type RunCheck } from '../../../src/share/claims';
import { isExact } from '../../../src/share/link';
import { adaptersIn, openBundle, type Bundle } from '../../../src/share/openBundle';
import {
  differentExperiment,
  methodLines,
  placeText,
  USUAL_MARGIN,
  verdictOn,
  VERDICT_WORDS,
  type RunVerdict,
} from '../../../src/share/verdict';
import { versionKey, versionsOf } from '../../../src/store/keep';
import { isFileTask, taskFor, taskNamed } from '../../../src/tasks';
import type { ProblemFile, Task } from '../../../src/tasks/types';
import {
  choice,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  number,
  readOptions,
  text,
  UsageError,
  type EngineChoice,
  type Values,
} from '../args';
import { BUNDLE_HELP, BUNDLE_OPTIONS, readBundleBytes } from '../bundles';
import { Output } from '../output';
import { openRunEngine, prepareModel } from '../prepared';
import { hashOf, openModel, type OpenedModel } from '../session';
import { foldersOf, readProblems, readSettings, type ModelFolders, type Settings } from '../settings';
import { nodeVoices } from '../voices';

const MODES = ['receipt', 'spot-check', 'run-again'] as const;
type Mode = (typeof MODES)[number];

/** Says where the run's model lies. */
const MODEL_OPTION = '--model DIR';

export const help = `polylogue verify FILE.zip [options]

  FILE.zip         the bundle of a finished run
  --mode NAME      receipt: digests, results and adapters against the log, and the log against its own answers; no model runs
                   spot-check: beside that, some answers and a training job are done again with the bundle's adapters
                   run-again: beside that, the whole run is done again and compared; default receipt. Seats on other runtimes
                   play again where those repeat themselves; no site is asked because a file names it
  --units N        answers that a spot check does again; default 10
  --draw N         seed of the choice of units; default 0
  --margin X       points of accuracy within which another run counts as consistent; default ${100 * USUAL_MARGIN}
  --model DIR      where the run's model lies, when it does not come with the lab
  --set KEY=DIR    where the run's second model lies, by the setting that names it: studentModel=DIR or teacherModel=DIR
  --data FILE      the run's file of problems, where it read one
${engineHelp(16)}
  --json           one JSON object: mode, verdict, checks, same_until, methods

  The verdict is one of same-bytes, same-tokens, consistent, not-reproduced, or for receipt and spot-check: claims-hold,
  claims-fail. The exit code is 0 for consistent or better.
${BUNDLE_HELP}.`;

interface Report {
  mode: Mode;
  verdict: string;
  holds: boolean;
  checks: RunCheck[];
  run: RunVerdict | null;
}

export async function main(args: string[]): Promise<number> {
  const [file, ...rest] = args;
  if (file === undefined || file.startsWith('-')) throw new UsageError('verify: give the bundle, FILE.zip');
  const values = readOptions(rest, {
    mode: { type: 'string' },
    units: { type: 'string' },
    draw: { type: 'string' },
    margin: { type: 'string' },
    model: { type: 'string' },
    set: { type: 'string', multiple: true },
    data: { type: 'string' },
    ...BUNDLE_OPTIONS,
    ...ENGINE_OPTIONS,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const report = await verified(file, values, output);
  output.clearProgress();
  const { mode, verdict, checks, run } = report;
  for (const { check, ok, detail } of checks)
    output.line(
      `${ok === null ? 'not checked' : ok ? 'holds' : 'FAILS'}: ${check}${detail === '' ? '' : `: ${detail}`}`,
    );
  for (const line of runLines(run)) output.line(line);
  output.line(`verdict: ${verdict}`);
  output.object({
    type: 'verdict',
    mode,
    verdict,
    checks,
    same_until: run?.sameUntil ?? null,
    methods: run?.methods ?? [],
  });
  return report.holds ? 0 : 1;
}

async function verified(file: string, values: Values, output: Output): Promise<Report> {
  const mode = choice(values, 'mode', MODES, 'receipt');
  const units = number(values, 'units', 10, { integer: true, min: 1, max: 10_000 });
  const draw = number(values, 'draw', 0, { integer: true, min: 0 });
  const margin = number(values, 'margin', 100 * USUAL_MARGIN, { above: 0, max: 100 }) / 100;
  const bundle = openBundle(file, await readBundleBytes(file, values));
  if (bundle.events.at(-1)?.type !== 'run-finished') throw new FileError(file, 'holds a run that is not finished');
  const checks = claimChecks(bundle);
  if (mode === 'run-again') requireRepeatable(bundle);
  const { config } = bundle;
  const folders = givenFolders(bundle, values);
  const data = await readProblems(text(values, 'data'), config.data ? config.task : undefined);
  const task = taskOf(bundle, data);
  checks.push(...(await adapterChecks(bundle, folders, mode)));
  checks.push(
    task
      ? await logCheck({ ...bundle, task })
      : { ...NOT_RECOMPUTED, detail: 'give the run’s file of problems with --data FILE' },
  );
  const holds = () => checks.every(({ ok }) => ok !== false);
  if (mode === 'receipt' || !holds())
    return { mode, verdict: holds() ? 'claims-hold' : 'claims-fail', holds: holds(), checks, run: null };
  if (!task) throw new UsageError('verify: give the run’s file of problems with --data FILE');
  if (bundle.format === 1)
    throw new FileError(file, 'was written in log format 1, which can be read and not run again');
  // A spot check asks the engine alone.
  const voices: Voices = mode === 'run-again' ? await voicesOf(config, output) : new Map();
  const again = await openAgain(bundle, task, { config, ...folders, data }, engineChoice(values), output);
  try {
    if (mode === 'spot-check') {
      checks.push(...(await spotChecks(bundle, task, again, drawChecks(bundle.events, units, draw))));
      return { mode, verdict: holds() ? 'claims-hold' : 'claims-fail', holds: holds(), checks, run: null };
    }
    const runtime = seatedOn(again.runtime, config, voices);
    const events = await runAgain(bundle, task, runtime, output);
    const run = verdictOn(bundle.events, events, margin);
    return { mode, verdict: run.verdict, holds: run.verdict !== 'not-reproduced', checks, run };
  } finally {
    await closeVoices(voices);
    await again.engine.dispose();
  }
}

/**
 * A run is run again where everything that played in it repeats itself here. No site is asked because a file names it.
 * @throws UsageError that says what can be done instead
 */
function requireRepeatable({ file, config, started }: Bundle): void {
  const instead = `look at the run with "polylogue replay ${file}", and check its claims with --mode receipt or --mode spot-check`;
  const servers = serversOf(config);
  if (servers.length > 0)
    throw new UsageError(
      `verify: this run reaches out to ${servers.join(' and ')}, and no site is asked because a file names it; ${instead}, or play its settings with run --seat`,
    );
  if (!runsAgain(started))
    throw new UsageError(
      `verify: this run cannot be run again, since one of its runtimes does not repeat itself (${(
        started.runtimes ?? []
      )
        .filter(({ gives }) => !gives.includes('repeats'))
        .map(({ name }) => name)
        .join(', ')}); ${instead}`,
    );
}

/** Each adapter of the bundle against the hash that the log names. */
async function adapterChecks(bundle: Bundle, folders: ModelFolders, mode: Mode): Promise<RunCheck[]> {
  const announced = versionsOf(bundle.events).length;
  if (announced === 0 || Object.keys(bundle.files).length <= 1) return [];
  let model;
  try {
    ({ config: model } = await openModel(folders.folder, bundle.config.ignoreConfig, MODEL_OPTION));
  } catch (error) {
    if (mode !== 'receipt') throw error;
    const detail = `the model is not at hand; give its folder with ${MODEL_OPTION}`;
    return [{ check: 'the adapters', ok: null, detail }];
  }
  return [adapterCheck(bundle.events, adaptersIn(bundle, model))];
}

function taskOf({ config }: Bundle, data: ProblemFile | undefined): Task | null {
  return isFileTask(taskNamed(config.task)) && !data ? null : taskFor(config, data);
}

/** Where the run's models lie here: --model and --set say so. @throws UsageError for another setting */
function givenFolders({ config }: Bundle, values: Values): ModelFolders {
  const given = readSettings((values['set'] as string[]) ?? []);
  const model = text(values, 'model');
  if (model !== undefined && given['model'] !== undefined)
    throw new UsageError('--model and --set model=… say the same; give one of them');
  const { others, ...folders } = foldersOf(config, model === undefined ? given : { ...given, model });
  if (others[0] !== undefined) {
    const key = secondModelOf(config)?.key;
    const takes = key === undefined ? 'this run has no second model' : `here it takes ${key}=DIR alone`;
    throw new UsageError(`--set ${others[0]}: the settings are the run’s, and ${takes}; leave it out`);
  }
  return folders;
}

type Again = Awaited<ReturnType<typeof openAgain>>;

/** The run's models on an engine. @throws FileError for a model with other weights */
async function openAgain({ started }: Bundle, task: Task, settings: Settings, wanted: EngineChoice, output: Output) {
  // A run of the exact engine is repeated to the bit there and nowhere else.
  const chosen =
    wanted.name === 'auto' && isExact({ name: started.engine }) ? { ...wanted, name: 'exact' as const } : wanted;
  const prepared = await prepareModel(settings, task, chosen, MODEL_OPTION);
  const { model, second, tokenizer, options } = prepared;
  await requireHash(model, started.model.hash);
  if (second && started.secondModel) await requireHash(second.model, started.secondModel.hash);
  const { engine, ...hashes } = await openRunEngine(prepared, chosen, output);
  return { engine, model, runtime: runtimeFor(settings.config, { engine, tokenizer, options, ...hashes }) };
}

/** @throws FileError for a model with other weights than the run's */
async function requireHash(model: OpenedModel, made: string): Promise<void> {
  const hash = await hashOf(model);
  if (hash !== made)
    throw new FileError(
      model.dir,
      `is another model: its weights have the sha-256 ${hash}, and the run was made with ${made}`,
    );
}

const voicesOf = (config: RunConfig, output: Output): Promise<Voices> =>
  openVoices(nodeVoices(output), config, { signal: new AbortController().signal });

async function spotChecks(
  bundle: Bundle,
  task: Task,
  { engine, model, runtime }: Again,
  checks: ReturnType<typeof drawChecks>,
): Promise<RunCheck[]> {
  const held = new Map(adaptersIn(bundle, model.config).map((version) => [versionKey(version), version.weights]));
  const restore = async (name: string, iteration: number, job: string): Promise<void> => {
    const weights = held.get(versionKey({ name, iteration, job }));
    if (!weights)
      throw new FileError(bundle.file, `holds no adapter ${name} of iteration ${iteration}, which the check needs`);
    await engine.importAdapter(name, weights);
  };
  const found: RunCheck[] = [];
  const wrong = await spotChecked(
    { ...bundle, task },
    runtime,
    restore,
    checks,
    ({ kind, name, same, difference }) =>
      void found.push({ check: `${kind} ${name}`, ok: same, detail: difference ?? '' }),
  );
  if (wrong !== null) found.push({ check: 'the log', ok: false, detail: wrong });
  return found;
}

async function runAgain(
  { config, started }: Bundle,
  task: Task,
  runtime: Runtime,
  output: Output,
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of runRecipe(recipeNamed(config.recipe), { runtime, task, config })) {
    events.push(event);
    output.progress(`${events.length} events`);
    if (event.type !== 'run-started') continue;
    const different = differentExperiment(started, event);
    if (different !== null) throw new UsageError(`verify: this is not the same experiment: ${different}`);
    // The program's version is no part of what is repeated.
    events[0] = { ...event, build: started.build };
  }
  return events;
}

function runLines(run: RunVerdict | null): string[] {
  if (!run) return [];
  const { verdict, sameUntil } = run;
  return [...(sameUntil ? [`same until ${placeText(sameUntil)}`] : []), ...methodLines(run), VERDICT_WORDS[verdict]];
}
