/** `bench --runtimes`: one model and one list of prompts through every runtime that this machine has for it. */
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { BUILD } from '../../../src/build';
import type { ExactEngine } from '../../../src/engine/exact/engine';
import { folderSource } from '../../../src/engine/loader-node';
import { openModelStream } from '../../../src/engine/stream';
import { measureRuntimes, RUNTIMES_MODEL as MODEL, RUNTIMES_SEED, type Asks } from '../../../src/lab/bench/runtimes';
import { openVoices } from '../../../src/lab/setup/voices';
import { runtimeFor } from '../../../src/lab/setup/parts';
import { resolveConfig } from '../../../src/recipes/resolve';
import { seatedRuntimes } from '../../../src/recipes/seats';
import { nodeWorkers } from '../exactLanes';
import type { Output } from '../output';
import { modelFolder } from '../settings';
import { openTokenizer } from '../tokenizer';
import { nodeVoices } from '../voices';

/** Problems whose greedy answers are compared. */
const COMPARED = 200;

/**
 * Tokens a second of the exact engine and of transformers.js, by rows that are asked at once, and how many greedy answers have the same
 * ids. The embedded model and its ONNX file.
 * @param seconds for a measurement, about; the quickest repetition counts
 */
export async function benchRuntimes(output: Output, rows: readonly number[], seconds: number): Promise<void> {
  const config = resolveConfig('arithmetic-quick', { seed: RUNTIMES_SEED, seats: `2=transformers:${MODEL}` });
  const signal = new AbortController().signal;
  const voices = await openVoices(nodeVoices(output), config, { signal });
  const { runtime } = seatedRuntimes(config)[0]!;
  const voice = voices.get(runtime.name)!;
  const { engine, asks, threads } = await exactRuntime(Math.max(...rows));
  const others: Asks = { name: 'transformers.js, WebAssembly', ask: (questions) => voice.ask(questions) };
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.version };
  output.object({ type: 'machine', ...machine, build: BUILD, model: MODEL, hash: engine.modelHash });
  output.object({
    type: 'runtime',
    runtime: asks.name,
    threads,
    gives: Object.keys(engine.can).filter((key) => engine.can[key as 'ids']),
  });
  const { name: seat, ...described } = voice.describe();
  output.object({ type: 'runtime', runtime: others.name, seat, threads: 1, ...described });
  try {
    for await (const found of measureRuntimes([asks, others], { rows, seconds, compared: COMPARED })) {
      if ('rows' in found) {
        const speed = Math.round(found.tokensPerSecond);
        output.line(`${found.runtime}, ${found.rows} ${found.rows === 1 ? 'row' : 'rows'}: ${speed} tokens/s`);
        output.object({ type: 'speed', ...found, tokensPerSecond: speed });
      } else {
        output.line(`greedy ids of ${found.runtime}: ${found.same} of ${found.of} answers are those of the engine`);
        output.object({ type: 'agreement', with: asks.name, ...found });
      }
    }
  } finally {
    await voice.close();
    await engine.dispose();
  }
}

interface Opened {
  engine: { can: Readonly<Record<string, boolean>>; modelHash: string; dispose(): Promise<void> };
  asks: Asks;
  threads: number;
}

async function exactRuntime(rows: number): Promise<Opened> {
  const folder = resolve(modelFolder(MODEL));
  const stream = await openModelStream(folderSource(folder));
  const { ExactEngine } = await import('../../../src/engine/exact/engine');
  // Every repetition is to compute all of its tokens.
  const options = { maxRows: rows, maxAdapters: 1, maxRank: 8, prefixCache: false };
  const workers = nodeWorkers();
  const engine: ExactEngine = await ExactEngine.create(stream, options, {}, workers);
  const config = resolveConfig('arithmetic-quick', { seed: RUNTIMES_SEED });
  const modelHash = stream.hash ?? '';
  const runtime = runtimeFor(config, { engine, tokenizer: await openTokenizer(folder), hash: modelHash, options });
  return {
    engine: { can: { ...runtime.can }, modelHash, dispose: () => engine.dispose() },
    asks: { name: 'exact engine, WebAssembly', ask: (questions) => runtime.ask(questions) },
    threads: workers?.count ?? 1,
  };
}
