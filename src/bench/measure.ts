/** Decoding, prefill and training of an engine, each beside the least time that the device allows. */
import type { Engine } from '../engine/types';
import { PROJECTIONS } from '../engine/types';
import { boundOf, type Ceilings, type Roofline, type Work } from './roofline';
import { adapterName, best, requests, timed, trainStep, type Timing } from './work';

/** Adapters at most, on all projections. */
export const ADAPTERS = 6;
/** Tokens of a completion and of a training row at most. */
export const LENGTH = 64;
const SHORT = 16;
/** Rows of an adapter in a training step, and of a prefill, at most. */
const TRAIN_ROWS = 16;
export const PREFILL_ROWS = 24;

export interface Bench {
  engine: Engine;
  roofline: Roofline;
  /** Null where they are not known: speeds then stand alone. */
  ceilings: Ceilings | null;
  /** Rows that decode together. */
  rows: readonly number[];
  /** Of the adapters. */
  rank: number;
  /** Seconds for a measurement, about. */
  budget: number;
  /** Repetitions at most; the quickest counts. */
  repeat: number;
}

/** What was measured, and how. */
export interface Speed {
  what: 'decode' | 'prefill' | 'train';
  /** Rows that were computed together. */
  rows: number;
  adapters: number;
  /** Timed in one repetition. */
  tokens: number;
  /** Of the quickest repetition. */
  seconds: number;
  repetitions: number;
  tokensPerSecond: number;
  gflopPerSecond: number;
  gigabytesPerSecond: number;
  /** Tokens a second that the ceilings allow, by which of them, and the share that was reached. */
  predicted?: number;
  bound?: 'bandwidth' | 'arithmetic';
  share?: number;
}

/** Options that the engine of a bench needs. */
export function benchOptions(maxPositions: number, rows: readonly number[], rank: number) {
  return {
    maxRows: Math.max(PREFILL_ROWS, ...rows),
    maxAdapters: ADAPTERS,
    maxRank: rank,
    maxLength: Math.min(2 * LENGTH, maxPositions),
    // Every repetition is to compute all of its tokens.
    prefixCache: false,
  };
}

/** Measures one after the other; on slow devices batches are smaller, completions shorter and repetitions fewer. */
export async function* measureEngine(bench: Bench): AsyncGenerator<Speed, void, void> {
  const { engine, rank } = bench;
  for (let i = 0; i < ADAPTERS; i++) {
    await engine.createAdapter(adapterName(i), { rank, alpha: 2 * rank, targets: [...PROJECTIONS] }, i);
  }
  let rate = 0;
  for (const rows of bench.rows)
    for (const adapters of adapterCounts(rows)) {
      const speed = await decode(bench, rows, adapters);
      rate = Math.max(rate, speed.tokensPerSecond);
      yield speed;
    }
  const speed = await prefill(bench, rate);
  yield speed;
  for (const adapters of [1, ADAPTERS]) yield await training(bench, adapters, speed.tokensPerSecond);
}

/** A row has one adapter: fewer rows than adapters would repeat the measurement before. */
export function adapterCounts(rows: number): number[] {
  return [0, 1, ADAPTERS].filter((wanted) => wanted <= 1 || rows >= wanted);
}

async function decode(bench: Bench, rows: number, adapters: number): Promise<Speed> {
  const { engine, budget, repeat, roofline } = bench;
  const generate = (maxTokens: number) => () =>
    engine.generate(requests(engine.info.config, { rows, adapters, prompt: 1, maxTokens }));
  await generate(2)();
  // The prompt's only token takes a step as every other: n tokens are n steps.
  const step = (await timed(generate(4))) / 4;
  const steps = clamp(Math.floor(budget / repeat / step), 4, LENGTH);
  const timing = await best(generate(steps), repeat, budget);
  const { bytes, operations } = roofline.decodeStep(rows, Math.min(rows, adapters), steps / 2);
  const work = { bytes: steps * bytes, operations: steps * operations };
  return speedOf(bench, { what: 'decode', rows, adapters, tokens: rows * steps }, timing, work);
}

/** @param rate tokens a second of decoding */
async function prefill(bench: Bench, rate: number): Promise<Speed> {
  const { engine, budget, repeat, roofline } = bench;
  const tokens = (budget / repeat) * rate;
  const length = tokens >= LENGTH ? LENGTH : SHORT;
  const rows = clamp(Math.floor(tokens / length), 1, PREFILL_ROWS);
  const once = () =>
    engine.generate(requests(engine.info.config, { rows, adapters: ADAPTERS, prompt: length, maxTokens: 1 }));
  await once();
  const timing = await best(once, repeat, budget);
  const work = roofline.prefill(rows, length, Math.min(rows, ADAPTERS));
  return speedOf(bench, { what: 'prefill', rows, adapters: ADAPTERS, tokens: rows * length }, timing, work);
}

/** @param rate tokens a second of prefill */
async function training(bench: Bench, adapters: number, rate: number): Promise<Speed> {
  const { engine, budget, repeat, roofline } = bench;
  // The way back takes about twice the way forth.
  const tokens = (budget / repeat) * (rate / 3);
  const length = tokens >= adapters * LENGTH ? LENGTH : SHORT;
  const rows = clamp(Math.floor(tokens / length / adapters), 1, TRAIN_ROWS);
  await trainStep(engine, adapters, 1, SHORT);
  const timing = await best(() => trainStep(engine, adapters, rows, length), repeat, budget);
  const count = adapters * rows * length;
  const work = roofline.trainStep(count, adapters);
  return speedOf(bench, { what: 'train', rows: adapters * rows, adapters, tokens: count }, timing, work);
}

type Measured = Pick<Speed, 'what' | 'rows' | 'adapters' | 'tokens'>;

function speedOf({ ceilings }: Bench, measured: Measured, { seconds, repetitions }: Timing, work: Work): Speed {
  const bound = ceilings && boundOf(work, ceilings);
  return {
    ...measured,
    seconds: rounded(seconds),
    repetitions,
    tokensPerSecond: rounded(measured.tokens / seconds),
    gflopPerSecond: rounded(work.operations / seconds / 1e9),
    gigabytesPerSecond: rounded(work.bytes / seconds / 1e9),
    ...(bound && {
      predicted: rounded(measured.tokens / bound.seconds),
      bound: bound.by,
      share: rounded(bound.seconds / seconds),
    }),
  };
}

/** To four digits. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
