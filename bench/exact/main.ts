/**
 * The exact engine beside the oracle and PyTorch on one thread, in one run:
 *
 *     POLYLOGUE_PYTHON=/usr/bin/python3 npm run -s bench:exact > bench/results/exact/NAME.jsonl
 *
 * One JSON line a measurement: best of `REPEAT`, wall time and CPU time of all threads and of PyTorch's process, and the machine's
 * load while it was taken. Only ratios within one run count.
 */
import { cpus } from 'node:os';
import { ExactEngine } from '../../src/engine/exact/engine';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { openModelStream } from '../../src/engine/stream';
import { DEFAULT_OPTIMISER, PROJECTIONS, type Engine, type TrainJob } from '../../src/engine/types';
import { nodeWorkers } from '../../tools/cli/exactLanes';
import { TorchEngine } from '../../tools/cli/torchEngine';
import { line, measure } from './measure';
import { products } from './products';

const MODEL = 'static/models/arithmetic-0.4m';
const REPEAT = 5;
const ADAPTERS = 6;
const RANK = 8;
/** Of a training step: rows of each adapter, tokens of each row. */
const ROWS = 16;
const TOKENS = 64;
const PROMPT = 12;
const NEW_TOKENS = 48;

type Open = () => Promise<Engine>;

const stream = () => openModelStream(folderSource(MODEL));
const OPTIONS = { maxRows: 96, maxAdapters: ADAPTERS, maxRank: RANK };
const exact =
  (count: number): Open =>
  async () =>
    ExactEngine.create(await stream(), OPTIONS, {}, nodeWorkers(count));
const ENGINES: [name: string, open: Open, repeat: number][] = [
  ['exact, 1 worker', exact(1), REPEAT],
  ['exact, 2 workers', exact(2), REPEAT],
];
if (process.env['POLYLOGUE_PYTHON']) {
  ENGINES.push(['torch, 1 thread', async () => TorchEngine.start(MODEL, (await stream()).config), REPEAT]);
}

// Last, since it is slowest.
ENGINES.push(['reference', async () => ReferenceEngine.create(await stream(), OPTIONS), 1]);

async function generation(name: string, engine: Engine, repeat: number): Promise<void> {
  for (const adapters of [0, ADAPTERS]) {
    for (const rows of [1, 8, 24, 96]) {
      const requests = Array.from({ length: rows }, (_, agent) => ({
        ids: Array.from({ length: PROMPT }, (_, t) => 3 + ((t + agent) % 20)),
        adapter: adapters === 0 ? null : `a${agent % adapters}`,
        sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: NEW_TOKENS, stopIds: [] },
        key: { seed: 1, stream: 1, iteration: 0, agent, problem: 0, round: 0 },
      }));
      const { seconds, cpuSeconds } = await measure(async () => void (await engine.generate(requests)), repeat);
      const tokens = rows * NEW_TOKENS;
      const numbers = {
        seconds,
        cpuSeconds,
        tokensPerSecond: tokens / seconds,
        tokensPerCpuSecond: tokens / cpuSeconds,
      };
      line('decode', { engine: name, rows, adapters }, numbers);
    }
  }
}

async function training(name: string, engine: Engine, repeat: number): Promise<void> {
  const examples = Array.from({ length: ROWS }, (_, i) => ({
    ids: Array.from({ length: TOKENS }, (_, t) => 3 + ((t * 7 + i) % 20)),
    weights: new Array<number>(TOKENS).fill(1),
  }));
  const batch = examples.map((_, i) => i);
  const tracks = Array.from({ length: ADAPTERS }, (_, i) => ({ adapter: `a${i}`, examples, batches: [batch, batch] }));
  const job: TrainJob = { objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER };
  const { seconds, cpuSeconds } = await measure(
    async () => {
      for await (const _ of engine.train(job));
    },
    repeat,
    2,
  );
  line('step', { engine: name, adapters: ADAPTERS, rows: ROWS, tokens: TOKENS }, { seconds, cpuSeconds });
}

console.log(
  JSON.stringify({ what: 'machine', cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, model: MODEL }),
);
await products(REPEAT);
const opened: [string, Engine, number][] = [];
for (const [name, open, repeat] of ENGINES) {
  const engine = await open();
  for (let i = 0; i < ADAPTERS; i++) {
    await engine.createAdapter(`a${i}`, { rank: RANK, alpha: 2 * RANK, targets: [...PROJECTIONS] }, i);
  }
  opened.push([name, engine, repeat]);
}
for (const [name, engine, repeat] of opened) {
  await training(name, engine, repeat);
  await generation(name, engine, repeat);
  await engine.dispose();
}
process.exit(0);
