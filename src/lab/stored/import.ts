/** A run from a file: a bundle, or a log alone, becomes a stored run. What is no whole, unchanged run is refused, and nothing is stored of it. */
import { FileError } from '../../engine/errors';
import type { ModelConfig } from '../../engine/types';
import type { RunConfig } from '../../recipes/config';
import { claimChecks } from '../../share/claims';
import { cutSentence } from '../../share/cutLog';
import { openBundle, type Bundle } from '../../share/openBundle';
import { storedRun } from '../../share/storedRun';
import { versionsOf } from '../../store/keep';
import type { RunRecord, RunStore, WholeRun } from '../../store/types';
import { newRunIdentity } from '../run/names';
import { newRecord } from '../run/runner';
import type { ImportedRun } from '../types';
import { runName } from './runs';

/**
 * @param file its name, for messages and for a log without a name
 * @param modelOf configuration of a run's model; rejects where this lab does not have it
 * A log alone whose last line was not written to its end is taken up to there, and a note says so.
 * @throws FileError for what is no run, for one that was changed, and for an unfinished one whose model is not at hand
 */
export async function importRun(
  store: RunStore,
  file: string,
  bytes: Uint8Array,
  modelOf: (config: RunConfig) => Promise<ModelConfig>,
): Promise<ImportedRun> {
  const bundle = openBundle(file, bytes, 'read');
  const said = claimsOf(bundle);
  if (said.digest !== undefined && said.digest !== bundle.digest())
    throw new FileError(file, 'was changed since it was written: run.json names another digest than its log has');
  const wrong = claimChecks(bundle).find(({ ok }) => ok === false);
  if (wrong) throw new FileError(file, `was changed since it was written: ${wrong.check}: ${wrong.detail}`);
  const record = recordOf(bundle, said.name ?? file.replace(/\.(zip|jsonl)$/i, ''));
  const model = await modelOf(bundle.config).catch(() => null);
  if (!model && record.status !== 'finished')
    throw new FileError(
      file,
      `holds a run that is not finished, and its model ${bundle.config.model} is not at hand. Get it under Models first`,
    );
  const whole = storedRun(record, bundle, model);
  const run = await store.rewrite(whole);
  return { run, notes: notesOn(bundle, whole, model !== null) };
}

function claimsOf({ file, files }: Bundle): { name?: string; digest?: unknown } {
  const bytes = Object.hasOwn(files, 'run.json') ? files['run.json'] : undefined;
  if (!bytes) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new FileError(file, 'holds a run.json that is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new FileError(file, 'holds a run.json that is no object');
  const { name, digest } = value as { name?: unknown; digest?: unknown };
  return { ...(typeof name === 'string' && { name }), digest };
}

function recordOf({ config, events, started }: Bundle, name: string): RunRecord {
  const identity = newRunIdentity();
  const finished = events.at(-1)?.type === 'run-finished';
  return {
    ...newRecord(config, { ...identity, name: name.trim() === '' ? identity.name : runName(name) }),
    status: finished ? 'finished' : 'stopped',
    progress: finished ? 1 : 0,
    engine: started.engine,
    imported: true,
  };
}

function notesOn({ file, format, events, cut }: Bundle, { adapters }: WholeRun, known: boolean): string[] {
  const announced = versionsOf(events).length;
  return [
    ...(cut ? [cutSentence(file, cut)] : []),
    ...(format === 1 ? ['Its log was written in format 1 and is kept in format 2, so its digest is another one.'] : []),
    ...(known || announced === 0 ? [] : ['Its model is not at hand, so its adapters were left out.']),
    ...(known && adapters.length < announced
      ? [`The file holds ${adapters.length} of its ${announced} adapters.`]
      : []),
  ];
}
