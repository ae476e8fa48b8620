/**
 * Memory of the exact engine over 2,000 training steps and 2,000 generations, two workers:
 *
 *     npm run -s bench:exact-memory > bench/results/exact/memory.json
 */
import { ExactEngine } from '../../src/engine/exact/engine';
import { folderSource } from '../../src/engine/loader-node';
import { openModelStream } from '../../src/engine/stream';
import { DEFAULT_OPTIMISER, PROJECTIONS } from '../../src/engine/types';
import { nodeWorkers } from '../../tools/cli/exactLanes';

const TIMES = 2000;
const EVERY = 250;

const stream = await openModelStream(folderSource('static/models/arithmetic-0.4m'));
const engine = await ExactEngine.create(stream, { maxRows: 8 }, {}, nodeWorkers(2));
await engine.createAdapter('a', { rank: 8, alpha: 16, targets: [...PROJECTIONS] }, 1);

const megabytes = (): number => Math.round(process.memoryUsage.rss() / 1e6);
const result = { times: TIMES, every: EVERY, training: [] as number[], generation: [] as number[] };

const examples = Array.from({ length: 4 }, (_, i) => ({
  ids: Array.from({ length: 16 + 3 * i }, (_, t) => 3 + ((t * 7 + i) % 20)),
  weights: new Array<number>(16 + 3 * i).fill(1),
}));
const batches = Array.from({ length: TIMES }, (_, step) => [step % 4, (step + 1) % 4]);
const tracks = [{ adapter: 'a', examples, batches }];
for await (const { step } of engine.train({
  objective: 'sft',
  tracks,
  optimiser: { ...DEFAULT_OPTIMISER, lr: 1e-4 },
})) {
  if (step % EVERY === EVERY - 1) result.training.push(megabytes());
}
for (let i = 0; i < TIMES; i++) {
  await engine.generate(
    Array.from({ length: 4 }, (_, agent) => ({
      ids: [3, 4, 5 + ((i + agent) % 15)],
      adapter: agent % 2 ? 'a' : null,
      sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 8, stopIds: [] },
      key: { seed: i, stream: 1, iteration: 0, agent, problem: 0, round: 0 },
    })),
  );
  if (i % EVERY === EVERY - 1) result.generation.push(megabytes());
}
console.log(JSON.stringify({ what: 'resident megabytes of the process', ...result }));
process.exit(0);
