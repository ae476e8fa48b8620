/** Plays one run on this machine, from its first event or from where a stored log ends; its bundle is written as it ends, however it ends. */
import { FileError } from '../../src/engine/errors';
import type { Engine } from '../../src/engine/types';
import type { RunEvent } from '../../src/events';
import { RunControl } from '../../src/lab/run/control';
import { createRun, Runner } from '../../src/lab/run/runner';
import { engineFor } from '../../src/lab/setup/engineOptions';
import { runtimeFor } from '../../src/lab/setup/parts';
import { closeVoices, openVoices, seatedOn } from '../../src/lab/setup/voices';
import { recipeNamed } from '../../src/recipes';
import { estimateWork } from '../../src/recipes/work';
import type { KeepAdapters } from '../../src/store/keep';
import type { RunRecord } from '../../src/store/types';
import { taskFor } from '../../src/tasks';
import type { HumanJudge } from '../../src/recipes/human';
import { InterruptedError, UsageError, type EngineChoice } from './args';
import type { Output } from './output';
import { saturationIn } from './quantiserErrors';
import type { StoredLog } from './resume';
import { describeEvent } from './runReport';
import { openRunEngine, prepareModel } from './prepared';
import type { Settings } from './settings';
import { nodeVoices } from './voices';
import { deskStore, onInterrupt, theDesk } from './surroundings';

export interface PlayOptions {
  engine: EngineChoice;
  keep: KeepAdapters;
  /** Where its bundle goes; undefined = nowhere. */
  out: string | undefined;
  /** The log that it goes on from. */
  stored: StoredLog | null;
  /** Who compares answers, where the settings ask a person. */
  human?: HumanJudge | undefined;
}

export interface PlayedRun {
  record: RunRecord;
  events: RunEvent[];
  /** Counts of numbers that a format could not hold; nothing where there are none. */
  saturated: Awaited<ReturnType<typeof saturationIn>>;
  seconds: number;
}

/**
 * Plays a run and tells what happens on the way.
 * @throws InterruptedError after Ctrl-C, and what opening a model, an engine and the run itself throw
 */
export async function playRun(
  settings: Settings,
  { engine: chosen, keep, out, stored, human }: PlayOptions,
  output: Output,
): Promise<PlayedRun> {
  const { config, data } = settings;
  if (!human && recipeNamed(config.recipe).asksHuman?.(config))
    throw new UsageError(`${config.recipe} asks a person with these settings; use the command run`);
  const wanted = { ...chosen, name: engineFor(config, chosen.name) };
  const task = taskFor(config, data);
  const prepared = await prepareModel(settings, task, wanted);
  const { model, tokenizer, options } = prepared;
  const store = deskStore();
  const created = await createRun(store, config, undefined, keep);
  // Before the work, too: what it would go on from may be missing.
  const whole = stored?.whole(created, model.config);
  const control = new RunControl();
  onInterrupt(() => control.stop());
  // Before the engine: a server that cannot be reached is told at once.
  const voices = await openVoices(nodeVoices(output), config, { signal: control.signal });
  const { engine, ...hashes } = await openRunEngine(prepared, wanted, output);

  const { calls } = estimateWork(config);
  output.note(
    `${config.recipe}, ${config.preset}, seed ${config.seed}, on ${engine.info.device}: about ${calls.toLocaleString('en')} responses`,
  );
  const own = runtimeFor(config, { engine, tokenizer, options, ...hashes }, { signal: control.signal });
  const runtime = seatedOn(own, config, voices);
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const runner: Runner = new Runner({
    recipe: recipeNamed(config.recipe),
    runtime,
    task,
    human,
    adapters: engine,
    store,
    control,
    onEvent: (event, _, old) => {
      const line = old ? null : describeEvent(event);
      if (line) {
        output.line(line.text);
        output.object({ ...line.data, seconds: Math.round(seconds()) });
      }
      output.progress(`${(100 * runner.progress).toFixed(0)} %, ${Math.round(seconds())} s`);
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
    await closeVoices(voices);
  }
  return { record, ...(await ended(engine, created.id, record, out)), seconds: seconds() };
}

/** The log of a run that has ended. @throws InterruptedError when it was stopped before its end */
async function ended(
  engine: Engine,
  id: string,
  record: RunRecord,
  out: string | undefined,
): Promise<Pick<PlayedRun, 'events' | 'saturated'>> {
  const events = await deskStore().events(id);
  const saturated = await saturationIn(engine);
  await engine.dispose();
  if (record.status !== 'finished')
    throw new InterruptedError(
      out === undefined ? 'with --out FILE.zip the log so far would have been kept' : `the log so far is in ${out}`,
    );
  return { events, saturated };
}

async function keepLog(out: string, output: Output): Promise<void> {
  const problem = await theDesk().keep();
  if (problem !== null) throw new FileError(out, `cannot be written (${problem})`);
  output.note(`written to ${out}`);
}
