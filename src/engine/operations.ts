/**
 * Every operation of an engine, once. Whoever passes an engine's calls on reads here how each is treated: the engine worker's
 * host, the page's remote engine, a run's control, the engine that outlives its device, and engines of tests. A new operation is
 * its method in `Engine`, one entry here, and the code that computes it.
 */
import {
  checkEmbed,
  checkGenerate,
  checkGrams,
  checkLogits,
  checkReward,
  checkScore,
  checkTrack,
  checkJob,
  type Limits,
} from './requests';
import type { AdapterId, Engine } from './types';

/** What belongs to an engine and is no operation: it answers at once, or begins or ends the engine. */
type Beside = 'info' | 'adapters' | 'plan' | 'report' | 'dispose';
export type OperationName = Exclude<keyof Engine, Beside>;
export type Arguments<N extends OperationName> = Parameters<Engine[N]>;

interface Operation<N extends OperationName> {
  /** Once, as a promise; as a promise with tokens on the way; or as a stream of training steps. */
  answers: 'once' | 'with tokens' | 'in steps';
  /** It takes long: a run that is paused waits before it. */
  held?: true;
  /** It stores keys and values; what was too large for their format is counted at its end. */
  stores?: true;
  /**
   * After the loss of the device: the same call once more (`again`; the same with a refusal where memory is short, since it cannot be
   * made smaller: `whole`), or in a way of its own, for what changes adapters or was done in part (`own`).
   */
  afterLoss: 'again' | 'whole' | 'own';
  /** The position of the argument that names an adapter which is there, or is gone, afterwards. */
  adds?: number;
  removes?: number;
  /** @throws RequestError, before anything is computed */
  check?(limits: Limits, ...args: Arguments<N>): void;
}

export const OPERATIONS = {
  generate: {
    answers: 'with tokens',
    held: true,
    stores: true,
    afterLoss: 'own',
    check: (limits, requests) => checkGenerate(requests, limits),
  },
  score: {
    answers: 'once',
    held: true,
    stores: true,
    afterLoss: 'again',
    check: (limits, requests) => checkScore(requests, limits),
  },
  embed: {
    answers: 'once',
    held: true,
    stores: true,
    afterLoss: 'again',
    check: (limits, requests) => checkEmbed(requests, limits),
  },
  reward: {
    answers: 'once',
    held: true,
    stores: true,
    afterLoss: 'again',
    check: (limits, requests) => checkReward(requests, limits),
  },
  grams: {
    answers: 'once',
    held: true,
    stores: true,
    afterLoss: 'again',
    check: (limits, requests, projections) => checkGrams(requests, projections, limits),
  },
  logits: {
    answers: 'once',
    stores: true,
    afterLoss: 'again',
    check: (limits, request) => checkLogits(request, limits),
  },
  train: { answers: 'in steps', held: true, afterLoss: 'own', check: (limits, job) => checkJob(job, limits) },
  gradients: {
    answers: 'once',
    afterLoss: 'whole',
    check: (limits, track, objective) => checkTrack(track, limits, objective),
  },
  optimiserState: { answers: 'once', afterLoss: 'own' },
  createAdapter: { answers: 'once', afterLoss: 'own', adds: 0 },
  importAdapter: { answers: 'once', afterLoss: 'own', adds: 0 },
  exportAdapter: { answers: 'once', afterLoss: 'again' },
  copyAdapter: { answers: 'once', afterLoss: 'own', adds: 1 },
  deleteAdapter: { answers: 'once', afterLoss: 'own', removes: 0 },
} as const satisfies { [N in OperationName]: Operation<N> };

/** Names of the operations for which a field of the table has one of these values. */
type Having<Field extends keyof Operation<OperationName>, Value> = {
  [N in OperationName]: (typeof OPERATIONS)[N] extends Record<Field, Value> ? N : never;
}[OperationName];

/** Operations that are plain calls: nothing is heard of them until they have ended. */
export type CallName = Having<'answers', 'once'>;
/** What a plain call gives. */
export type Answer<N extends CallName> = Promise<Awaited<ReturnType<Engine[N]>>>;
/** Plain calls that are made again after the loss of the device. */
export type RepeatedName = CallName & Having<'afterLoss', 'again' | 'whole'>;

export const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[];
export const CALLS = OPERATION_NAMES.filter((name): name is CallName => OPERATIONS[name].answers === 'once');
export const REPEATED = CALLS.filter((name): name is RepeatedName => OPERATIONS[name].afterLoss !== 'own');

/** How an operation is treated. */
export function operation<N extends OperationName>(name: N): Operation<N> {
  return OPERATIONS[name] as unknown as Operation<N>;
}

/** @throws RequestError when the engine cannot do what the operation is asked for */
export function checkOperation<N extends OperationName>(name: N, limits: Limits, args: Arguments<N>): void {
  operation(name).check?.(limits, ...args);
}

/** Makes one call. */
export function callOn<N extends CallName>(
  engine: { [M in N]: (...args: never[]) => unknown },
  name: N,
  args: Arguments<N>,
): Answer<N> {
  return (engine as unknown as Record<N, (...args: Arguments<N>) => Answer<N>>)[name](...args);
}

/** How calls are passed on. */
export type PassOn<N extends CallName> = <M extends N>(name: M, args: Arguments<M>) => Answer<M>;

/** The named calls as methods that all go through one function. */
export function passedOn<N extends CallName>(names: readonly N[], pass: PassOn<N>): Pick<Engine, N> {
  const method =
    (name: N) =>
    (...args: Arguments<N>) =>
      pass(name, args);
  return Object.fromEntries(names.map((name) => [name, method(name)])) as unknown as Pick<Engine, N>;
}

/** The same as a base class: the named calls all go through the method `pass` of the class. */
export function passingBase<N extends CallName>(names: readonly N[]) {
  abstract class Base {
    constructor() {
      Object.assign(
        this,
        passedOn(names, (name, args) => this.pass(name, args)),
      );
    }

    abstract pass<M extends N>(name: M, args: Arguments<M>): Answer<M>;
  }
  return Base as unknown as abstract new () => Base & Pick<Engine, N>;
}

/** Keeps account of which adapters an engine has, from the calls that were made of it. */
export function noteAdapters<N extends CallName>(present: Set<AdapterId>, name: N, args: Arguments<N>): void {
  const { adds, removes } = operation(name);
  if (adds !== undefined) present.add(args[adds] as AdapterId);
  if (removes !== undefined) present.delete(args[removes] as AdapterId);
}
