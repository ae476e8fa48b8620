/**
 * The exact engine beside the oracle, PyTorch on one thread, transformers.js, ONNX Runtime (native and on WASM) and jax-js on WASM, in one run:
 *
 *     npm ci --prefix bench/peers
 *     POLYLOGUE_PYTHON=/usr/bin/python3 npm run -s bench:exact > bench/results/exact/NAME.jsonl
 *     POLYLOGUE_PYTHON=/usr/bin/python3 npm run -s bench:exact -- --steps    (training steps of the exact engine and PyTorch alone)
 *     npm run -s bench:exact -- --decode    (decoding alone, without the oracle)
 *
 * One JSON line a measurement: best of `REPEAT`, taken in turns with the others, wall time and CPU time of all threads and of PyTorch's process, the share of what one core
 * allows at most (`shareOfCore`, of CPU time), and the machine's load while it was taken. Only ratios within one run count. What is not
 * installed is left out, and said.
 */
import { cpus } from 'node:os';
import { ExactEngine } from '../../src/engine/exact/engine';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { collect } from '../../src/engine/stream';
import type { Engine } from '../../src/engine/types';
import { nodeWorkers } from '../../tools/cli/exactLanes';
import { Roofline, type Work } from '../../src/bench/roofline';
import { TorchEngine } from '../../tools/cli/torchEngine';
import { openJaxStep } from '../peers/jax';
import { peersInstalled } from '../peers/ort';
import { OrtSociety } from '../peers/ortWork';
import { TransformersSociety } from '../peers/transformers';
import { measureCore, shareOf, type CoreCeilings } from './ceilings';
import { line, measureInTurns } from './measure';
import { peerProducts, products } from './products';
import {
  ADAPTERS,
  adapterName,
  adapterWeights,
  MODEL,
  NEW_TOKENS,
  openModel,
  PROMPT,
  RANK,
  requests,
  ROWS,
  STEP_ROWS,
  STEP_TOKENS,
  trainJob,
} from './work';

const REPEAT = 5;
const STEPS_ONLY = process.argv.includes('--steps');
const DECODE_ONLY = process.argv.includes('--decode');
/** Optimiser steps in one measurement. */
const STEPS = 2;

/** Somebody who decodes rows, and perhaps trains. */
interface Contestant {
  name: string;
  repeat: number;
  generate(rows: number, adapters: number): Promise<void>;
  /** Does `STEPS` steps of all adapters. */
  train?(): Promise<void>;
  close(): Promise<void>;
}

const stream = await openModel();
const { config } = stream;
const roofline = new Roofline(config, { dtype: 'f32', cache: 'f32', adapters: 'f32' }, RANK);

async function engineContestant(name: string, repeat: number, open: () => Promise<Engine>): Promise<Contestant> {
  const engine = await open();
  for (let i = 0; i < ADAPTERS; i++) await engine.importAdapter(adapterName(i), adapterWeights(config, i));
  return {
    name,
    repeat,
    generate: async (rows, adapters) => void (await engine.generate(requests(rows, adapters))),
    async train() {
      for await (const _ of engine.train(trainJob(STEPS)));
    },
    close: () => engine.dispose(),
  };
}

async function contestants(): Promise<Contestant[]> {
  const options = { maxRows: 96, maxAdapters: ADAPTERS, maxRank: RANK };
  const exact = async (count: number): Promise<Engine> =>
    ExactEngine.create(await openModel(), options, {}, nodeWorkers(count));
  const all = [
    await engineContestant('exact, 1 worker', REPEAT, () => exact(1)),
    await engineContestant('exact, 2 workers', REPEAT, () => exact(2)),
  ];
  if (!STEPS_ONLY && peersInstalled()) {
    const weights = await collect(await openModel());
    for (const [kind, threads] of [
      ['onnxruntime-node', 1],
      ['onnxruntime-node', 2],
      ['onnxruntime-web', 1],
    ] as const) {
      const society = await OrtSociety.open(kind, threads, weights);
      const generate = (rows: number, adapters: number): Promise<void> => society.generate(rows, adapters);
      const name = `${kind}, ${threads} thread${threads === 1 ? '' : 's'}`;
      all.push({ name, repeat: REPEAT, generate, close: () => society.close() });
    }
    for (const threads of [1, 2]) {
      const society = await TransformersSociety.open(threads, weights);
      const generate = (rows: number, adapters: number): Promise<void> => society.generate(rows, adapters);
      const name = `transformers.js, ${threads} thread${threads === 1 ? '' : 's'}`;
      all.push({ name, repeat: REPEAT, generate, close: () => society.close() });
    }
  }
  if (process.env['POLYLOGUE_PYTHON']) {
    all.push(await engineContestant('torch, 1 thread', REPEAT, () => TorchEngine.start(MODEL, config)));
  }
  // Last, since it is slowest.
  if (!STEPS_ONLY && !DECODE_ONLY)
    all.push(await engineContestant('reference', 1, async () => ReferenceEngine.create(await openModel(), options)));
  return all;
}

/** What a generation must read and compute: the prompts, then a step for every further token. */
function generationWork(rows: number, adapters: number): Work[] {
  const used = Math.min(rows, adapters);
  const steps = Array.from({ length: NEW_TOKENS - 1 }, (_, i) => roofline.decodeStep(rows, used, PROMPT + i + 1));
  return [roofline.prefill(rows, PROMPT, used), ...steps];
}

async function generation(all: readonly Contestant[], core: CoreCeilings): Promise<void> {
  for (const adapters of [0, ADAPTERS]) {
    for (const rows of ROWS) {
      const entries = all.map(({ repeat, generate }) => ({ repeat, work: () => generate(rows, adapters) }));
      const timings = await measureInTurns(entries);
      for (const [i, { seconds, cpuSeconds }] of timings.entries()) {
        const tokens = rows * NEW_TOKENS;
        const speeds = { tokensPerSecond: tokens / seconds, tokensPerCpuSecond: tokens / cpuSeconds };
        const shareOfCore = shareOf(generationWork(rows, adapters), cpuSeconds, core);
        line('decode', { engine: all[i]?.name, rows, adapters }, { seconds, cpuSeconds, ...speeds, shareOfCore });
      }
    }
  }
}

async function training(all: readonly Contestant[], core: CoreCeilings): Promise<void> {
  const names = all.flatMap(({ name, train }) => (train ? [name] : []));
  const entries = all.flatMap(({ train, repeat }) => (train ? [{ work: train, repeat, inner: STEPS }] : []));
  if (!STEPS_ONLY && peersInstalled()) {
    const step = await openJaxStep(await collect(await openModel()));
    await checkFirstLoss((await step())[0] as number);
    names.push('jax-js, 1 thread');
    entries.push({ work: async () => void (await step()), repeat: REPEAT, inner: 1 });
  }
  const about = { adapters: ADAPTERS, rows: STEP_ROWS, tokens: STEP_TOKENS };
  for (const [i, { seconds, cpuSeconds }] of (await measureInTurns(entries)).entries()) {
    const least = roofline.trainStep(ADAPTERS * STEP_ROWS * STEP_TOKENS, ADAPTERS);
    const shareOfCore = shareOf([least], cpuSeconds, core);
    line('step', { engine: names[i], ...about }, { seconds, cpuSeconds, shareOfCore });
  }
}

/** It has to be the same step: the first loss is that of the engine, to rounding. @throws Error */
async function checkFirstLoss(found: number): Promise<void> {
  const engine = await ExactEngine.create(await openModel(), { maxRows: 1, maxAdapters: ADAPTERS });
  for (let i = 0; i < ADAPTERS; i++) await engine.importAdapter(adapterName(i), adapterWeights(config, i));
  for await (const { tracks } of engine.train(trainJob(1))) {
    const expected = tracks[0]?.loss ?? NaN;
    if (!(Math.abs(found - expected) < 1e-3)) {
      throw new Error(`jax-js has another loss: ${found} in place of ${expected}`);
    }
  }
  await engine.dispose();
}

if (!peersInstalled()) process.stderr.write('ONNX Runtime and jax-js are left out: npm ci --prefix bench/peers\n');
if (!process.env['POLYLOGUE_PYTHON']) process.stderr.write('PyTorch is left out: set POLYLOGUE_PYTHON\n');
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, model: MODEL };
console.log(JSON.stringify({ what: 'machine', ...machine }));
const core = await measureCore(REPEAT);
line(
  'core',
  { by: 'WebAssembly SIMD' },
  { gflopPerCpuSecond: core.peak / 1e9, copyGBPerCpuSecond: core.copyBandwidth / 1e9 },
);
if (!STEPS_ONLY && !DECODE_ONLY) await products(REPEAT, core);
if (!STEPS_ONLY && !DECODE_ONLY && peersInstalled()) await peerProducts(REPEAT, core);
const all = await contestants();
if (!DECODE_ONLY) await training(all, core);
if (!STEPS_ONLY) await generation(all, core);
for (const { close } of all) await close();
process.exit(0);
