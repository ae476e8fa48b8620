/** The work that is timed: generations and training steps of chosen sizes, and how often to repeat them. */
import {
  DEFAULT_OPTIMISER,
  type Engine,
  type GenerateRequest,
  type ModelConfig,
  type TrainTrack,
} from '../engine/types';
import { STREAMS } from '../random';

export function adapterName(index: number): string {
  return `bench-${index}`;
}

/** Rows of arbitrary ids, row i with adapter i mod `adapters`; nothing stops them early. */
export function requests(
  config: ModelConfig,
  { rows, adapters, prompt, maxTokens }: { rows: number; adapters: number; prompt: number; maxTokens: number },
): GenerateRequest[] {
  return Array.from({ length: rows }, (_, row) => ({
    ids: Array.from({ length: prompt }, (_, t) => (7 * row + 5 * t) % config.vocabSize),
    adapter: adapters === 0 ? null : adapterName(row % adapters),
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens, stopIds: [] },
    key: { seed: 1, stream: STREAMS.sample, iteration: 0, agent: 0, problem: row, round: 1 },
  }));
}

/** One optimiser step with `rows` rows of each adapter, of `length` tokens that each predict the next. */
export async function trainStep(engine: Engine, adapters: number, rows: number, length: number): Promise<void> {
  const { vocabSize } = engine.info.config;
  const examples = Array.from({ length: rows }, (_, row) => ({
    ids: Array.from({ length: length + 1 }, (_, t) => (7 * row + 5 * t) % vocabSize),
    weights: Array.from({ length: length + 1 }, () => 1),
  }));
  const batches = [examples.map((_, row) => row)];
  const tracks = Array.from({ length: adapters }, (_, i): TrainTrack => ({
    adapter: adapterName(i),
    examples,
    batches,
  }));
  for await (const event of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) void event;
}

export interface Timing {
  /** Of the quickest repetition. */
  seconds: number;
  repetitions: number;
}

/** Seconds that one execution takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Repeats until the budget (seconds) is spent, at least once and at most `most` times; the quickest counts. */
export async function best(work: () => Promise<unknown>, most: number, budget: number): Promise<Timing> {
  let seconds = Infinity;
  let spent = 0;
  let repetitions = 0;
  do {
    const took = await timed(work);
    seconds = Math.min(seconds, took);
    spent += took;
    repetitions++;
  } while (repetitions < most && spent + seconds < budget);
  return { seconds, repetitions };
}
