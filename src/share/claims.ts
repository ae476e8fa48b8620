/** What a bundle claims of its run, against its own log: digest, receipt, results and adapters. Needs no model to run. */
import { canonicalJson } from '../log/canonical';
import { nestsTooDeep } from '../log/depth';
import { receiptDifferences, receiptOf, runsAgain, type Receipt } from '../log/receipt';
import { resultsOf } from '../log/results';
import type { RunEvent } from '../events';
import { versionsOf } from '../store/keep';
import type { StoredAdapter } from '../store/types';
import type { Bundle } from './openBundle';
import { changedAdapters } from './storedRun';

/** One thing that was looked at. */
export interface RunCheck {
  check: string;
  /** Null: it could not be looked at. */
  ok: boolean | null;
  /** Why not, or what differs; may be empty. */
  detail: string;
}

/** The claims of run.json, receipt.json and results.json. */
export function claimChecks(bundle: Pick<Bundle, 'files' | 'events' | 'digest'>): RunCheck[] {
  const { files, events } = bundle;
  const digest = bundle.digest();
  return [
    ...digestCheck(jsonIn(files, 'run.json'), digest),
    receiptCheck(jsonIn(files, 'receipt.json'), events, digest),
    ...resultsCheck(jsonIn(files, 'results.json'), events),
    ...repeatCheck(events),
  ];
}

/** What the log says of its runtimes: is there anything to run again, or only to replay? Nothing where the engine played alone. */
export function repeatCheck([started]: readonly RunEvent[]): RunCheck[] {
  if (started?.type !== 'run-started' || !started.runtimes) return [];
  const other = started.runtimes.find(({ gives }) => !gives.includes('repeats'));
  const detail = runsAgain(started)
    ? 'the run can be run again'
    : `the run can be replayed, and not run again: ${other?.name ?? ''} does not repeat itself`;
  return [{ check: 'its runtimes', ok: true, detail }];
}

function digestCheck(record: unknown, digest: string): RunCheck[] {
  if (record === undefined) return [];
  const claimed = (record as { digest?: unknown } | null)?.digest;
  const ok = claimed === digest;
  const detail = ok ? '' : `run.json says ${String(claimed)}, the log has ${digest}`;
  return [{ check: 'the digest of the log', ok, detail }];
}

function receiptCheck(claimed: unknown, events: readonly RunEvent[], digest: string): RunCheck {
  const check = 'the receipt';
  if (claimed === undefined) return { check, ok: null, detail: 'the file holds none' };
  let differences: string[];
  try {
    differences = receiptDifferences(claimed as Receipt, receiptOf(events, digest));
  } catch {
    return { check, ok: false, detail: 'receipt.json is no receipt' };
  }
  const ok = differences.length === 0;
  return { check, ok, detail: ok ? '' : `it claims something else than the log: ${differences.join(', ')}` };
}

function resultsCheck(claimed: unknown, events: readonly RunEvent[]): RunCheck[] {
  if (claimed === undefined) return [];
  const ok = canonicalJson(claimed) === canonicalJson(JSON.parse(JSON.stringify(resultsOf(events))));
  return [{ check: 'the results', ok, detail: ok ? '' : 'results.json says something else than the log' }];
}

/** Each adapter that is at hand, against the hash that the log names. */
export function adapterCheck(events: readonly RunEvent[], held: readonly StoredAdapter[]): RunCheck {
  const wrong = changedAdapters(events, held);
  const ok = wrong.length === 0;
  const names = wrong.map(({ name, iteration }) => `${name} of iteration ${iteration}`).join(', ');
  const detail = ok ? `${held.length} of ${versionsOf(events).length} are at hand` : `changed since the run: ${names}`;
  return { check: 'the adapters', ok, detail };
}

/** Undefined where there is no such file; an empty object where it is no JSON or nested without end, which then claims nothing that holds. */
function jsonIn(files: Bundle['files'], name: string): unknown {
  const bytes = Object.hasOwn(files, name) ? files[name] : undefined;
  if (!bytes) return undefined;
  try {
    const text = new TextDecoder().decode(bytes);
    return nestsTooDeep(text) ? {} : JSON.parse(text);
  } catch {
    return {};
  }
}
