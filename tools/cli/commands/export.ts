/** `export`: a run's bundle for other programs. */
import { basename } from 'node:path';
import { bundleName } from '../../../src/share/card';
import { replayPage } from '../../../src/share/exports/page';
import { adapterFolders, filesOf } from '../../../src/share/exports/peft';
import { BODIES } from '../../../src/share/exports/python/bodies';
import { scriptFiles } from '../../../src/share/exports/python/script';
import { resultFiles } from '../../../src/share/exports/results';
import { SFT_SHAPES, trlFiles } from '../../../src/share/exports/trl';
import type { Bundle } from '../../../src/share/openBundle';
import { linkOfRun } from '../../../src/share/runLink';
import { isHttpAddress } from '../../../src/share/site';
import { choice, readOptions, text, UsageError, type Values } from '../args';
import { requireEmpty, writeFolder, writeText } from '../files';
import { Output } from '../output';
import { BUNDLE_HELP, BUNDLE_OPTIONS, cutIn, openToLookAt, readBundleBytes } from '../bundles';
import { requireFolderPlace, requireWritable } from '../session';

export const help = `polylogue export FILE.zip [options]

  FILE.zip          the bundle of a run: what run --out or the page's Download wrote; its log.jsonl where no adapters are needed
  --peft DIR        adapters of every iteration as PEFT directories, each checked against the hash in the log
  --trl DIR         data sets as JSON lines for TRL: a file for each adapter and iteration, one of all for each objective
  --sft-shape NAME  with --trl: ${SFT_SHAPES.join(' or ')}; default ${SFT_SHAPES[0]} (TRL learns the completion alone)
  --results DIR     accuracy, paired differences, training and data sets as CSV; all of it as JSON; tables in Markdown
  --script DIR      Python that repeats the finetuning with transformers, PEFT and TRL, and serves the agents with vLLM
  --html FILE       one page that replays the run from disk, with its results and debates; no server, no network
  --base NAME       with --peft: what adapter_config.json names as the base model; default the name in the log
  --site ADDRESS    of the lab, before the links that are written; default: the fragment alone
  --json            one JSON object: the files that were written

  Folders have to be new or empty.
${BUNDLE_HELP}.`;

/** What is written where. */
interface Written {
  dir: string;
  files: Record<string, string | Uint8Array>;
}

const KINDS = ['peft', 'trl', 'results', 'script'] as const;

export async function main(args: string[]): Promise<void> {
  const [file, ...rest] = args;
  if (file === undefined || file.startsWith('-')) throw new UsageError('export: give the bundle, FILE.zip');
  const values = readOptions(rest, {
    ...BUNDLE_OPTIONS,
    ...Object.fromEntries(KINDS.map((kind) => [kind, { type: 'string' as const }])),
    'sft-shape': { type: 'string' },
    html: { type: 'string' },
    base: { type: 'string' },
    site: { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const wanted = KINDS.filter((kind) => values[kind] !== undefined);
  const html = text(values, 'html');
  if (wanted.length === 0 && html === undefined)
    throw new UsageError(`export: say what for: ${[...KINDS, 'html'].map((kind) => `--${kind}`).join(', ')}`);
  // Before the work: what cannot be written is not made.
  for (const kind of wanted) {
    const dir = text(values, kind) as string;
    await requireFolderPlace(dir);
    requireEmpty(dir);
  }
  if (html !== undefined) await requireWritable(html);
  const bundle = openToLookAt(file, await readBundleBytes(file, values), output);
  // All that goes out is made before the first of it is written.
  const made = wanted.map((kind): Written => ({
    dir: text(values, kind) as string,
    files: MAKERS[kind](bundle, values),
  }));
  const page = html === undefined ? null : await pageOf(bundle, values, output);
  for (const { dir, files } of made) {
    await writeFolder(dir, files);
    output.line(`${dir}: ${Object.keys(files).length} files`);
  }
  if (html !== undefined && page !== null) {
    await writeText(html, page);
    output.line(`${html}: ${(page.length / 1e6).toFixed(2)} MB`);
  }
  output.object({
    type: 'exported',
    written: made.map(({ dir, files }) => ({ dir, files: Object.keys(files) })),
    ...(html !== undefined && { html }),
    ...cutIn(bundle),
  });
}

const MAKERS: Readonly<Record<(typeof KINDS)[number], (bundle: Bundle, values: Values) => Written['files']>> = {
  peft: (bundle, values) => filesOf(adapterFolders(bundle, text(values, 'base'))),
  trl: ({ events }, values) => trlFiles(events, choice(values, 'sft-shape', SFT_SHAPES, SFT_SHAPES[0])),
  results: (bundle, values) => {
    const digest = bundle.digest();
    return resultFiles(bundle.events, { name: nameOf(bundle), link: linkFor(bundle, values, digest), digest });
  },
  script: (bundle) => scriptFiles(bundle.events, BODIES, nameOf(bundle)),
};

/** The page that replays the run. Its script is built from the source, as the site is. */
async function pageOf(bundle: Bundle, values: Values, output: Output): Promise<string> {
  const link = linkFor(bundle, values, bundle.digest());
  output.progress('building the page');
  const { replayTemplate } = await import('../../build/replayPage');
  try {
    return replayPage(await replayTemplate(), { name: nameOf(bundle), link, events: bundle.events });
  } finally {
    output.clearProgress();
  }
}

function linkFor({ events }: Bundle, values: Values, digest: string): string | null {
  const site = text(values, 'site') ?? '';
  if (site !== '' && !isHttpAddress(site))
    throw new UsageError(`--site: "${site}" is not an address such as https://example.org/lab/`);
  const link = linkOfRun(events, { digest });
  return link && `${site}${link}`;
}

function nameOf(bundle: Bundle): string {
  return bundleName(bundle) ?? basename(bundle.file).replace(/\.(zip|jsonl)$/i, '');
}
