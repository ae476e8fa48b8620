/** The verdict on a run that repeats another one, or the experiment of a link. */
import type { RunEvent } from '../../events';
import { receiptOf } from '../../log/receipt';
import { differentExperiment, verdictOn, verdictOnReceipts } from '../../share/verdict';
import { RunNotFoundError } from '../../store/errors';
import type { Repeated, RunRecord, RunStore } from '../../store/types';
import { LabStateError } from '../errors';
import type { RepeatVerdict } from '../types';

/** What a run that repeats a stored one is compared with. @throws LabStateError for a run that is not finished */
export async function repeatedRun(store: RunStore, record: RunRecord): Promise<Repeated> {
  if (record.status !== 'finished')
    throw new LabStateError(`The run ${record.name} is not finished. Finished runs can be run again.`);
  const events = await store.events(record.id);
  const [started] = events;
  const modelHash = started?.type === 'run-started' ? started.model.hash : null;
  const receipt = receiptOf(events, record.digest);
  return { run: record.id, name: record.name, modelHash, receipt };
}

/**
 * How far a finished run repeats what it was started to repeat: by both logs, or by receipts where the other log is not here.
 * @throws LabStateError for a run that repeats nothing or is not finished
 */
export async function repeatVerdict(store: RunStore, record: RunRecord): Promise<RepeatVerdict> {
  const { repeats } = record;
  if (!repeats || record.status !== 'finished')
    throw new LabStateError(`The run ${record.name} is no finished repetition of another one.`);
  const events = await store.events(record.id);
  const first = repeats.run === null ? null : await eventsOf(store, repeats.run);
  if (!first) {
    const run = verdictOnReceipts(repeats.receipt, receiptOf(events, record.digest));
    return { by: 'receipt', name: repeats.name, different: null, run };
  }
  const [one, other] = [first[0], events[0]];
  if (one?.type !== 'run-started' || other?.type !== 'run-started')
    throw new LabStateError(`The run ${record.name} has no events.`);
  const different = differentExperiment(one, other);
  // The program's version is no part of what is repeated.
  const again: RunEvent[] = [{ ...other, build: one.build }, ...events.slice(1)];
  return { by: 'log', name: repeats.name, different, run: different === null ? verdictOn(first, again) : null };
}

async function eventsOf(store: RunStore, id: string): Promise<RunEvent[] | null> {
  return store.events(id).catch((error: unknown) => {
    if (error instanceof RunNotFoundError) return null;
    throw error;
  });
}
