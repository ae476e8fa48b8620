/** `bench`: how fast an engine generates and trains on this machine, with the operations counted. */
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  type Engine,
  type GenerateRequest,
  type ModelConfig,
} from '../../../src/engine/types';
import { projectionShape } from '../../../src/engine/config';
import { STREAMS } from '../../../src/random';
import { choice, ENGINES, number, readOptions, text } from '../args';
import { Output } from '../output';
import { openEngine, openModel } from '../session';

export const help = `polylogue bench [options]

  --model DIR      folder in Hugging Face layout; default the embedded model
  --engine NAME    auto, webgpu or reference; default auto
  --rank R         rank of the adapters, default 8
  --repeat N       timed repetitions after one that is not counted; the best counts; default 3
  --json           one JSON object per measurement

  Operations are counted as 2·P per token generated or prefilled and 6·P per token trained (forward, recomputation and
  the way back through frozen weights), P = parameters that multiply an activation, the head included; attention and adapters come on top.`;

const PROMPT = 16;
const COMPLETION = 48;
const ADAPTERS = 6;

interface Measurement {
  what: 'decode' | 'prefill' | 'train';
  rows: number;
  adapters: number;
  tokens: number;
  seconds: number;
  tokensPerSecond: number;
  gflopPerSecond: number;
}

export async function main(args: string[]): Promise<void> {
  const values = readOptions(args, {
    model: { type: 'string' },
    engine: { type: 'string' },
    rank: { type: 'string' },
    repeat: { type: 'string' },
    json: { type: 'boolean' },
  });
  const output = new Output(Boolean(values['json']));
  const rank = number(values, 'rank', 8, { integer: true, min: 1 });
  const repeat = number(values, 'repeat', 3, { integer: true, min: 1 });
  const model = await openModel(text(values, 'model') ?? 'static/models/arithmetic-0.4m');
  const { config } = model.weights;
  const options = {
    maxRows: 96,
    maxAdapters: ADAPTERS,
    maxRank: rank,
    maxLength: Math.min(PROMPT + COMPLETION + 1, config.maxPositions),
  };
  const engine = await openEngine(choice(values, 'engine', ENGINES, 'auto'), model, options, output);
  for (let i = 0; i < ADAPTERS; i++)
    await engine.createAdapter(name(i), { rank, alpha: 2 * rank, targets: [...PROJECTIONS] }, i);
  const parameters = multiplyingParameters(config);
  const { kind, device } = engine.info;
  output.object({ what: 'device', engine: kind, device, model: model.dir, parameters, rank, hash: model.hash });
  output.line(`${device}, ${model.dir}, ${parameters.toLocaleString('en')} multiplying parameters, rank ${rank}`);

  const report = (what: Measurement['what'], rows: number, adapters: number, tokens: number, seconds: number): void => {
    const operations = (what === 'train' ? 6 : 2) * parameters * tokens;
    const m: Measurement = {
      what,
      rows,
      adapters,
      tokens,
      seconds: round(seconds),
      tokensPerSecond: round(tokens / seconds),
      gflopPerSecond: round(operations / seconds / 1e9),
    };
    output.object(m);
    output.line(
      `${what.padEnd(8)} ${String(rows).padStart(3)} rows, ${adapters} adapters  ${m.tokensPerSecond.toFixed(0).padStart(8)} tokens/s  ${m.gflopPerSecond.toFixed(2).padStart(8)} GFLOP/s`,
    );
  };

  for (const rows of [1, 8, 24, 96]) {
    for (const adapters of [0, 1, ADAPTERS]) {
      const short = requests(config, rows, adapters, 1, COMPLETION);
      const seconds = await best(repeat, () => engine.generate(short));
      report('decode', rows, adapters, rows * COMPLETION, seconds);
    }
  }
  const long = requests(config, 96, ADAPTERS, PROMPT + COMPLETION - 1, 1);
  report('prefill', 96, ADAPTERS, 96 * (PROMPT + COMPLETION - 1), await best(repeat, () => engine.generate(long)));
  for (const adapters of [1, ADAPTERS]) {
    const tokens = adapters * 16 * (PROMPT + COMPLETION);
    report('train', 16 * adapters, adapters, tokens, await best(repeat, () => trainStep(engine, config, adapters)));
  }
  await engine.dispose();
}

function name(adapter: number): string {
  return `bench-${adapter}`;
}

/** Rows of arbitrary ids, adapter i mod `adapters`; nothing stops them early. */
function requests(
  config: ModelConfig,
  rows: number,
  adapters: number,
  prompt: number,
  maxTokens: number,
): GenerateRequest[] {
  return Array.from({ length: rows }, (_, row) => ({
    ids: Array.from({ length: prompt }, (_, t) => (7 * row + 5 * t) % config.vocabSize),
    adapter: adapters === 0 ? null : name(row % adapters),
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens, stopIds: [] },
    key: { seed: 1, stream: STREAMS.sample, iteration: 0, agent: 0, problem: row, round: 1 },
  }));
}

/** One optimiser step with 16 rows of each adapter. */
async function trainStep(engine: Engine, config: ModelConfig, adapters: number): Promise<void> {
  const length = PROMPT + COMPLETION + 1;
  const example = (row: number): { ids: number[]; weights: number[] } => ({
    ids: Array.from({ length }, (_, t) => (7 * row + 5 * t) % config.vocabSize),
    weights: Array.from({ length }, (_, t) => (t < PROMPT ? 0 : 1)),
  });
  const examples = Array.from({ length: 16 }, (_, row) => example(row));
  const batch = examples.map((_, row) => row);
  const tracks = Array.from({ length: adapters }, (_, i) => ({ adapter: name(i), examples, batches: [batch] }));
  for await (const event of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) void event;
}

/** Shortest time of `repeat` runs in seconds, after one that compiles and fills caches. */
async function best(repeat: number, work: () => Promise<unknown>): Promise<number> {
  let shortest = Infinity;
  for (let i = 0; i <= repeat; i++) {
    const start = performance.now();
    await work();
    if (i > 0) shortest = Math.min(shortest, (performance.now() - start) / 1000);
  }
  return shortest;
}

function multiplyingParameters(config: ModelConfig): number {
  const layer = PROJECTIONS.reduce((sum, projection) => {
    const [outputs, inputs] = projectionShape(config, projection);
    return sum + outputs * inputs;
  }, 0);
  return config.numLayers * layer + config.vocabSize * config.hiddenSize;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
