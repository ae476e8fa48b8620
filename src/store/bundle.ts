/** A run as one zip file: what it was set to, its log, its results and its adapters. */
import { strToU8, zipSync, type Zippable } from 'fflate';
import { serialiseAdapter } from '../engine/peft';
import { canonicalJson } from '../log/canonical';
import { discreteDigestOf } from '../log/digest';
import { resultsOf } from '../log/results';
import type { RunEvent } from '../events';
import { adapterFolder, missingAdapters, versionsOf } from './keep';
import { damageOf, readableEvents } from './readBack';
import type { RunStore } from './types';

/**
 * `run.json` (settings and digest), `log.jsonl` (one event a line, canonical, so that the digest can be recomputed from the
 * lines), `results.json`, and `adapters/iteration-<l>/<name>/` as PEFT directories. `run.json` names the adapters of the log that
 * were not kept. Of a damaged log the events before the damage are taken, and `run.json` says what the damage is.
 *
 * Errors: those of the store, `AdapterError` for a stored adapter that PEFT could not hold.
 */
export async function bundleRun(store: RunStore, runId: string): Promise<Uint8Array> {
  const record = await store.run(runId);
  const lines = await store.lines(runId);
  const { events } = readableEvents(lines.slice(0, record.events));
  const damage = damageOf(record, lines);
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
    ...results(events, damage !== null),
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
function results(events: RunEvent[], damaged: boolean): Zippable {
  try {
    return { 'results.json': json(resultsOf(events)) };
  } catch (error) {
    if (!damaged) throw error;
    return {};
  }
}

function json(value: unknown): Uint8Array {
  return strToU8(`${JSON.stringify(value, null, 2)}\n`);
}
