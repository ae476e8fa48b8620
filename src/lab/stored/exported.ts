/** A stored run for other programs, as one file: what the command line writes into folders, in a zip. */
import { strToU8, zipSync } from 'fflate';
import { linkOfRun } from '../../share/runLink';
import { fileName } from '../../share/exports/names';
import { replayPage } from '../../share/exports/page';
import { filesOf, heldFolders } from '../../share/exports/peft';
import { BODIES } from '../../share/exports/python/bodies';
import { scriptFiles } from '../../share/exports/python/script';
import { startOf } from '../../share/exports/sets';
import { LOG_FORMAT, type RunEvent } from '../../events';
import { LogReader } from '../../log/read';
import { ExportError } from '../../share/errors';
import { DamagedLogError } from '../../store/errors';
import { versionsOf, type AdapterName } from '../../store/keep';
import { readableEvents } from '../../store/readBack';
import type { RunRecord, RunStore, StoredAdapter } from '../../store/types';
import type { ExportedFile, ExportRequest } from '../types';

/**
 * @throws ExportError for a run that has nothing of the kind, or too much for a page; errors of the store, and TaskError for texts that
 * cannot be rebuilt
 */
export async function exportedRun(store: RunStore, runId: string, request: ExportRequest): Promise<ExportedFile> {
  const record = await store.run(runId);
  const reader = new LogReader();
  const { events, damage } = readableEvents(await store.lines(runId), reader);
  const { name } = record;
  if (damage !== null) throw new DamagedLogError(name, events.length, damage);
  if (request.kind === 'page') {
    const page = replayPage(request.template, { name, link: linkFor(record, events, request.site), events });
    return { name: fileName(name, 'html'), type: 'text/html', bytes: strToU8(page) };
  }
  if (request.kind === 'script') return zipped(`${name} script`, texts(scriptFiles(events, BODIES, name)));
  const about = {
    file: name,
    config: record.config,
    events,
    format: reader.format ?? LOG_FORMAT,
    started: startOf(events),
  };
  return zipped(`${name} adapters`, filesOf(heldFolders(about, await heldIn(store, record, events))));
}

/** The adapters that are kept, under the names that the log has for them. */
async function heldIn(store: RunStore, { id, name }: RunRecord, events: readonly RunEvent[]): Promise<StoredAdapter[]> {
  const held: StoredAdapter[] = [];
  const announced = versionsOf(events);
  for (const stored of await store.adapters(id)) {
    // Older versions of the lab knew one job an iteration and did not name it.
    const version = stored.job === '' ? announced.find((one) => sameAdapter(one, stored)) : stored;
    if (version) held.push({ ...version, weights: await store.adapter(id, stored) });
  }
  if (held.length === 0 && announced.length > 0)
    throw new ExportError(
      `None of the adapters of ${name} were kept in this browser. Run it again with its adapters kept, or open a zip that holds them`,
    );
  return held;
}

const sameAdapter = (one: AdapterName, other: AdapterName): boolean =>
  one.iteration === other.iteration && one.name === other.name;

function linkFor({ digest, status }: RunRecord, events: readonly RunEvent[], site: string): string | null {
  const link = linkOfRun(events, status === 'finished' ? { digest } : {});
  return link && `${site}${link}`;
}

function texts(files: Readonly<Record<string, string>>): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [path, strToU8(text)]));
}

function zipped(title: string, files: Record<string, Uint8Array>): ExportedFile {
  const bytes = zipSync(files, { level: 6, mtime: '1980-01-01T00:00:00' });
  return { name: fileName(title, 'zip'), type: 'application/zip', bytes };
}
