/** Checks of a stored run: its log from its own answers, its adapters by their hashes, and some of its units done again. */
import { FileError } from '../../engine/errors';
import { digestOf } from '../../log/digest';
import { adapterCheck, type RunCheck } from '../../share/claims';
import { requireNewestFormat } from '../../store/readBack';
import type { RunRecord, RunStore, StoredAdapter } from '../../store/types';
import type { Engine } from '../../engine/types';
import type { RunEvent, RunStarted } from '../../events';
import type { Runtime } from '../../runtimes/types';
import type { Task } from '../../tasks/types';
import { LabStateError, OtherModelError } from '../errors';
import type { CheckProgress, CheckReport, CheckRequest, EngineChoice } from '../types';
import type { LoadProgress } from '../host/engineHost';
import type { Pulse } from '../../supervision';
import type { RunConfig } from '../../recipes/config';
import { resumedOn } from '../setup/engineOptions';
import type { ReadyTask } from '../setup/parts';
import { readyTask } from '../setup/problems';
import { drawChecks, logCheck, spotChecked, type Recorded, type Turn } from './verify';

/** A log is recomputed for so long before messages are heard again. */
const TURN_MILLISECONDS = 50;

/** Brings a run's model onto an engine (`LabModels.runtime`). */
interface Models {
  runtime(
    config: RunConfig,
    choice: EngineChoice,
    ready: ReadyTask,
    onBytes: (bytes: LoadProgress) => void,
  ): Promise<SpotEngine>;
}

/**
 * Checks a finished run: by replay, and where a spot check is asked for and the replay holds, by units that are done again.
 * @throws LabStateError for one that is not finished; what reading it, its task and its model throws; OtherModelError
 */
export async function checkStored(
  store: RunStore,
  record: RunRecord,
  { mode, engine, units, draw }: CheckRequest,
  models: Models,
  onProgress: (progress: CheckProgress) => void,
  pulse: Pulse,
): Promise<CheckReport> {
  const turn = turns(() => pulse.worked());
  const ready = await readyTask(store, record.config);
  const run = await readForCheck(store, record, ready.task);
  const checks = await replayChecks(store, run, turn);
  const holds = (): boolean => checks.every(({ ok }) => ok !== false);
  if (mode === 'spot-check' && holds()) {
    const choice = resumedOn(record.engine, engine);
    const spot = await models.runtime(record.config, choice, ready, (bytes) => onProgress({ bytes }));
    const onUnit = (done: number, of: number): void => onProgress({ done, of });
    checks.push(...(await unitChecks(store, run, spot, { units, draw }, onUnit, turn)));
  }
  return { mode, holds: holds(), checks };
}

/** A stored run with what a check reads of it. */
interface StoredForCheck extends Recorded {
  record: RunRecord;
  format: number;
}

/** Reads a finished run. @throws LabStateError, StoredRunError for a damaged log, OldFormatError */
async function readForCheck(store: RunStore, record: RunRecord, task: Task): Promise<StoredForCheck> {
  if (record.status !== 'finished')
    throw new LabStateError(`The run ${record.name} is not finished. Finished runs can be checked.`);
  requireNewestFormat(record, (await store.lines(record.id, 0, 1))[0]);
  const events = await store.events(record.id);
  const [started] = events;
  if (started?.type !== 'run-started') throw new LabStateError(`The run ${record.name} has no events.`);
  return { record, events, started, config: record.config, task, format: started.format };
}

/** Replay: needs no model. @param turn between two events */
async function replayChecks(store: RunStore, run: StoredForCheck, turn: Turn): Promise<RunCheck[]> {
  const { record, events } = run;
  const digest = digestOf(events);
  const ok = digest === record.digest;
  const detail = ok ? '' : `the list of runs says ${record.digest}, the log has ${digest}`;
  return [
    { check: 'the digest of the log', ok, detail },
    ...(await adapterChecks(store, record, events)),
    await logCheck(run, turn),
  ];
}

async function adapterChecks(store: RunStore, { id }: RunRecord, events: readonly RunEvent[]): Promise<RunCheck[]> {
  const names = await store.adapters(id);
  if (names.length === 0) return [];
  const held: StoredAdapter[] = [];
  for (const name of names) held.push({ ...name, weights: await store.adapter(id, name) });
  return [adapterCheck(events, held)];
}

/** What a spot check runs on: the run's model on an engine. */
export interface SpotEngine {
  engine: Pick<Engine, 'importAdapter'>;
  runtime: Runtime;
  /** sha-256 of the weights. */
  hash: string;
}

/**
 * Answers and a training job, drawn at random and done again with the run's own adapters.
 * @param units answers
 * @param onUnit hears how many are done
 * @throws OtherModelError; FileError where an adapter that a unit needs was not kept
 */
async function unitChecks(
  store: RunStore,
  run: StoredForCheck,
  { engine, runtime, hash }: SpotEngine,
  { units, draw }: { units: number; draw: number },
  onUnit: (done: number, of: number) => void,
  turn: Turn,
): Promise<RunCheck[]> {
  const { record, events, started } = run;
  requireModel(started, hash);
  const { secondModel } = runtime.describe();
  if (started.secondModel && secondModel) requireModel({ model: started.secondModel }, secondModel.hash);
  const restore = async (name: string, iteration: number, job: string): Promise<void> => {
    const weights = await store.adapter(record.id, { name, iteration, job }).catch(() => null);
    if (!weights)
      throw new FileError(
        record.name,
        `holds no adapter ${name} of iteration ${iteration}, which the check needs. Open the run's zip with all adapters`,
      );
    await engine.importAdapter(name, weights);
  };
  const drawn = drawChecks(events, units, draw);
  const of = drawn.answers.size + drawn.jobs.size;
  const found: RunCheck[] = [];
  onUnit(0, of);
  const wrong = await spotChecked(
    run,
    runtime,
    restore,
    drawn,
    ({ kind, name, same, difference }) => {
      found.push({ check: `${kind} ${name}`, ok: same, detail: difference ?? '' });
      onUnit(found.length, of);
    },
    turn,
  );
  if (wrong !== null) found.push({ check: 'the log', ok: false, detail: wrong });
  return found;
}

/** @throws OtherModelError where these are other weights than those of the run */
export function requireModel({ model }: Pick<RunStarted, 'model'>, hash: string): void {
  if (model.hash !== hash) throw new OtherModelError(model.name, hash, model.hash);
}

/** Lets messages be heard between events, and says that work gets done. */
function turns(worked: () => void): Turn {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < TURN_MILLISECONDS) return;
    await new Promise((resolve) => setTimeout(resolve));
    worked();
    last = performance.now();
  };
}
