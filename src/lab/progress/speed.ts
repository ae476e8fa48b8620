/** How fast this device is with a model, from a short measurement. */
import type { Engine, TrainTrack } from '../../engine/types';
import { DEFAULT_OPTIMISER } from '../../engine/types';
import type { RunConfig } from '../../recipes/config';
import { needOf } from '../../recipes/work';
import { wantedRows } from '../setup/engineOptions';
import { speedKey } from './estimate';
import type { DeviceSpeed, EngineChoice } from '../types';

/** A trial that takes less than this is too short to go by, so a larger one is made (milliseconds). */
const LONG_ENOUGH = 400;
/** Lengths like those of the embedded model's problems; speed hardly depends on them. */
const PROMPT = 13;
const SEQUENCE = 53;
/** Every trial has so many times the size of the one before, up to what the run itself will do at once. */
const GROWTH = 4;

/** Times some generation and some training steps. Leaves no adapter behind. */
export async function measureSpeed(
  engine: Engine,
  config: RunConfig,
  signal: AbortSignal,
): Promise<Pick<DeviceSpeed, 'secondsPerGeneratedToken' | 'secondsPerTrainedToken'>> {
  const names = Array.from({ length: trainedAdapters(config) }, (_, n) => `speed-${n}`);
  try {
    for (const [n, name] of names.entries()) await engine.createAdapter(name, config.adapter, n);
    const secondsPerGeneratedToken = await timeGeneration(engine, config, names, signal);
    const secondsPerTrainedToken = await timeTraining(engine, config, names, signal);
    return { secondsPerGeneratedToken, secondsPerTrainedToken };
  } finally {
    for (const name of names) if (engine.adapters().includes(name)) await engine.deleteAdapter(name);
  }
}

/** Measures each model in each format on each engine once; a run that is started meanwhile does not have to wait. */
export class SpeedMeter {
  readonly #known = new Map<string, Promise<DeviceSpeed>>();
  #abort = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  /** @param open makes the engine ready for the configuration */
  measure(config: RunConfig, choice: EngineChoice, open: () => Promise<Engine>): Promise<DeviceSpeed> {
    const key = speedKey(config, choice);
    const known = this.#known.get(key);
    if (known) return known;
    const { signal } = this.#abort;
    const measured = this.#last.then(async () => {
      signal.throwIfAborted();
      const engine = await open();
      signal.throwIfAborted();
      const times = await measureSpeed(engine, config, signal).catch((error: unknown) => {
        // An engine in another worker knows that it was to stop, but not why.
        signal.throwIfAborted();
        throw error;
      });
      const { adapters, rank } = needOf(config);
      return { ...times, kind: engine.info.kind, bytes: engine.plan(), adapters, rank };
    });
    this.#known.set(key, measured);
    this.#last = measured.catch(() => this.#known.delete(key));
    return measured;
  }

  /** Gives up a measurement that is going on; resolves when the engine is free. */
  async abandon(): Promise<void> {
    this.#abort.abort(new Error('The measurement was given up because a run was started.'));
    this.#abort = new AbortController();
    await this.#last;
  }
}

async function timeGeneration(
  engine: Engine,
  config: RunConfig,
  adapters: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const most = wantedRows(config);
  const generate = async (rows: number, maxTokens: number) => {
    const requests = Array.from({ length: rows }, (_, row) => ({
      ids: promptIds(engine, PROMPT),
      adapter: adapters[row % adapters.length] ?? null,
      sampling: { ...config.sampling, maxTokens, stopIds: [] },
      key: { seed: 0, stream: 0, iteration: 0, agent: 0, problem: row, round: 1 },
    }));
    const start = performance.now();
    await engine.generate(requests, { signal });
    return performance.now() - start;
  };
  // The first use of a kernel compiles it.
  await generate(Math.min(2, most), 2);
  for (let rows = Math.min(8, most); ; rows = Math.min(most, rows * GROWTH)) {
    const tokens = 12;
    const time = await generate(rows, tokens);
    if (time >= LONG_ENOUGH || rows === most) return time / 1000 / (rows * tokens);
  }
}

async function timeTraining(
  engine: Engine,
  config: RunConfig,
  adapters: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const ids = promptIds(engine, SEQUENCE);
  const example = { ids, weights: ids.map((_, t) => (t < PROMPT ? 0 : 1)) };
  const train = async (batch: number) => {
    // Two steps: the first one of a shape compiles and records.
    const examples = Array.from({ length: batch }, () => example);
    const indices = examples.map((_, index) => index);
    const tracks = adapters.map((adapter): TrainTrack => ({ adapter, examples, batches: [indices, indices] }));
    let start = performance.now();
    let time = 0;
    for await (const { step } of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER, signal })) {
      time = performance.now() - start;
      if (step === 0) start = performance.now();
    }
    return time;
  };
  const most = config.finetune.batchSize;
  for (let batch = 1; ; batch = Math.min(most, batch * GROWTH)) {
    const time = await train(batch);
    if (time >= LONG_ENOUGH || batch === most) return time / 1000 / (adapters.length * batch * SEQUENCE);
  }
}

function promptIds(engine: Engine, length: number): number[] {
  const { vocabSize } = engine.info.config;
  return Array.from({ length }, (_, t) => (t * 7 + 3) % vocabSize);
}

/** Adapters that are trained together. */
function trainedAdapters(config: RunConfig): number {
  const { solve, revise } = needOf(config).tracks;
  return solve + revise;
}
