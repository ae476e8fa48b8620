/** `bench`: how fast an engine generates and trains on this machine, against what the device can do at most. */
import { cacheDtype } from '../../../src/engine/plan';
import { SHAPE_NAMES } from '../../../src/engine/shapes';
import { PROJECTIONS, type Engine } from '../../../src/engine/types';
import {
  cacheHelp,
  cacheOption,
  dtypeHelp,
  dtypeOption,
  engineChoice,
  engineHelp,
  ENGINE_OPTIONS,
  number,
  readOptions,
  text,
  UsageError,
  wholeNumbers,
  IGNORE_CONFIG,
  ignoreHelp,
  ignoredIn,
} from '../args';
import type { Ceilings } from '../bench/ceilings';
import { boundOf, Roofline, type Work } from '../bench/roofline';
import { adapterName, best, requests, timed, trainStep, type Timing } from '../bench/work';
import { Output } from '../output';
import { openEngine, openModelOrShape } from '../session';

export const help = `polylogue bench [--model DIR | --shape NAME] [options]

  --model DIR      folder in Hugging Face layout; default the embedded model
  --shape NAME     random weights of ${SHAPE_NAMES.join(', ')}
${ignoreHelp(16)}
${dtypeHelp(16)}
${cacheHelp(16)}
${engineHelp(16)}
  --rows 1,8,24    rows that decode together
  --rank R         rank of the adapters (six of them, on all projections), default 8
  --repeat N       repetitions at most, after one that is not counted; the quickest counts; default 3
  --quick          a second for each measurement in place of six
  --json           one JSON object per measurement

  First the device's own ceiling: bandwidth of a copy (bytes read and written), f32 multiply-adds from registers, and the engine's
  matrix product of 1024³. Then decoding, prefill and training, each beside the least time that its bytes and its
  operations need on this device, and its share of that speed. A decode step reads all weights, the adapters in use, keys and values;
  operations are 2 a multiplying parameter and token forward, as many for the way back, and once more where layers are recomputed.
  On slow devices batches are smaller, completions shorter and repetitions fewer: every line says how many tokens were timed.`;

const ADAPTERS = 6;
/** Tokens of a completion and of a training row at most. */
const LENGTH = 64;
const SHORT = 16;
/** Rows of an adapter in a training step, and of a prefill, at most. */
const TRAIN_ROWS = 16;
const PREFILL_ROWS = 24;

interface Bench {
  engine: Engine;
  roofline: Roofline;
  ceilings: Ceilings | null;
  /** Seconds for a measurement. */
  budget: number;
  repeat: number;
  output: Output;
}

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    shape: { type: 'string' },
    dtype: { type: 'string' },
    cache: { type: 'string' },
    ...ENGINE_OPTIONS,
    rows: { type: 'string' },
    rank: { type: 'string' },
    repeat: { type: 'string' },
    quick: { type: 'boolean' },
    ...IGNORE_CONFIG,
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const dtype = dtypeOption(values);
  const rank = number(values, 'rank', 8, { integer: true, min: 1 });
  const repeat = number(values, 'repeat', 3, { integer: true, min: 1 });
  const rows = wholeNumbers(text(values, 'rows') ?? '1,8,24', 'rows', 'a number of rows');
  if (rows.some((count) => count === 0 || count > 256)) throw new UsageError('--rows: from 1 to 256 rows');
  const budget = values['quick'] ? 1 : 6;
  const wanted = engineChoice(values);
  const model = await openModelOrShape(values, 'static/models/arithmetic-0.4m');
  const options = {
    maxRows: Math.max(PREFILL_ROWS, ...rows),
    maxAdapters: ADAPTERS,
    maxRank: rank,
    maxLength: Math.min(2 * LENGTH, model.config.maxPositions),
    dtype,
    cache: cacheOption(values),
    // Every repetition is to compute all of its tokens.
    prefixCache: false,
  };
  const engine = await openEngine(wanted, model, options, output, true);
  for (let i = 0; i < ADAPTERS; i++) {
    await engine.createAdapter(adapterName(i), { rank, alpha: 2 * rank, targets: [...PROJECTIONS] }, i);
  }
  // What the engine has chosen; engines without a report choose f32 by themselves.
  const cache = (await engine.report?.())?.cache ?? cacheDtype(options, 'f32');
  const roofline = new Roofline(model.config, { dtype, cache }, rank);
  const { layers, head } = roofline.parameters;
  const { kind, device } = engine.info;
  const about = { engine: kind, device, model: model.dir, dtype, cache, parameters: layers + head, rank };
  output.object({ what: 'device', ...about, plan: engine.plan(), hash: model.stream.hash, ...ignoredIn(model.config) });
  output.line(
    `${device}\n${model.dir}, ${(layers + head).toLocaleString('en')} multiplying parameters in ${dtype}, keys and values in ${cache}, rank ${rank}`,
  );
  const ceilings =
    kind === 'webgpu' ? await (await import('../bench/ceilings')).measureCeilings(dtype, budget / 2) : null;
  if (ceilings) reportCeilings(ceilings, output);

  const bench: Bench = { engine, roofline, ceilings, budget, repeat, output };
  let rate = 0;
  for (const count of rows) {
    // A row has one adapter: fewer rows than adapters would repeat the measurement before.
    const adapters = [0, 1, ADAPTERS].filter((wanted) => wanted <= 1 || count >= wanted);
    for (const wanted of adapters) rate = Math.max(rate, await benchDecode(bench, count, wanted));
  }
  rate = await benchPrefill(bench, rate);
  for (const adapters of [1, ADAPTERS]) await benchTraining(bench, adapters, rate);
  await engine.dispose();
}

/** @returns tokens a second */
async function benchDecode(bench: Bench, rows: number, adapters: number): Promise<number> {
  const { engine, budget, repeat, roofline } = bench;
  const generate = (maxTokens: number) => () =>
    engine.generate(requests(engine.info.config, { rows, adapters, prompt: 1, maxTokens }));
  await engine.generate(requests(engine.info.config, { rows, adapters, prompt: 1, maxTokens: 2 }));
  // The prompt's only token takes a step as every other: n tokens are n steps.
  const step = (await timed(generate(4))) / 4;
  const steps = clamp(Math.floor(budget / repeat / step), 4, LENGTH);
  const timing = await best(generate(steps), repeat, budget);
  const work = roofline.decodeStep(rows, Math.min(rows, adapters), steps / 2);
  return report(bench, { what: 'decode', rows, adapters, tokens: rows * steps }, timing, times(work, steps));
}

async function benchPrefill(bench: Bench, rate: number): Promise<number> {
  const { engine, budget, repeat, roofline } = bench;
  const tokens = (budget / repeat) * rate;
  const length = tokens >= LENGTH ? LENGTH : SHORT;
  const rows = clamp(Math.floor(tokens / length), 1, PREFILL_ROWS);
  const prefill = () =>
    engine.generate(requests(engine.info.config, { rows, adapters: ADAPTERS, prompt: length, maxTokens: 1 }));
  await prefill();
  const timing = await best(prefill, repeat, budget);
  const work = roofline.prefill(rows, length, Math.min(rows, ADAPTERS));
  return report(bench, { what: 'prefill', rows, adapters: ADAPTERS, tokens: rows * length }, timing, work);
}

async function benchTraining(bench: Bench, adapters: number, rate: number): Promise<number> {
  const { engine, budget, repeat, roofline } = bench;
  // The way back takes about twice the way forth.
  const tokens = (budget / repeat) * (rate / 3);
  const length = tokens >= adapters * LENGTH ? LENGTH : SHORT;
  const rows = clamp(Math.floor(tokens / length / adapters), 1, TRAIN_ROWS);
  await trainStep(engine, adapters, 1, SHORT);
  const timing = await best(() => trainStep(engine, adapters, rows, length), repeat, budget);
  const count = adapters * rows * length;
  const work = roofline.trainStep(count, adapters);
  return report(bench, { what: 'train', rows: adapters * rows, adapters, tokens: count }, timing, work);
}

function reportCeilings({ copyBandwidth, copyBytes, peak, gemm }: Ceilings, output: Output): void {
  output.object({ what: 'copy', bytes: copyBytes, gigabytesPerSecond: round(copyBandwidth / 1e9) });
  output.object({ what: 'fma', gflopPerSecond: round(peak / 1e9) });
  output.object({ what: 'gemm', size: 1024, gflopPerSecond: round(gemm / 1e9), share: round(gemm / peak) });
  output.line(`copy     ${(copyBandwidth / 1e9).toFixed(1)} GB/s read and written (${copyBytes >> 20} MiB)`);
  output.line(`fma      ${(peak / 1e9).toFixed(1)} GFLOP/s`);
  output.line(`gemm     ${(gemm / 1e9).toFixed(1)} GFLOP/s at 1024³, ${percent(gemm / peak)} of it`);
}

interface Measured {
  what: 'decode' | 'prefill' | 'train';
  rows: number;
  adapters: number;
  tokens: number;
}

/** @returns tokens a second */
function report({ ceilings, output }: Bench, measured: Measured, timing: Timing, work: Work): number {
  const { what, rows, adapters, tokens } = measured;
  const { seconds, repetitions } = timing;
  const bound = ceilings && boundOf(work, ceilings);
  const share = bound && bound.seconds / seconds;
  output.object({
    ...measured,
    seconds: round(seconds),
    repetitions,
    tokensPerSecond: round(tokens / seconds),
    gflopPerSecond: round(work.operations / seconds / 1e9),
    gigabytesPerSecond: round(work.bytes / seconds / 1e9),
    ...(bound && { predicted: round(tokens / bound.seconds), bound: bound.by, share: round(share as number) }),
  });
  const name = `${what.padEnd(8)} ${String(rows).padStart(3)} rows, ${adapters} adapters`;
  const speed = `${short(tokens / seconds)} tokens/s`;
  const against = bound
    ? `  at most ${short(tokens / bound.seconds)} by ${bound.by.padEnd(10)}  ${percent(share as number).padStart(6)}`
    : '';
  output.line(`${name}  ${speed}${against}  (${tokens} tokens, ${repetitions} ×)`);
  return tokens / seconds;
}

function times({ bytes, operations }: Work, count: number): Work {
  return { bytes: count * bytes, operations: count * operations };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** Three digits, no exponent. */
function short(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).padStart(9);
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(3)} %`;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
