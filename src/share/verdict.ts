/**
 * How far another run of an experiment repeats it: a ladder from the same bytes to not reproduced. Pure functions of two logs.
 */
import { callName, type Episode, type MethodScore, type RunEvent, type RunStarted } from '../events';
import { canonicalJson } from '../log/canonical';
import { digestOf, discreteDigestOf, discreteOf } from '../log/digest';
import { MARGIN_SCALE, unpackNumbers } from '../pack';
import type { Receipt } from '../log/receipt';
import { differenceInterval, pairedComparison } from '../society/statistics';

/** From best to worst. */
export const VERDICTS = ['same-bytes', 'same-tokens', 'consistent', 'not-reproduced'] as const;
export type VerdictName = (typeof VERDICTS)[number];

/** What each means, in words. */
export const VERDICT_WORDS: Readonly<Record<VerdictName, string>> = {
  'same-bytes': 'the same run, byte for byte',
  'same-tokens': 'the same tokens, votes and training data; numbers differ in their last bits',
  consistent: 'other draws, and every method within the margin',
  'not-reproduced': 'not reproduced',
};

/** Where two logs part. */
export interface FirstDifference {
  /** Index of the event; absent where only receipts are at hand. */
  event?: number;
  iteration: number;
  /** What differs: an answer, a vote, a data set, the problems. */
  what: string;
  problem?: number;
  agent?: string;
  /** Index of the first other token of the answer. */
  token?: number;
  /** Between the two largest logits there, in the first log: small = a coin's toss; absent where it was not logged. */
  margin?: number;
}

/** A method in both runs. */
export interface MethodDifference {
  method: string;
  iteration: number;
  /** Accuracy of the first run minus that of the second, with its 95 % interval, in shares. */
  difference: number;
  interval: [number, number];
  /** Problem by problem. Receipts have counts only, and their intervals are wider. */
  paired: boolean;
  withinMargin: boolean;
}

export interface RunVerdict {
  verdict: VerdictName;
  /** Null where tokens, votes and data are the same. */
  sameUntil: FirstDifference | null;
  /** Of the last iteration in which both were measured; empty where nothing differs. */
  methods: MethodDifference[];
  /** Largest difference in accuracy that still counts as consistent, in shares. */
  margin: number;
}

/** Points of accuracy that two runs may differ by, as a share, where nobody says otherwise. */
export const USUAL_MARGIN = 0.1;

/** Two logs of one experiment? The model's weights are part of it, the engine is not. Null, or what differs, in words. */
export function differentExperiment(first: RunStarted, second: RunStarted): string | null {
  if (canonicalJson(first.config) !== canonicalJson(second.config)) return 'the settings differ';
  if (first.model.hash !== second.model.hash)
    return `the model differs: its weights have the sha-256 ${second.model.hash}, and the run was made with ${first.model.hash}`;
  if (first.secondModel?.hash !== second.secondModel?.hash)
    return `the second model differs: its weights have the sha-256 ${second.secondModel?.hash}, and the run was made with ${first.secondModel?.hash}`;
  for (const part of ['recipe', 'task'] as const)
    if (first[part].revision !== second[part].revision)
      return `the ${part} differs: revision ${second[part].revision}, and the run was made with ${first[part].revision}`;
  return null;
}

/**
 * Compares two logs of one experiment (`differentExperiment`).
 * Consistent = the 95 % interval of the paired difference lies within ±margin for every method. A large p-value is not enough: with
 * few problems it says nothing.
 * @param margin share, for example 0.1
 */
export function verdictOn(first: readonly RunEvent[], second: readonly RunEvent[], margin = USUAL_MARGIN): RunVerdict {
  if (digestOf(first) === digestOf(second)) return { verdict: 'same-bytes', sameUntil: null, methods: [], margin };
  if (discreteDigestOf(first) === discreteDigestOf(second))
    return { verdict: 'same-tokens', sameUntil: null, methods: [], margin };
  const methods = methodDifferences(first, second, margin);
  const consistent = methods.length > 0 && methods.every(({ withinMargin }) => withinMargin);
  const verdict = consistent ? 'consistent' : 'not-reproduced';
  return { verdict, sameUntil: firstDifference(first, second), methods, margin };
}

/**
 * Compares a run's receipt with the receipt that a link claims, where the claimed log is not at hand. The first difference is then known
 * to the iteration, and the interval is that of two separate samples. Without a method that both measured on as many problems, nothing is
 * consistent.
 */
export function verdictOnReceipts(claimed: Receipt, found: Receipt, margin = USUAL_MARGIN): RunVerdict {
  if (claimed.digest === found.digest) return { verdict: 'same-bytes', sameUntil: null, methods: [], margin };
  if (claimed.discreteDigest === found.discreteDigest)
    return { verdict: 'same-tokens', sameUntil: null, methods: [], margin };
  const methods = countDifferences(claimed, found, margin);
  const consistent = methods.length > 0 && methods.every(({ withinMargin }) => withinMargin);
  const at = claimed.iterations.findIndex((digest, index) => digest !== found.iterations[index]);
  const iteration = at < 0 ? claimed.iterations.length : at;
  return {
    verdict: consistent ? 'consistent' : 'not-reproduced',
    sameUntil: { iteration, what: 'tokens, votes or data' },
    methods,
    margin,
  };
}

/** Of each method the last iteration that both have. */
function countDifferences(claimed: Receipt, found: Receipt, margin: number): MethodDifference[] {
  return claimed.scores.flatMap(({ method, n, right }) => {
    const other = found.scores.find((score) => score.method === method);
    const iteration = right.findLastIndex((count, at) => count !== null && (other?.right[at] ?? null) !== null);
    if (!other || other.n !== n || iteration < 0) return [];
    const [a, b] = [right[iteration] as number, other.right[iteration] as number];
    const interval = differenceInterval(a, b, n);
    const withinMargin = interval[0] >= -margin && interval[1] <= margin;
    return [{ method, iteration, difference: (a - b) / n, interval, paired: false, withinMargin }];
  });
}

function methodDifferences(
  first: readonly RunEvent[],
  second: readonly RunEvent[],
  margin: number,
): MethodDifference[] {
  const [a, b] = [scoresOf(first), scoresOf(second)];
  const last = new Map<string, MethodDifference>();
  for (const [key, { method, iteration, score }] of a) {
    const other = b.get(key)?.score;
    if (!other || other.n !== score.n) continue;
    const { difference, interval } = pairedComparison(score.correct, other.correct);
    const withinMargin = interval[0] >= -margin && interval[1] <= margin;
    last.set(method, { method, iteration, difference, interval, paired: true, withinMargin });
  }
  return [...last.values()];
}

/** Scores by method and iteration, in order of iteration. */
function scoresOf(events: readonly RunEvent[]): Map<string, { method: string; iteration: number; score: MethodScore }> {
  return new Map(
    events.flatMap((event) =>
      event.type === 'evaluation'
        ? event.scores.map((score) => {
            const { method } = score;
            return [`${method} ${event.iteration}`, { method, iteration: event.iteration, score }] as const;
          })
        : [],
    ),
  );
}

/** The first event in which decisions differ. */
export function firstDifference(first: readonly RunEvent[], second: readonly RunEvent[]): FirstDifference | null {
  const [a, b] = [decisions(first), decisions(second)];
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const [one, other] = [a[at], b[at]];
    if (one && other && one.text === other.text) continue;
    return placed(one ?? other!, one?.event, other?.event);
  }
  return null;
}

interface Decision {
  index: number;
  iteration: number;
  event: RunEvent;
  text: string;
}

function decisions(events: readonly RunEvent[]): Decision[] {
  let iteration = 0;
  return events.flatMap((event, index) => {
    if (event.type === 'iteration-started') iteration = event.iteration;
    const discrete = discreteOf(event);
    return discrete ? [{ index, iteration, event, text: canonicalJson(discrete) }] : [];
  });
}

function placed(
  { index, iteration }: Decision,
  one: RunEvent | undefined,
  other: RunEvent | undefined,
): FirstDifference {
  const place = { event: index, iteration };
  if (!one || !other) return { ...place, what: `the ${one ? 'second' : 'first'} run ends` };
  if (one.type === 'episode' && other.type === 'episode' && one.problem === other.problem)
    return { ...place, ...episodeDifference(one, other) };
  if (one.type !== other.type) return { ...place, what: 'the order of events' };
  if (one.type === 'dataset') return { ...place, what: `the data set of ${one.adapter}`, agent: one.adapter };
  return { ...place, what: one.type === 'problems' ? 'the problems' : 'the episodes' };
}

function episodeDifference(one: Episode, other: Episode): Omit<FirstDifference, 'event' | 'iteration'> {
  const { problem } = one;
  for (const [index, turn] of one.turns.entries()) {
    const twin = other.turns[index];
    if (!twin) return { what: 'the number of answers', problem };
    if (callName(one, turn.call) !== callName(other, twin.call)) return { what: 'who was asked', problem };
    const { agent } = turn;
    if (turn.ids !== twin.ids) {
      const [a, b] = [unpackNumbers(turn.ids ?? ''), unpackNumbers(twin.ids ?? '')];
      const token = a.findIndex((id, at) => id !== b[at]);
      const at = token < 0 ? a.length : token;
      const margin = turn.margins === undefined ? undefined : unpackNumbers(turn.margins, MARGIN_SCALE)[at];
      return { what: 'an answer', problem, agent, token: at, ...(margin !== undefined && { margin }) };
    }
    if (turn.text !== twin.text || turn.answer !== twin.answer) return { what: 'an answer', problem, agent };
  }
  return { what: 'a verdict', problem };
}

/** Where two runs part, in words. */
export function placeText({ event, iteration, what, problem, agent, token, margin }: FirstDifference): string {
  const place = [
    `iteration ${iteration}`,
    ...(problem === undefined ? [] : [`problem ${problem}`]),
    ...(agent === undefined ? [] : [`agent ${agent}`]),
    ...(token === undefined ? [] : [`token ${token}`]),
    ...(margin === undefined ? [] : [`margin ${margin}`]),
  ].join(', ');
  const where = event === undefined ? place : `event ${event} (${place})`;
  return `${where}: ${what} ${what.startsWith('tokens') ? 'differ' : 'differs'}`;
}

/** The methods of a verdict, a line each. */
export function methodLines({ methods, margin }: RunVerdict): string[] {
  const points = (share: number): string => (100 * share).toFixed(1);
  return methods.map(
    ({ method, iteration, difference, interval, withinMargin }) =>
      `${method}, iteration ${iteration}: difference ${points(difference)} points (95 % ${points(interval[0])} to ${points(interval[1])})${withinMargin ? '' : `, beyond ±${points(margin)}`}`,
  );
}
