/**
 * A model of SmolLM2-135M's shape with random int4 weights, on one thread: the exact engine (with f32 weights too) beside ONNX Runtime's MatMulNBits on WASM, once with
 * sums in f32 and once with activations rounded to 8 bits (accuracy level 4, what most exports ask for).
 *
 *     npm ci --prefix bench/peers
 *     npm run -s bench:int4 > bench/results/exact/smollm2-135m-int4.jsonl    (-- --alone: the exact engine only)
 *
 * Tokens are those that were sampled; the time includes their short prompts. Only ratios within one run count.
 */
import { cpus } from 'node:os';
import { ExactEngine } from '../../src/engine/exact/engine';
import { randomStream, shapeConfig } from '../../src/engine/shapes';
import { collect } from '../../src/engine/stream';
import type { GenerateRequest, ModelConfig } from '../../src/engine/types';
import { exportModel } from '../../tools/onnx/export';
import { OrtDecoder } from '../peers/ort';
import { sampled } from '../peers/ortWork';
import { line, measure } from './measure';

const SHAPE = 'SmolLM2-135M';
const ROWS = [1, 8, 24];
const PROMPT = 4;
const NEW_TOKENS = 8;
const REPEAT = 2;
const SEED = 0;
/** Room for prompt and response. */
const LENGTH = 32;

const config: ModelConfig = { ...shapeConfig(SHAPE), maxPositions: LENGTH };

function prompts(rows: number): number[][] {
  return Array.from({ length: rows }, (_, row) => Array.from({ length: PROMPT }, (_, t) => 100 + 7 * row + 5 * t));
}

function requests(rows: number): GenerateRequest[] {
  return prompts(rows).map((ids, problem) => ({
    ids,
    adapter: null,
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: NEW_TOKENS, stopIds: [] },
    key: { seed: 1, stream: 1, iteration: 0, agent: 0, problem, round: 0 },
  }));
}

async function time(engine: string, generate: (rows: number) => Promise<unknown>): Promise<void> {
  await generate(1);
  for (const rows of ROWS) {
    const { seconds, cpuSeconds } = await measure(async () => void (await generate(rows)), REPEAT);
    const tokens = rows * NEW_TOKENS;
    const speeds = { tokensPerSecond: tokens / seconds, tokensPerCpuSecond: tokens / cpuSeconds };
    line('decode', { engine, rows }, { seconds, cpuSeconds, ...speeds });
  }
}

console.log(
  JSON.stringify({ what: 'machine', cpu: cpus()[0]?.model, node: process.version, model: `${SHAPE}, random int4` }),
);
for (const dtype of ['int4', 'f32'] as const) {
  const engine = await ExactEngine.create(randomStream(config, SEED), { dtype, maxRows: 24, maxAdapters: 1 });
  const name = `exact, 1 worker, ${dtype}`;
  line('weights', { engine: name }, { megabytes: (await engine.report()).weightBytes / 1e6 });
  await time(name, (rows) => engine.generate(requests(rows)));
  await engine.dispose();
}
if (process.argv.includes('--alone')) process.exit(0);
for (const accuracy of [0, 4] as const) {
  const bytes = exportModel(await collect(randomStream(config, SEED)), { int4: true, accuracy });
  const decoder = await OrtDecoder.open('onnxruntime-web', 1, bytes, config);
  await time(`onnxruntime-web, 1 thread, accuracy level ${accuracy}`, (rows) =>
    decoder.generate(prompts(rows), NEW_TOKENS, sampled),
  );
  await decoder.close();
}
process.exit(0);
