/** `replay`: a run's log at the terminal, event by event. No model is needed. */
import { FileError } from '../../../src/engine/errors';
import type { RunEvent } from '../../../src/events';
import { number, readOptions, text, UsageError, type Values } from '../args';
import { eventLines } from '../eventText';
import { Output } from '../output';
import { BUNDLE_HELP, BUNDLE_OPTIONS, cutIn, openToLookAt, readBundleBytes } from '../bundles';

/** Events a second where somebody watches. */
const USUAL_SPEED = 10;

export const help = `polylogue replay FILE [options]

  FILE          the bundle of a run, or its log.jsonl
  --speed N     events a second; 0 = without pause; default ${USUAL_SPEED} at a terminal, 0 elsewhere
  --from N      begin with this event, counted from 0
  --iteration N begin with this iteration
  --to N        end before this event
  --json        one JSON object an event: index and event, as format 2 has it; then the number of a last line
                that was not written to its end, where there is one

${BUNDLE_HELP}.`;

export async function main(args: string[]): Promise<void> {
  const [file, ...rest] = args;
  if (file === undefined || file.startsWith('-')) throw new UsageError('replay: give the bundle of a run');
  const values = readOptions(rest, {
    ...BUNDLE_OPTIONS,
    speed: { type: 'string' },
    from: { type: 'string' },
    iteration: { type: 'string' },
    to: { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const usual = process.stdout.isTTY && values['json'] !== true ? USUAL_SPEED : 0;
  const speed = number(values, 'speed', usual, { min: 0, max: 10_000 });
  const bundle = openToLookAt(file, await readBundleBytes(file, values), output);
  const { events, started } = bundle;
  const to = Math.min(number(values, 'to', events.length, { integer: true, min: 0 }), events.length);
  for (let index = firstOf(file, events, values); index < to; index++) {
    const event = events[index] as RunEvent;
    output.object({ type: 'event', index, event });
    for (const line of eventLines(event, started)) output.line(line);
    if (speed > 0 && index + 1 < to) await new Promise((go) => setTimeout(go, 1000 / speed));
  }
  if (bundle.cut) output.object({ type: 'cut', ...cutIn(bundle) });
}

function firstOf(file: string, events: readonly RunEvent[], values: Values): number {
  const iteration = number(values, 'iteration', undefined, { integer: true, min: 0 });
  if (iteration === undefined) return number(values, 'from', 0, { integer: true, min: 0, max: events.length - 1 });
  if (text(values, 'from') !== undefined) throw new UsageError('give either --from or --iteration');
  if (iteration === 0) return 0;
  const at = events.findIndex((event) => event.type === 'iteration-started' && event.iteration === iteration);
  if (at < 0) throw new FileError(file, `has no iteration ${iteration}`);
  return at;
}
