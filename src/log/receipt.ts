/**
 * What a run claims about its outcome, small enough for a link: right answers by method and iteration, and the digests by which another
 * run is compared. A receipt proves nothing: it is claimed and not checked until its log, or another run, is at hand.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { RunEvent, RunStarted } from '../events';
import { digestOf, discreteOf, LogDigest } from './digest';
import { resultsOf } from './results';

/** Right answers of a method; null where an iteration was not measured. */
export interface ClaimedScore {
  method: string;
  /** Problems. */
  n: number;
  /** By iteration, from 0. */
  right: (number | null)[];
}

export interface Receipt {
  /** Of the whole log as it was written, hex. */
  digest: string;
  /** Of tokens, votes and data, hex. */
  discreteDigest: string;
  /** Events of the log. */
  events: number;
  /** First eight bytes of the discrete digest at the end of each iteration, from 0 (before any finetuning), hex. */
  iterations: string[];
  scores: ClaimedScore[];
}

/** Bytes of an iteration's digest that a receipt keeps. */
export const ITERATION_BYTES = 8;

/** The receipt of a log, whole or still growing. @param digest full digest of the log as it was written */
export function receiptOf(events: readonly RunEvent[], digest = digestOf(events)): Receipt {
  const { iterations } = resultsOf(events);
  const last = iterations.at(-1);
  const methods = Object.keys(last?.methods ?? {});
  return {
    digest,
    ...discreteDigests(events),
    events: events.length,
    scores: methods.map((method) => ({
      method,
      n: iterations.find(({ methods }) => methods[method])?.methods[method]?.n ?? 0,
      right: iterations.map(({ methods }) => methods[method]?.right ?? null),
    })),
  };
}

function discreteDigests(events: readonly RunEvent[]): Pick<Receipt, 'discreteDigest' | 'iterations'> {
  const digest = new LogDigest();
  const iterations: string[] = [];
  const close = (): void => void iterations.push(bytesToHex(hexToBytes(digest.hex).subarray(0, ITERATION_BYTES)));
  for (const event of events) {
    if (event.type === 'iteration-started') close();
    const discrete = discreteOf(event);
    if (discrete) digest.add(discrete);
  }
  close();
  return { discreteDigest: digest.hex, iterations };
}

/** How two receipts of the same experiment differ, in words; none = they claim the same. */
export function receiptDifferences(claimed: Receipt, found: Receipt): string[] {
  const differences: string[] = [];
  if (claimed.digest !== found.digest) differences.push('the digest of the log');
  if (claimed.discreteDigest !== found.discreteDigest) differences.push('the digest of tokens, votes and data');
  if (claimed.events !== found.events) differences.push(`the number of events (${claimed.events}, ${found.events})`);
  const at = claimed.iterations.findIndex((digest, index) => digest !== found.iterations[index]);
  if (at >= 0 || claimed.iterations.length !== found.iterations.length)
    differences.push(`the digest of iteration ${at >= 0 ? at : found.iterations.length}`);
  for (const { method, n, right } of claimed.scores) {
    const other = found.scores.find((score) => score.method === method);
    if (!other || other.n !== n || JSON.stringify(other.right) !== JSON.stringify(right))
      differences.push(`the right answers of ${method}`);
  }
  for (const { method } of found.scores)
    if (!claimed.scores.some((score) => score.method === method)) differences.push(`the right answers of ${method}`);
  return differences;
}

/** Can everybody who has its runtimes run it again, answer by answer? Else it can be replayed from its answers. */
export function runsAgain({ runtimes = [] }: Pick<RunStarted, 'runtimes'>): boolean {
  return runtimes.every(({ gives }) => gives.includes('repeats'));
}
