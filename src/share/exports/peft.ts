/** The adapters of a bundle as PEFT directories, each checked against the hash that the log names. */
import { serialiseAdapter, type AdapterFiles } from '../../engine/peft';
import { secondModelOf } from '../../recipes/secondModel';
import { versionKey, versionsOf, type AdapterName } from '../../store/keep';
import { ExportError } from '../errors';
import type { StoredAdapter } from '../../store/types';
import { adaptersIn, type Bundle } from '../openBundle';
import { changedAdapters } from '../storedRun';
import { pathParts } from './names';

/** An adapter that goes out. */
export interface AdapterFolder extends AdapterName {
  /** Path of its directory, with slashes. */
  folder: string;
  /** Numbers are as in the bundle. */
  files: AdapterFiles;
  rank: number;
  /** It is a reward model. */
  head: boolean;
}

/**
 * All adapters that a bundle holds, in the order of the log.
 * @param base what `adapter_config.json` names as the base model: a repository or a folder
 * @throws ExportError where there is none, or one is not that of the run; AdapterError, SafetensorsError for a damaged one
 */
export function adapterFolders(bundle: Bundle, base?: string): AdapterFolder[] {
  return heldFolders(bundle, adaptersIn(bundle, null), base);
}

/**
 * The same of adapters that are at hand.
 * @param file name of the run, for messages
 */
export function heldFolders(
  { file, config, events, format, started }: Pick<Bundle, 'file' | 'config' | 'events' | 'format' | 'started'>,
  held: readonly StoredAdapter[],
  base: string = started.model.name,
): AdapterFolder[] {
  if (held.length === 0)
    throw new ExportError(
      versionsOf(events).length === 0
        ? `${file}: its run trained no adapter`
        : `${file}: holds no adapters; give the zip that run --out or the page's Download wrote, with its adapters kept`,
    );
  // Hashes of format 1 leave the configuration out.
  const [changed] = format === 1 ? [] : changedAdapters(events, held);
  if (changed)
    throw new ExportError(
      `${file}: the adapter ${changed.name} of iteration ${changed.iteration} was changed since the run: its hash is not the log's`,
    );
  const folders = adapterPaths(versionsOf(events));
  const ofSecond = new Set(secondModelOf(config)?.adapters);
  const baseOf = (name: string): string => (ofSecond.has(name) ? (started.secondModel?.name ?? base) : base);
  return held.map(({ weights, ...version }) => ({
    ...version,
    folder: folders.get(versionKey(version)) as string,
    files: serialiseAdapter(weights, null, baseOf(version.name)),
    rank: weights.config.rank,
    head: weights.config.head === true,
  }));
}

/** The files of such folders by their path. */
export function filesOf(folders: readonly AdapterFolder[]): Record<string, Uint8Array> {
  return Object.fromEntries(
    folders.flatMap(({ folder, files }) =>
      Object.entries(files).map(([name, bytes]) => [`${folder}/${name}`, bytes] as const),
    ),
  );
}

/** A path for each version of an adapter, by `versionKey`: the iteration, the name, and the job where several trained it. */
export function adapterPaths(versions: readonly AdapterName[]): Map<string, string> {
  const paths = new Map<string, string>();
  for (const iteration of new Set(versions.map((version) => version.iteration))) {
    const here = versions.filter((version) => version.iteration === iteration);
    const nameOf = ({ name, job }: AdapterName) =>
      here.filter((other) => other.name === name).length > 1 ? `${name} ${job}` : name;
    const parts = pathParts(here.map(nameOf));
    for (const version of here)
      paths.set(versionKey(version), `iteration-${iteration}/${parts.get(nameOf(version)) as string}`);
  }
  return paths;
}
