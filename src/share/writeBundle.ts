/** A run as one zip file: what it was set to, its log, its results, its data sets, its adapters, and whose rights are in it. */
import { strToU8, zipSync, type Zippable } from 'fflate';
import { serialiseAdapter } from '../engine/peft';
import { canonicalJson } from '../log/canonical';
import { discreteDigestOf } from '../log/digest';
import { receiptOf } from '../log/receipt';
import { resultsOf } from '../log/results';
import type { RunEvent } from '../events';
import { adapterFolder, missingAdapters, versionsOf } from '../store/keep';
import { readWhole } from '../store/readBack';
import type { RunStore } from '../store/types';
import { TaskError } from '../tasks/errors';
import { ExportError } from './errors';
import { trlFiles } from './exports/trl';
import { licencesOf } from './licences';

/**
 * `run.json` (settings and digest), `log.jsonl` (one event a line, canonical, so that the digest can be recomputed from the
 * lines), `results.json`, `receipt.json` (what a link claims of it), `datasets/` (what was learnt, as TRL reads it), `LICENCES.md`, and
 * `adapters/iteration-<l>/<name>/` as PEFT directories. `run.json` names the adapters of the log that were not kept. Of a damaged log the events before the damage are taken, and `run.json` says what the damage is.
 *
 * Errors: those of the store, `AdapterError` for a stored adapter that PEFT could not hold.
 */
export async function bundleRun(store: RunStore, runId: string): Promise<Uint8Array> {
  const record = await store.run(runId);
  const lines = await store.lines(runId);
  const { events: found, damage } = readWhole(record, lines);
  const events = found.slice(0, record.events);
  const held = await store.adapters(runId);
  const files: Zippable = {
    'run.json': json({
      format: 'polylogue-run',
      version: 2,
      discreteDigest: discreteDigestOf(events),
      name: record.name,
      status: record.status,
      ...(record.error && { error: record.error }),
      events: record.events,
      digest: record.digest,
      engine: record.engine,
      config: record.config,
      adaptersNotKept: missingAdapters(events, held),
      ...(damage !== null && { damage, readableEvents: events.length }),
    }),
    'log.jsonl': strToU8(lines.slice(0, events.length).map(canonicalLine).join('')),
    ...results(events, record.digest, damage !== null),
    ...datasets(events),
    ...(events[0]?.type === 'run-started' && { 'LICENCES.md': strToU8(licencesOf(events[0])) }),
  };
  const versions = versionsOf(events);
  for (const adapter of held) {
    const parts = serialiseAdapter(await store.adapter(runId, adapter));
    // Weights do not compress; storing them is faster and no larger.
    for (const [file, bytes] of Object.entries(parts))
      files[`${adapterFolder(adapter, versions)}/${file}`] = [bytes, { level: 0 }];
  }
  return zipSync(files, { level: 6, mtime: '1980-01-01T00:00:00' });
}

/** A line as the digest reads it: the original event, in whichever format it was written. */
function canonicalLine(line: string): string {
  return `${canonicalJson(JSON.parse(line))}\n`;
}

/** A log that is damaged before its first numbers has no results. */
function results(events: RunEvent[], digest: string, damaged: boolean): Zippable {
  try {
    return { 'results.json': json(resultsOf(events)), 'receipt.json': json(receiptOf(events, digest)) };
  } catch (error) {
    if (!damaged) throw error;
    return {};
  }
}

/** A log of a task, or of turns, that this build has no words for goes without: the log itself says what was learnt. */
function datasets(events: RunEvent[]): Zippable {
  try {
    return Object.fromEntries(
      Object.entries(trlFiles(events)).map(([path, text]) => [`datasets/${path}`, strToU8(text)]),
    );
  } catch (error) {
    if (error instanceof ExportError || error instanceof TaskError) return {};
    throw error;
  }
}

/** Keys in one order, so that a run that came in by its bundle goes out with the same bytes. */
function json(value: unknown): Uint8Array {
  const plain: unknown = JSON.parse(JSON.stringify(value));
  return strToU8(`${JSON.stringify(JSON.parse(canonicalJson(plain)), null, 2)}\n`);
}
