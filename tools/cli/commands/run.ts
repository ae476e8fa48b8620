/** `run`: a whole experiment, from the base model's accuracy to the last iteration's. */

import { discreteDigestOf } from '../../../src/log/digest';
import { ledgerOf } from '../../../src/log/ledger';
import { ledgerLines } from '../../../src/log/ledgerTables';
import { tallyTexts } from '../../../src/log/responses';
import { resultsOf } from '../../../src/log/results';
import { DEFAULT_RECIPE, recipeNamed, recipes } from '../../../src/recipes';
import { cutSentence } from '../../../src/share/cutLog';
import { KEEP_ADAPTERS } from '../../../src/store/keep';
import { taskFor } from '../../../src/tasks';
import {
  cacheHelp,
  choice,
  dtypeHelp,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  readOptions,
  text,
  UsageError,
  ignoreHelp,
  type Values,
} from '../args';
import { keepCut } from '../files';
import { Output } from '../output';
import { humanFor } from '../picks';
import { playRun } from '../playRun';
import { openStored, type StoredLog } from '../resume';
import { finalReport, summary, textReport } from '../runReport';
import { readBytes, requireWritable } from '../session';
import {
  FILE_TASKS,
  foldersOf,
  givenSettings,
  readProblems,
  readSettings,
  SETTING_OPTIONS,
  type Settings,
} from '../settings';

export const help = `polylogue run [options]

  --recipe NAME       ${recipes()
    .map(({ id }) => id)
    .join(', ')}; default ${DEFAULT_RECIPE}
  --preset NAME       ${Object.keys(recipeNamed(DEFAULT_RECIPE).presets).join(', ')}; default arithmetic-quick
  --resume FILE       goes on with an interrupted run: the zip that --out wrote, or its log.jsonl. Its settings are the run's.
                      A last line that was not written to its end is left out and kept in FILE.cut
  --set KEY=VALUE     change a setting, for example --set agents=5 --set finetune.lr=0.001; may be repeated
                      (model=FOLDER takes any folder in Hugging Face layout; the log has the folder's own name and the
                      hash of its weights)
  --seat WHO=RUNTIME  who is played by another runtime than the engine, and learns nothing; may be repeated:
                      2=transformers:MODEL (transformers.js), 2=endpoint:ADDRESS#MODEL (a server of OpenAI's protocol);
                      WHO is a seat from 1 or an agent's id. POLYLOGUE_ENDPOINT_KEY holds a server's key.
                      web-llm:MODEL plays in the page alone: it needs WebGPU
  --data FILE         problems (JSON lines, a JSON list, or a CSV with a header) of a task that reads a file:
                      --set task=${FILE_TASKS.join('|')}
  --seed N            default: the preset's
${ignoreHelp(19)}
${dtypeHelp(19)} or the preset's
${cacheHelp(19)}
${engineHelp(19)}
                      (--engine torch: PyTorch in a child process, f32 only; see tools/torch)
  --picks FILE        picks of a person (JSON lines, as --json prints them) for a teacher or a judge that is human;
                      what the file lacks is asked at the terminal
  --keep-adapters X   all, last (iteration's) or none: what --out holds beside the log; default all. Changes no number
  --out FILE.zip      log, results and adapters (PEFT directories)
  --json              JSON lines: what happens, then one last object with accuracies, dataset sizes and the log's digest`;

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    ...SETTING_OPTIONS,
    resume: { type: 'string' },
    ...ENGINE_OPTIONS,
    out: { type: 'string' },
    picks: { type: 'string' },
    'keep-adapters': { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const stored = await readStored(values);
  const settings = stored ? await storedSettings(values, stored) : await givenSettings(values);
  const { config, data } = settings;
  // A file that does not hold enough is refused before anything is said of it.
  taskFor(config, data);
  if (data) output.note(`${data.name}: ${data.problems.length} problems${leftOut(data.repeated)}`);
  const human = await humanFor(config, text(values, 'picks'), output);
  const out = text(values, 'out');
  const keep = choice(values, 'keep-adapters', KEEP_ADAPTERS, 'all');
  // Before the work: a run of hours that cannot be written at its end is lost.
  if (out !== undefined) await requireWritable(out);
  if (stored) await keepCutOf(stored, output);

  const played = await playRun(settings, { engine: engineChoice(values), keep, out, stored, human }, output);
  const { record, events, saturated, seconds } = played;
  const results = resultsOf(events);
  const texts = tallyTexts(events);
  const cast = recipeNamed(config.recipe).cast(config);
  output.clearProgress();
  const ledger = ledgerOf(events);
  const kept = ledger ? ledgerLines(ledger) : [];
  for (const line of [...summary(results, cast), ...kept, ...textReport(texts)]) output.line(line);
  output.line(`log digest ${record.digest}, ${record.events} events, ${seconds.toFixed(0)} s`);
  const report = finalReport(results, cast, record, discreteDigestOf(events), texts);
  output.object({ type: 'result', ...report, ...(ledger && { ledger }), ...saturated, seconds: Math.round(seconds) });
}

/** Options that belong to the settings of a run: a run that goes on has its own. */
const OF_A_NEW_RUN = ['recipe', 'preset', 'seat', 'seed', 'dtype', 'cache', 'ignore-config'];

/** From the run that goes on; --set model=FOLDER says where its model lies (a second one by its own setting), --data where its problems do. */
async function storedSettings(values: Values, stored: StoredLog): Promise<Settings> {
  const { config } = stored;
  const { others, ...folders } = foldersOf(config, readSettings((values['set'] as string[]) ?? []));
  const wrong = OF_A_NEW_RUN.find((option) => values[option] !== undefined) ?? others[0];
  if (wrong !== undefined) throw new UsageError(`--resume goes on with the settings of the run; leave out ${wrong}`);
  if (values['data'] !== undefined && !config.data)
    throw new UsageError('--data: the run that goes on reads no file of problems; leave it out');
  const data = await readProblems(text(values, 'data'), config.task);
  return { config, ...folders, data };
}

async function readStored(values: Values): Promise<StoredLog | null> {
  const file = text(values, 'resume');
  return file === undefined ? null : openStored(file, await readBytes(file));
}

/** The end of a log that was cut is kept before anything is written. @throws FileError */
async function keepCutOf({ file, cut }: StoredLog, output: Output): Promise<void> {
  if (!cut) return;
  const kept = await keepCut(file, cut.bytes);
  output.note(cutSentence(file, cut, kept));
  output.object({ type: 'cut-line', file, line: cut.line, bytes: cut.bytes.length, kept });
}

function leftOut(repeated: number): string {
  if (repeated === 0) return '';
  return `, ${repeated} repeated ${repeated === 1 ? 'line' : 'lines'} left out`;
}
