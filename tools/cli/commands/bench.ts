/** `bench`: how fast an engine generates and trains on this machine, against what the device can do at most. */
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { allocatedRank } from '../../../src/engine/buffers';
import type { DecodeCount } from '../../../src/engine/gpu/count/decodeStep';
import { cacheDtype } from '../../../src/engine/plan';
import { SHAPE_NAMES } from '../../../src/engine/shapes';
import type { Engine, WeightDtype } from '../../../src/engine/types';
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
  type Values,
} from '../args';
import { writeDeviceFile, type Measurement } from '../../../src/bench/deviceFile';
import { adapterCounts, benchOptions, rounded, type Speed } from '../../../src/bench/measure';
import { measureAll, type About } from '../../../src/bench/result';
import type { Ceilings } from '../../../src/bench/roofline';
import { BUILD } from '../../../src/build';
import { benchRuntimes } from '../bench/runtimes';
import { writeText } from '../files';
import { Output } from '../output';
import { openConfig, openEngine, openModelOrShape, requireWritable } from '../session';

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
  --file PATH      also writes what was measured of this device, as the page's Bench view does: bench/results/devices has such files
  --count          measures nothing: what a decode step asks of a GPU, counted from the program recorded for it
  --runtimes       the model through the exact engine and, where its folder has onnx/model.onnx, through transformers.js: tokens a
                   second by rows, and how many greedy answers have the same ids and texts
  --with RUNTIME   with --runtimes: one more, as run --seat names it, for example endpoint:http://127.0.0.1:8000/v1#model; as
                   often as there are some
  --keys N         keys that a row attends to when it is counted, default 128
  --binding MIB    with --count: MiB of a binding of the device, for example 128, WebGPU's default; default as many as are asked for

  First the device's own ceiling: bandwidth of a copy (bytes read and written), f32 multiply-adds from registers, and the engine's
  matrix product of 1024³. Then decoding, prefill and training, each beside the least time that its bytes and its
  operations need on this device, and its share of that speed. Of a decode step all weights, the adapters in use, keys and values count once;
  operations are 2 a multiplying parameter and token forward, as many for the way back, and once more where layers are recomputed.
  On slow devices batches are smaller, completions shorter and repetitions fewer: every line says how many tokens were timed.`;

const EMBEDDED = 'static/models/arithmetic-0.4m';

/** They say what is measured of one engine; beside others that would be taken for a part of the comparison. */
const OF_ONE_ENGINE = [
  'shape',
  'ignore-config',
  'cache',
  'engine',
  'workers',
  'rank',
  'repeat',
  'file',
  'count',
  'keys',
  'binding',
] as const;

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
    count: { type: 'boolean' },
    keys: { type: 'string' },
    binding: { type: 'string' },
    runtimes: { type: 'boolean' },
    with: { type: 'string', multiple: true },
    file: { type: 'string' },
  });
  const output = new Output(Boolean(values['json']));
  const rows = wholeNumbers(text(values, 'rows') ?? '1,8,24', 'rows', 'a number of rows');
  if (rows.some((count) => count === 0 || count > 256)) throw new UsageError('--rows: from 1 to 256 rows');
  if (values['runtimes']) {
    const wrong = OF_ONE_ENGINE.find((name) => values[name] !== undefined);
    if (wrong !== undefined) throw new UsageError(`--${wrong} does not go with --runtimes; leave it out`);
    const others = (values['with'] as string[] | undefined) ?? [];
    const { model, dtype } = { model: text(values, 'model'), dtype: dtypeOption(values) };
    return benchRuntimes(output, { model, dtype, others, rows, seconds: values['quick'] ? 1 : 6 });
  }
  if (values['with'] !== undefined) throw new UsageError('--with goes with --runtimes');
  const dtype = dtypeOption(values);
  const rank = number(values, 'rank', 8, { integer: true, min: 1 });
  const repeat = number(values, 'repeat', 3, { integer: true, min: 1 });
  if (values['count']) return countSteps(values, { dtype, rank, rows }, output);
  const counted = (['keys', 'binding'] as const).find((name) => values[name] !== undefined);
  if (counted !== undefined) throw new UsageError(`--${counted} goes with --count`);
  const path = text(values, 'file');
  // Before the work, which takes minutes.
  if (path !== undefined) await requireWritable(path);
  const budget = values['quick'] ? 1 : 6;
  const wanted = engineChoice(values);
  const model = await openModelOrShape(values, EMBEDDED);
  const options = { ...benchOptions(model.config.maxPositions, rows, rank), dtype, cache: cacheOption(values) };
  const engine = await openEngine(wanted, model, options, output, true);
  const threads = engine.info.kind === 'exact' ? (wanted.workers ?? availableParallelism()) : null;
  const ceilings = await ceilingsOf(engine, dtype, threads ?? 1, budget / 2);
  const request = {
    engine,
    model: model.dir,
    hash: model.stream.hash,
    threads,
    dtype,
    rank,
    rows,
    budget,
    repeat,
    ceilings,
  };
  const told = { plan: engine.plan(), ...ignoredIn(model.config) };
  const measured = await measureAll(request, {
    onAbout: (about) => reportDevice(about, ceilings, told, output),
    onSpeed: (speed) => report(speed, output),
  });
  await engine.dispose();
  if (path !== undefined) await writeText(path, deviceFile(measured));
}

/** What the engine's device allows at most; null of engines that are measured alone. */
async function ceilingsOf(
  engine: Engine,
  dtype: WeightDtype,
  threads: number,
  budget: number,
): Promise<Ceilings | null> {
  if (engine.info.kind === 'exact') {
    const { measureCoreCeilings } = await import('../../../src/bench/coreCeilings');
    return measureCoreCeilings(threads, budget);
  }
  if (engine.info.kind !== 'webgpu') return null;
  const { measureGpuCeilings } = await import('../../../src/bench/gpuCeilings');
  const { openNodeGpu } = await import('../../../src/engine/gpu/node');
  return measureGpuCeilings(await openNodeGpu(), dtype, budget);
}

function deviceFile(measurement: Measurement): string {
  const date = new Date().toISOString().slice(0, 10);
  const runtime = `Node ${process.version.replace(/^v/, '')}`;
  // A folder by its name, as the page calls it.
  const measurements = [{ ...measurement, model: basename(measurement.model) }];
  return writeDeviceFile({ build: BUILD, date, runtime, cores: availableParallelism(), measurements });
}

/** Prints what decode steps ask of a device; nothing is loaded. */
async function countSteps(
  values: Values,
  { dtype, rank, rows }: { dtype: WeightDtype; rank: number; rows: number[] },
  output: Output,
): Promise<void> {
  const { countDecodeStep } = await import('../../../src/engine/gpu/count/decodeStep');
  const { name, config } = await openConfig({ ...values, model: values['model'] ?? modelUnless(values['shape']) });
  const keys = number(values, 'keys', 128, { integer: true, min: 1, max: config.maxPositions - 1 });
  const cache = cacheDtype({ dtype, cache: cacheOption(values) }, 'f16');
  const binding = number(values, 'binding', 0, { integer: true, min: 1 });
  const bindingLimit = binding === 0 ? Infinity : binding * 2 ** 20;
  const about = { model: name, dtype, cache, rank, keys, ...(binding > 0 && { bindingMiB: binding }) };
  output.line(`${name} in ${dtype}, keys and values in ${cache}, rank ${rank}, ${keys} keys a row, on a GPU`);
  for (const count of rows)
    for (const adapters of adapterCounts(count)) {
      const shape = {
        dtype,
        cache,
        rows: count,
        adapters,
        rank: allocatedRank(rank),
        keys,
        isCpu: false,
        bindingLimit,
      };
      const step = await countDecodeStep(config, shape);
      output.object({ what: 'count', ...about, rows: count, adapters, ...step });
      for (const line of countLines(count, adapters, step)) output.line(line);
      if (step.largest > bindingLimit)
        output.line(
          `         a buffer of ${step.largest >> 20} MiB is larger than a binding: such a device refuses it`,
        );
    }
}

function modelUnless(shape: unknown): string | undefined {
  return shape === undefined ? EMBEDDED : undefined;
}

function countLines(rows: number, adapters: number, step: DecodeCount): string[] {
  const { dispatches, submissions, steps, operations, bytes, least } = step;
  const asked = (bytes.weights + bytes.adapters + bytes.cache) / least;
  const mega = (value: number): string => (value / 1e6).toFixed(1);
  return [
    `decode   ${String(rows).padStart(3)} rows, ${adapters} adapters  ${dispatches} dispatches, ${submissions} submissions in ${steps} steps, ` +
      `${(operations / 1e9).toFixed(2)} GFLOP, ${mega(bytes.total)} MB`,
    `         weights ${mega(bytes.weights)}, adapters ${mega(bytes.adapters)}, keys and values ${mega(bytes.cache)}, hidden states and logits ${mega(bytes.activations)} MB`,
    `         of weights, adapters, keys and values ${asked.toFixed(2)} times what they are; more than once is asked side by side, for a cache to answer`,
  ];
}

function reportDevice(about: About, ceilings: Ceilings | null, told: object, output: Output): void {
  const { engine, device, model, dtype, cache, parameters, rank, hash } = about;
  output.object({ what: 'device', engine, device, model, dtype, cache, parameters, rank, hash, ...told });
  output.line(
    `${device}\n${model}, ${parameters.toLocaleString('en')} multiplying parameters in ${dtype}, keys and values in ${cache}, rank ${rank}`,
  );
  if (ceilings) reportCeilings(ceilings, output);
}

function reportCeilings({ copyBandwidth, copyBytes, peak, gemm }: Ceilings, output: Output): void {
  output.object({ what: 'copy', bytes: copyBytes, gigabytesPerSecond: rounded(copyBandwidth / 1e9) });
  output.object({ what: 'fma', gflopPerSecond: rounded(peak / 1e9) });
  if (gemm !== null)
    output.object({ what: 'gemm', size: 1024, gflopPerSecond: rounded(gemm / 1e9), share: rounded(gemm / peak) });
  output.line(`copy     ${(copyBandwidth / 1e9).toFixed(1)} GB/s read and written (${copyBytes >> 20} MiB)`);
  output.line(`fma      ${(peak / 1e9).toFixed(1)} GFLOP/s`);
  if (gemm !== null) output.line(`gemm     ${(gemm / 1e9).toFixed(1)} GFLOP/s at 1024³, ${percent(gemm / peak)} of it`);
}

function report(speed: Speed, output: Output): void {
  const { what, rows, adapters, tokens, repetitions, tokensPerSecond, predicted, bound, share } = speed;
  output.object({ ...speed });
  const name = `${what.padEnd(8)} ${String(rows).padStart(3)} rows, ${adapters} adapters`;
  const against =
    predicted === undefined || bound === undefined || share === undefined
      ? ''
      : `  at most ${short(predicted)} by ${bound.padEnd(10)}  ${percent(share).padStart(6)}`;
  output.line(`${name}  ${short(tokensPerSecond)} tokens/s${against}  (${tokens} tokens, ${repetitions} ×)`);
}

/** Three digits, no exponent. */
function short(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).padStart(9);
}

function percent(share: number): string {
  return `${(100 * share).toPrecision(3)} %`;
}
