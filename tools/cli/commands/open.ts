/** `open`: what is in a bundle, or in a picture that was exported. */
import { basename } from 'node:path';
import { cardOf, type BundleCard } from '../../../src/share/card';
import { linkInPicture, pictureKind } from '../../../src/share/exports/picture';
import { decodeLink } from '../../../src/share/link';
import { FileError } from '../../../src/engine/errors';
import { readOptions, UsageError } from '../args';
import { described, linesOf } from '../linkLines';
import { Output } from '../output';
import { shown } from '../terminal';
import { BUNDLE_HELP, BUNDLE_OPTIONS, cutIn, openToLookAt, readBundleBytes } from '../bundles';

export const help = `polylogue open FILE [--json]

  FILE     the zip that a run's download or run --out wrote, or its log.jsonl. Prints the run's name, recipe, settings, model,
           engine, what it claims, what the file holds, and the link that repeats it
           or a picture (PNG, SVG) that the page exported: prints what its link says
  --json   one JSON object

  Nothing is loaded, started or checked; verify checks.
${BUNDLE_HELP}.`;

export async function main(args: string[]): Promise<void> {
  const [file, ...rest] = args;
  if (file === undefined || file.startsWith('-')) throw new UsageError('open: give the file of a run');
  const values = readOptions(rest, { ...BUNDLE_OPTIONS, json: { type: 'boolean' } });
  const output = new Output(Boolean(values['json']));
  const bytes = await readBundleBytes(file, values);
  if (pictureKind(bytes) !== null) return openPicture(file, bytes, output);
  const bundle = openToLookAt(file, bytes, output);
  const card = cardOf(bundle);
  output.object({ type: 'bundle', file: basename(file), ...card, ...cutIn(bundle) });
  for (const line of lines(card)) output.line(line);
}

function openPicture(file: string, bytes: Uint8Array, output: Output): void {
  const link = linkInPicture(bytes);
  if (link === null)
    throw new FileError(file, 'is a picture without a link in it; give one that the page exported, or a bundle');
  const opened = decodeLink(link);
  output.object({ ...described(opened), link });
  for (const line of linesOf(opened)) output.line(shown(line));
  output.line(`link ${link}`);
}

function lines(card: BundleCard): string[] {
  const { name, recipe, preset, task, seed, changes, model, engine, finished, adapters, datasets } = card;
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
  return [
    ...(name === null ? [] : [`"${name}"`]),
    `${recipe.id} (revision ${recipe.revision}), preset ${preset.id} (revision ${preset.revision}), seed ${seed}`,
    ...Object.entries(changes).map(([key, value]) => `  ${key} = ${String(value)}`),
    `task ${task.id} (revision ${task.revision}); model ${model.name}, sha-256 ${model.hash}`,
    `ran on ${engine}, written by version ${card.build} in log format ${card.logFormat}`,
    `${finished ? 'finished' : 'not finished'}: ${card.iterations} iterations, ${card.episodes} episodes, ${card.events} events`,
    'claimed, not checked; right answers by iteration:',
    ...card.scores.map(
      ({ label, n, right }) => `  ${label}: ${right.map((one) => one ?? '–').join(', ')} of ${n} right`,
    ),
    `log digest ${card.digest}`,
    `${adapters.held} of ${adapters.announced} adapters, ${datasets.sets} data sets with ${datasets.examples} examples`,
    `files: ${card.files.length}, ${megabytes(card.files.reduce((sum, { bytes }) => sum + bytes, 0))} unpacked`,
    ...card.files.filter(({ path }) => !path.includes('/')).map(({ path, bytes }) => `  ${path} ${megabytes(bytes)}`),
    card.link === null ? 'no link holds its settings' : `link ${card.link}`,
  ].map(shown);
}
