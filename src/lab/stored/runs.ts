/** The stored runs as the page lists them. */
import { recipeNamed, recipes } from '../../recipes';
import type { RunStore } from '../../store/types';
import type { DamageCheck } from './damage';
import { LabStateError } from '../errors';
import { runScore } from './score';
import type { StoredRuns } from '../types';

/**
 * All stored runs with their scores, and which of them were left behind.
 * @param own id of the run that this tab is at work on
 * @param busyElsewhere whether another tab is at work
 */
export async function storedRuns(
  store: RunStore,
  damage: DamageCheck,
  own: () => string | undefined,
  busyElsewhere: () => Promise<boolean>,
): Promise<StoredRuns> {
  const runs = await store.runs();
  const unfinished = runs.filter((run) => run.status === 'running' || run.status === 'paused');
  const mine = own();
  const busy = unfinished.length > 0 && mine === undefined && (await busyElsewhere());
  const elsewhere = busy ? unfinished.reduce((a, b) => (b.updated > a.updated ? b : a)).id : null;
  const abandoned = busy ? [] : unfinished.filter((run) => run.id !== mine);
  const atRest = runs.filter(({ id, status }) => status !== 'finished' && id !== mine && id !== elsewhere);
  const damaged = await damage.of(store, atRest);
  const scores: StoredRuns['scores'] = {};
  const known = new Set(recipes().map(({ id }) => id));
  for (const { id, config } of runs) {
    // A recipe that this version does not have: the log can be read all the same.
    if (!known.has(config.recipe)) continue;
    const score = runScore(recipeNamed(config.recipe).cast(config), await store.evaluations(id));
    if (score) scores[id] = score;
  }
  const interrupted = abandoned.map(({ id }) => id).filter((id) => damaged[id] === undefined);
  return { runs, interrupted, damaged, elsewhere, scores };
}

/** A run's name as it is kept. @throws LabStateError when nothing is left of it */
export function runName(name: string): string {
  const wanted = name.trim().slice(0, 80);
  if (wanted === '') throw new LabStateError('A run needs a name.');
  return wanted;
}
