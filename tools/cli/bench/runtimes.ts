/** `bench --runtimes`: one model and one list of prompts through every runtime that this machine has for it. */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { BUILD } from '../../../src/build';
import { folderSource } from '../../../src/engine/loader-node';
import { openModelStream } from '../../../src/engine/stream';
import type { WeightDtype } from '../../../src/engine/types';
import {
  CHAT_LENGTH,
  measureRuntimes,
  RUNTIMES_MODEL,
  runtimesConfig,
  type Asks,
  type RuntimeFinding,
} from '../../../src/lab/bench/runtimes';
import { runtimeFor } from '../../../src/lab/setup/parts';
import { openVoice } from '../../../src/lab/setup/voices';
import type { RunConfig } from '../../../src/recipes/config';
import { readRuntime, runtimeTitle, type RuntimeSpec } from '../../../src/recipes/seats';
import { givenNames, type Voice } from '../../../src/runtimes/types';
import { nodeWorkers } from '../exactLanes';
import type { Output } from '../output';
import { modelFolder } from '../settings';
import { openTokenizer } from '../tokenizer';
import { nodeVoices } from '../voices';

/** Problems whose greedy answers are compared. */
const COMPARED = 200;

export interface RuntimesOptions {
  /** Name of a model that comes with the lab, or a folder. */
  model?: string | undefined;
  dtype: WeightDtype;
  /** Further runtimes, as the setting `seats` names them. */
  others: readonly string[];
  rows: readonly number[];
  /** For a measurement, about; the quickest repetition counts. */
  seconds: number;
}

/**
 * Tokens a second of the exact engine, of transformers.js where the model's folder has an ONNX file, and of further runtimes, by rows that
 * are asked at once; and how many greedy answers have the engine's ids and texts.
 * @throws ConfigurationError for what is no runtime; VoiceError and its kinds where one cannot be opened
 */
export async function benchRuntimes(output: Output, options: RuntimesOptions): Promise<void> {
  const { model = RUNTIMES_MODEL, dtype, others, rows, seconds } = options;
  const folder = resolve(modelFolder(model));
  const config = runtimesConfig(basename(folder) === RUNTIMES_MODEL);
  const onnx = existsSync(join(folder, 'onnx', 'model.onnx'));
  const names = [...(onnx ? [`transformers:${model}`] : []), ...others];
  // Before a model is loaded: what is no runtime, or not there, is told at once.
  const opened = await openAll(
    output,
    config,
    names.map((name) => readRuntime('with', name)),
  );
  try {
    const engine = await exactRuntime(folder, dtype, config, Math.max(...rows));
    try {
      describe(output, model, engine, opened);
      const runtimes = [engine.asks, ...opened.map(({ asks }) => asks)];
      const onDoing = (what: string): void => output.progress(what);
      for await (const found of measureRuntimes(runtimes, { config, rows, seconds, compared: COMPARED, onDoing }))
        report(output, found);
    } finally {
      await engine.dispose();
    }
  } finally {
    await Promise.allSettled(opened.map(({ voice }) => voice.close()));
  }
}

interface OpenedVoice {
  asks: Asks;
  voice: Voice;
}

async function openAll(output: Output, config: RunConfig, specs: readonly RuntimeSpec[]): Promise<OpenedVoice[]> {
  const opened: OpenedVoice[] = [];
  const { signal } = new AbortController();
  const openers = nodeVoices(output);
  try {
    for (const spec of specs) {
      const voice = await openVoice(openers, { spec, config, signal });
      const taken = opened.some(({ asks }) => asks.name === titleOf(spec));
      const name = taken ? spec.name : titleOf(spec);
      opened.push({ voice, asks: { name, ask: (questions) => voice.ask(questions) } });
    }
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map(({ voice }) => voice.close()));
    throw error;
  }
}

const titleOf = (spec: RuntimeSpec): string =>
  spec.name === `transformers:${RUNTIMES_MODEL}` ? 'transformers.js, WebAssembly' : runtimeTitle(spec.name);

function describe(output: Output, model: string, engine: OpenedEngine, opened: readonly OpenedVoice[]): void {
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.version };
  output.object({ type: 'machine', ...machine, build: BUILD, model: basename(model), hash: engine.hash });
  const { asks, threads, dtype, gives } = engine;
  output.object({ type: 'runtime', runtime: asks.name, threads, dtype, gives });
  for (const { asks: asked, voice } of opened) {
    const { name: seat, ...described } = voice.describe();
    output.object({ type: 'runtime', runtime: asked.name, seat, ...described });
  }
}

function report(output: Output, found: RuntimeFinding): void {
  if ('why' in found) {
    output.line(`${found.runtime} could not be measured: ${found.why}`);
    output.object({ type: 'failure', ...found });
  } else if ('rows' in found) {
    const { runtime, rows } = found;
    const tokensPerSecond = Math.round(found.tokensPerSecond);
    output.line(`${runtime}, ${rows} ${rows === 1 ? 'row' : 'rows'}: ${tokensPerSecond} tokens/s`);
    output.object({ type: 'speed', ...found, tokensPerSecond });
  } else {
    const { runtime, with: first, same, texts, of } = found;
    const ids = same === null ? 'ids are not given' : `${same} of ${of} have the same ids`;
    output.line(`greedy answers of ${runtime} beside ${first}: ${ids}, ${texts} of ${of} the same text`);
    output.object({ type: 'agreement', ...found });
  }
}

interface OpenedEngine {
  asks: Asks;
  threads: number;
  dtype: WeightDtype;
  gives: string[];
  hash: string;
  dispose(): Promise<void>;
}

async function exactRuntime(
  folder: string,
  dtype: WeightDtype,
  config: RunConfig,
  rows: number,
): Promise<OpenedEngine> {
  const stream = await openModelStream(folderSource(folder));
  const { ExactEngine } = await import('../../../src/engine/exact/engine');
  const maxLength = Math.min(CHAT_LENGTH, stream.config.maxPositions);
  // Every repetition is to compute all of its tokens.
  const options = { maxRows: rows, maxAdapters: 1, maxRank: 8, maxLength, dtype, prefixCache: false };
  const workers = nodeWorkers();
  const engine = await ExactEngine.create(stream, options, {}, workers);
  const hash = stream.hash ?? '';
  const runtime = runtimeFor(config, { engine, tokenizer: await openTokenizer(folder), hash, options });
  return {
    asks: { name: 'exact engine, WebAssembly', ask: (questions) => runtime.ask(questions) },
    threads: workers?.count ?? 1,
    dtype,
    gives: givenNames(runtime.can),
    hash,
    dispose: () => engine.dispose(),
  };
}
