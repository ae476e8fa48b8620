/** Checks of a finished run: its log recomputed from its answers, and some of its units done again. */
import type { RunEvent, RunStarted } from '../../events';
import { callName } from '../../events';
import { drawInt } from '../../random';
import { recipeNamed } from '../../recipes';
import { RecordedJudge } from '../../recipes/human';
import { runRecipe } from '../../recipes/run';
import type { RunConfig } from '../../recipes/config';
import { ENGINE_CAPABILITIES } from '../../runtimes/capabilities';
import { RecordedRuntime, type RestoreAdapter } from '../../runtimes/recorded';
import { SpotCheckRuntime, type CheckedUnit, type SpotChecks } from '../../runtimes/spotCheck';
import type { Runtime, RuntimeCapabilities } from '../../runtimes/types';
import type { Task } from '../../tasks/types';
import { LogMismatchError } from '../errors';
import { Retrace } from '../run/retrace';
import type { RunCheck } from '../../share/claims';

export interface Recorded {
  config: RunConfig;
  started: RunStarted;
  events: readonly RunEvent[];
  task: Task;
}

/** Between two events: long logs keep nobody waiting. */
export type Turn = () => Promise<void>;

/** What `logCheck` says where it could not look. */
export const NOT_RECOMPUTED: RunCheck = {
  check: 'votes, data sets and scores follow from the answers',
  ok: null,
  detail: '',
};

/**
 * Votes, data sets and scores, recomputed from the recorded answers; not where this build has another revision of recipe or task.
 * @param format of the log as it was written
 */
export async function logCheck(run: Recorded & { format: number }, turn?: Turn): Promise<RunCheck> {
  const { config, started, task, format } = run;
  if (format === 1) return { ...NOT_RECOMPUTED, detail: 'a log of format 1 is not recomputed' };
  const recipe = recipeNamed(config.recipe);
  if (recipe.revision !== started.recipe.revision || task.revision !== started.task.revision)
    return { ...NOT_RECOMPUTED, detail: 'this build has another revision of the recipe or the task' };
  const wrong = await replayed(run, turn);
  return { ...NOT_RECOMPUTED, ok: wrong === null, detail: wrong ?? '' };
}

/**
 * Recomputes votes, data sets and scores from the recorded answers: needs no model.
 * @returns null, or the first event that comes out differently, in words
 */
export async function replayed(run: Recorded, turn?: Turn): Promise<string | null> {
  const runtime = new RecordedRuntime(nothingBehind(run.started), run.events, () => Promise.resolve());
  return retraced(run, runtime, turn);
}

/**
 * Does units of the run again.
 * @param behind the runtime of the run's model
 * @param restore rejects where an adapter is not at hand
 * @returns null, or the first event that comes out differently from the recorded answers, in words
 */
export async function spotChecked(
  run: Recorded,
  behind: Runtime,
  restore: RestoreAdapter,
  checks: SpotChecks,
  onUnit: (unit: CheckedUnit) => void,
  turn?: Turn,
): Promise<string | null> {
  return retraced(run, new SpotCheckRuntime(behind, run.events, restore, checks, onUnit), turn);
}

async function retraced(
  { config, started, events, task }: Recorded,
  runtime: Runtime,
  turn: Turn = () => Promise.resolve(),
): Promise<string | null> {
  const trace = new Retrace(events, false, () => {});
  try {
    const human = new RecordedJudge(events);
    for await (const event of runRecipe(recipeNamed(config.recipe), { runtime, task, config, human })) {
      // What computed it, and the program's version, are the recorded run's own.
      const { engine, arithmetic, model, secondModel, build, runtimes } = started;
      const second = secondModel && { secondModel };
      const computed = { engine, arithmetic, model, build, ...second, ...(runtimes && { runtimes }) };
      const own = event.type === 'run-started' ? { ...event, ...computed } : event;
      if (!trace.meets(own)) return `event ${trace.index} is missing`;
      trace.index++;
      await turn();
    }
    trace.end();
    return null;
  } catch (error) {
    if (error instanceof LogMismatchError || error instanceof NotRecordedError) return error.message;
    throw error;
  }
}

/** The log lacks an answer that the recipe asks for. */
class NotRecordedError extends Error {}

/** Behind a whole log stands nothing: whatever is asked of it is missing there. */
function nothingBehind({ model, engine, arithmetic }: RunStarted): Runtime {
  const missing = (what: string) => () => Promise.reject(new NotRecordedError(`the log lacks ${what}`));
  return {
    can: CAPABLE,
    describe: () => ({ model, engine, arithmetic }),
    ask: missing('an answer'),
    // eslint-disable-next-line require-yield -- it throws before it could
    train: async function* () {
      throw new NotRecordedError('the log lacks a training job');
    },
    createAdapter: () => Promise.resolve(),
    adapterHash: missing('an adapter'),
    score: missing('a score'),
    dissimilarity: missing('a dissimilarity'),
    reward: missing('a reward'),
  };
}

/** What the recorded runtime could do is known from the log: it did it. */
const CAPABLE: RuntimeCapabilities = { ...ENGINE_CAPABILITIES, repeats: false };

/**
 * Draws units of a run: answers that were sampled, and training jobs.
 * @param count answers; one training job a ten of them, at least one where there are some
 */
export function drawChecks(events: readonly RunEvent[], count: number, seed: number): SpotChecks {
  const calls = events.flatMap((event) =>
    event.type === 'episode'
      ? // What another runtime said cannot be asked of the engine.
        event.turns
          .filter(({ tokens, runtime }) => tokens > 0 && runtime === undefined)
          .map(({ call }) => callName(event, call))
      : [],
  );
  const jobs = [...new Set(events.flatMap((event) => (event.type === 'dataset' ? [event.job] : [])))];
  return { answers: drawn(calls, count, seed, 0), jobs: drawn(jobs, Math.max(1, Math.floor(count / 10)), seed, 1) };
}

/** The stream of draws that belong to no run. */
const STREAM = 50_000;

function drawn(names: string[], count: number, seed: number, round: number): Set<string> {
  const left = [...names];
  const chosen = new Set<string>();
  while (left.length > 0 && chosen.size < count) {
    const [name = ''] = left.splice(drawInt({ seed, stream: STREAM, round }, chosen.size, left.length), 1);
    chosen.add(name);
  }
  return chosen;
}
