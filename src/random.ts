/**
 * Named random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * Every draw has a name (seed, stream, iteration, agent, problem, round, token), so batch order, batch size and
 * evaluation size never shift another draw. There is no global generator.
 */

/** What a draw is for. Numbers are part of the log's meaning: never renumber, only append. */
export const STREAMS = {
  sample: 1,
  evaluate: 2,
  problems: 3,
  tieBreak: 4,
  select: 5,
  shuffle: 6,
  adapterInit: 7,
  baselineSample: 8,
  // 9 had a meaning in an early version.
  summarise: 10,
  summariseEvaluation: 11,
  split: 12,
  /** Tokens and examples drawn by their weights (boosting), and texts that are given instead of sampled. */
  boost: 13,
  reading: 14,
  candidates: 15,
  distil: 21,
  summariseDistil: 22,
  randomLabel: 23,
  /** Which of two answers a person sees first. */
  order: 30,
  /** What the untouched model says before agents start apart, and which of it they learn. */
  start: 31,
  startSelect: 32,
} as const;

export interface DrawName {
  seed: number;
  stream: number;
  iteration?: number;
  agent?: number;
  problem?: number;
  round?: number;
}

/** The four 32-bit outputs of Philox4x32-10 for a counter (4 words) and key (2 words). */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): [number, number, number, number] {
  for (let round = 0; round < 10; round++) {
    const [hi0, lo0] = mulHiLo(0xd2511f53, c0);
    const [hi1, lo1] = mulHiLo(0xcd9e8d57, c2);
    c0 = (hi1 ^ c1 ^ k0) >>> 0;
    c1 = lo1;
    c2 = (hi0 ^ c3 ^ k1) >>> 0;
    c3 = lo0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Counter and key words of a named draw; `token` counts draws inside the name. */
export function drawWords(name: DrawName, token: number): [number, number, number, number, number, number] {
  const iteration = name.iteration ?? 0;
  const agent = name.agent ?? 0;
  return [
    token >>> 0,
    (name.problem ?? 0) >>> 0,
    ((agent & 0xffff) | ((name.round ?? 0) << 16)) >>> 0,
    ((iteration & 0xffff) | (name.stream << 16)) >>> 0,
    name.seed >>> 0,
    Math.floor(name.seed / 2 ** 32) >>> 0,
  ];
}

/** One uniform 32-bit integer. */
export function drawUint(name: DrawName, token: number): number {
  return philox(...drawWords(name, token))[0];
}

/** One uniform number in (0, 1), 24 bits, exactly representable in f32. */
export function drawUniform(name: DrawName, token: number): number {
  return uniformFromWord(drawUint(name, token));
}

/** (w >> 8)·2⁻²⁴ + 2⁻²⁵: in (0, 1). In f32 the sum rounds to even for large words, so callers round with Math.fround. */
export function uniformFromWord(word: number): number {
  return Math.fround((word >>> 8) * 2 ** -24 + 2 ** -25);
}

/** Uniform integer in 0..n-1, unbiased to 2⁻³² (multiply-shift). */
export function drawInt(name: DrawName, token: number, n: number): number {
  return Math.floor((drawUint(name, token) / 2 ** 32) * n);
}

/** Fisher-Yates with named draws; returns a new array. */
export function shuffled<T>(items: readonly T[], name: DrawName): T[] {
  const result = items.slice();
  for (let i = result.length - 1; i > 0; i--) {
    const j = drawInt(name, i, i + 1);
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

function mulHiLo(a: number, b: number): [number, number] {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle1 = aHigh * bLow;
  const middle2 = aLow * bHigh;
  const carry = (low >>> 16) + (middle1 & 0xffff) + (middle2 & 0xffff);
  const high = aHigh * bHigh + (middle1 >>> 16) + (middle2 >>> 16) + (carry >>> 16);
  return [high >>> 0, Math.imul(a, b) >>> 0];
}
