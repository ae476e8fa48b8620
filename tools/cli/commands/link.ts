/** `link`: an experiment as an address, and an address as an experiment. */
import { isHttpAddress } from '../../../src/share/site';
import { decodeLink, encodeLink, linkOf } from '../../../src/share/link';
import { receiptOf } from '../../../src/log/receipt';
import { readOptions, text, UsageError, type Values } from '../args';
import { openToLookAt } from '../bundles';
import { described, linesOf } from '../linkLines';
import { Output } from '../output';
import { readBytes } from '../session';
import { givenSettings, SETTING_OPTIONS } from '../settings';

export const help = `polylogue link encode [options]
polylogue link decode ADDRESS [--json]

  encode prints one line: the address of an experiment.
  --recipe, --preset, --set, --seed, --data, --dtype, --cache, --ignore-config   as for run
  --log FILE       of a run instead: the zip that run --out wrote, or its log.jsonl. The link then says what came out
  --no-receipt     with --log: the experiment without what came out
  --site ADDRESS   of the lab; default: the fragment alone

  decode takes an address, or its fragment, and prints what it says. Nothing is loaded or started, and what a link says came
  out is claimed, not checked.
  --json           one JSON object: recipe, preset, task, changes, seed, config, model_hash, engine, receipt, missing`;

export async function main(args: string[]): Promise<void> {
  const [action, ...rest] = args;
  if (action === 'encode') return encode(rest);
  if (action === 'decode') return decode(rest);
  throw new UsageError(`link: "${action ?? ''}" is neither encode nor decode`);
}

async function encode(args: string[]): Promise<void> {
  const values = readOptions(args, {
    ...SETTING_OPTIONS,
    log: { type: 'string' },
    'no-receipt': { type: 'boolean' },
    site: { type: 'string' },
  });
  const site = text(values, 'site') ?? '';
  if (site !== '' && !isHttpAddress(site))
    throw new UsageError(`--site: "${site}" is not an address such as https://example.org/lab/`);
  const link = await linkFrom(values);
  process.stdout.write(`${site}${encodeLink(link)}\n`);
}

async function linkFrom(values: Values): Promise<ReturnType<typeof linkOf>> {
  const file = text(values, 'log');
  if (file === undefined) {
    if (values['no-receipt']) throw new UsageError('--no-receipt goes with --log');
    return linkOf((await givenSettings(values)).config);
  }
  const beside = Object.keys(SETTING_OPTIONS).find((option) => values[option] !== undefined);
  if (beside !== undefined) throw new UsageError(`--log has the settings of its run; leave out --${beside}`);
  const { config, events, started } = openToLookAt(file, await readBytes(file), new Output(false));
  return linkOf(config, {
    started,
    ...(!values['no-receipt'] && events.at(-1)?.type === 'run-finished' && { receipt: receiptOf(events) }),
  });
}

async function decode(args: string[]): Promise<void> {
  const [address, ...rest] = args;
  if (address === undefined || address.startsWith('-')) throw new UsageError('link decode: give the address');
  const output = new Output(Boolean(readOptions(rest, { json: { type: 'boolean' } })['json']));
  const opened = decodeLink(address);
  output.object(described(opened));
  for (const line of linesOf(opened)) output.line(line);
}
