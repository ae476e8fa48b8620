/**
 * Two checkouts beside each other, an engine in a process of its own each: every measurement is made in turns, call by call, the base first in
 * every other turn. A measurement's ratio is the median of its turns' ratios, so a machine that is disturbed for seconds disturbs both. The
 * processes are started anew several times: one start of the same checkout is some percent quicker than the next, whatever it runs. Where
 * `paired.ts` runs one checkout after the other, the same figure differs by tens of percent from round to round.
 * Prints one JSON object; exits with 1 where the second checkout is more than 5 % slower.
 *
 *     npx tsx --import ./tools/cli/register.mjs bench/turns.ts BASE_FOLDER STARTS TURNS
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Engine, EngineOptions } from '../src/engine/types';
import { foldersOf, loadNow, reportAndExit } from './checkouts';

const MODEL = 'static/models/arithmetic-0.4m';
const ADAPTERS = 6;
const RANK = 8;
/** Tokens that a row decodes in a turn. */
const DECODED = 24;
/** Tokens of a prompt in prefill, and of a row in training. */
const LENGTH = 32;
/** Rows of an adapter in a training step, and of a prefill. */
const TRAIN_ROWS = 2;
const PREFILL_ROWS = 24;

interface Measurement {
  what: 'decode' | 'prefill' | 'train';
  rows: number;
  adapters: number;
}

const MEASUREMENTS: readonly Measurement[] = [
  ...[1, 8, 24].flatMap((rows) =>
    [0, 1, ADAPTERS]
      .filter((adapters) => adapters <= Math.max(1, rows))
      .map((adapters) => ({ what: 'decode' as const, rows, adapters })),
  ),
  { what: 'prefill', rows: PREFILL_ROWS, adapters: ADAPTERS },
  ...[1, ADAPTERS].map((adapters) => ({ what: 'train' as const, rows: TRAIN_ROWS * adapters, adapters })),
];

/** Seconds that a call took: by the clock, and of all processor cores. */
interface Took {
  wall: number;
  processor: number;
}

const [first, second, third] = process.argv.slice(2);
if (first === 'serve') await serve(second as string);
else if (first !== undefined && Number(second) >= 1 && Number(third) >= 1)
  await compare(first, Number(second), Number(third));
else {
  console.error(
    'bench/turns.ts BASE_FOLDER STARTS TURNS: a folder, and how often both are started and measured after each start',
  );
  process.exit(2);
}

async function compare(baseFolder: string, starts: number, turns: number): Promise<void> {
  const folders = foldersOf(baseFolder);
  const loadBefore = loadNow();
  const took = MEASUREMENTS.map(() => ({ base: [] as Took[], head: [] as Took[] }));
  let device = '';
  for (let begun = 0; begun < starts; begun++) {
    const { base, head } = { base: await start(folders.base), head: await start(folders.head) };
    device = head.device;
    for (const [index, measurement] of MEASUREMENTS.entries()) {
      // The first turn compiles and is left out.
      for (let turn = 0; turn <= turns; turn++) {
        for (const which of turn % 2 === 0 ? (['base', 'head'] as const) : (['head', 'base'] as const)) {
          const one = await asked(which === 'base' ? base.child : head.child, measurement);
          if (turn > 0) took[index]?.[which].push(one);
        }
      }
    }
    base.child.kill();
    head.child.kill();
  }
  const measurements = MEASUREMENTS.map(({ what, rows, adapters }, index) => {
    const { base, head } = took[index] as { base: Took[]; head: Took[] };
    const tokens = rows * (what === 'decode' ? DECODED : LENGTH);
    const speed = (all: Took[]): number => Number((tokens / median(all.map(({ wall }) => wall))).toPrecision(4));
    const ratio = (of: keyof Took): number =>
      Number(median(head.map((one, turn) => (base[turn] as Took)[of] / one[of])).toFixed(3));
    const name = what === 'decode' ? `decode, ${rows} rows, ${adapters} adapters` : `${what}, ${adapters} adapters`;
    return { name, base: speed(base), head: speed(head), ratio: ratio('wall'), processorRatio: ratio('processor') };
  });
  reportAndExit(folders, { device, model: MODEL, dtype: 'f32', starts, turns }, loadBefore, measurements);
}

/** A process with the engine of a checkout. */
async function start(folder: string): Promise<{ child: ChildProcess; device: string }> {
  const child = fork(fileURLToPath(import.meta.url), ['serve', folder], { cwd: folder });
  const [device] = (await once(child, 'message')) as [string];
  return { child, device };
}

async function asked(child: ChildProcess, measurement: Measurement): Promise<Took> {
  child.send(measurement);
  const [took] = (await once(child, 'message')) as [Took];
  return took;
}

/** Measures what it is asked for, with the code of a checkout. */
async function serve(folder: string): Promise<void> {
  const from = (path: string): Promise<object> => import(pathToFileURL(resolve(folder, path)).href);
  const { WebGpuEngine } = (await from('src/engine/gpu/engine.ts')) as typeof import('../src/engine/gpu/engine');
  const { openNodeGpu } = (await from('src/engine/gpu/node.ts')) as typeof import('../src/engine/gpu/node');
  const { openModelOrShape } = (await from('tools/cli/session.ts')) as typeof import('../tools/cli/session');
  const { PROJECTIONS } = (await from('src/engine/types.ts')) as typeof import('../src/engine/types');
  const work = (await from('src/bench/work.ts')) as typeof import('../src/bench/work');
  const { stream } = await openModelOrShape({}, resolve(folder, MODEL));
  const options: EngineOptions = {
    maxRows: PREFILL_ROWS,
    maxAdapters: ADAPTERS,
    maxRank: RANK,
    maxLength: 2 * LENGTH,
    prefixCache: false,
    selfCheck: false,
  };
  const engine: Engine = await WebGpuEngine.create(await openNodeGpu(), stream, options);
  for (let i = 0; i < ADAPTERS; i++) {
    await engine.createAdapter(work.adapterName(i), { rank: RANK, alpha: 2 * RANK, targets: [...PROJECTIONS] }, i);
  }
  const { config } = engine.info;
  const calls = {
    decode: ({ rows, adapters }: Measurement) =>
      engine.generate(work.requests(config, { rows, adapters, prompt: 1, maxTokens: DECODED })),
    prefill: ({ rows, adapters }: Measurement) =>
      engine.generate(work.requests(config, { rows, adapters, prompt: LENGTH, maxTokens: 1 })),
    train: ({ rows, adapters }: Measurement) => work.trainStep(engine, adapters, rows / adapters, LENGTH),
  };
  process.on('message', (measurement: Measurement) => {
    const [begun, before] = [performance.now(), process.cpuUsage()];
    void calls[measurement.what](measurement).then(() => {
      const { user, system } = process.cpuUsage(before);
      process.send?.({ wall: (performance.now() - begun) / 1000, processor: (user + system) / 1e6 } satisfies Took);
    });
  });
  process.send?.(engine.info.device);
}

/** The middle one, or the mean of the two in the middle. */
function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] as number;
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2;
}
