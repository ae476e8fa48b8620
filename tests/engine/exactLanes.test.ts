/** The exact engine over threads: the whole contract, threads that end, and what is given up. */
import { afterEach, describe, expect, it } from 'vitest';
import { ExactEngine } from '../../src/engine/exact/engine';
import type { StartedLane } from '../../src/engine/exact/laneMessages';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { DEFAULT_OPTIMISER, type Engine, type GenerateRequest } from '../../src/engine/types';
import { nodeWorkers, startLane } from '../../tools/cli/exactLanes';
import { conformance } from './conformance';
import { readGolden } from './golden';
import { loadModel } from './loadModel';
import { operationDigests } from './operationDigests';

conformance(
  'the exact engine over two threads',
  async (dir, options) => {
    const { weights } = await loadModel(folderSource(dir));
    return ExactEngine.create(weights, options, {}, nodeWorkers(2));
  },
  ['llama'],
);

const OPTIONS = { maxRows: 5, maxLength: 40 };

/** A thread that ends, as one does whose memory the system takes, after so many messages from it. */
function mortalLane(messages: number): StartedLane {
  const lane = startLane();
  let ended: (why: string) => void = () => {};
  let left = messages;
  return {
    ...lane,
    listen: (heard) =>
      lane.listen((message) => {
        if (left-- > 0) return heard(message);
        if (left < -1) return;
        lane.end();
        ended('it was ended by the test');
      }),
    onEnd: (told) => lane.onEnd((ended = told)),
  };
}

let engine: Engine | null = null;
afterEach(async () => {
  await engine?.dispose();
  engine = null;
});

describe('a thread that ends', () => {
  it.each([1, 7, 20, 45, 60])('is replaced after %i messages, with the same results', async (messages) => {
    const { weights } = await readGolden('llama');
    const oracle = await operationDigests(await ReferenceEngine.create(weights, OPTIONS), OPTIONS.maxLength);
    let started = 0;
    const start = (): StartedLane => (started++ < 2 ? mortalLane(messages) : startLane());
    engine = await ExactEngine.create(weights, OPTIONS, {}, { count: 2, start });
    expect(await operationDigests(engine, OPTIONS.maxLength)).toEqual(oracle);
    expect(started).toBe(4);
  });

  it('passes every token of a row on once', async () => {
    const { weights } = await readGolden('llama');
    let started = 0;
    const start = (): StartedLane => (started++ < 2 ? mortalLane(5) : startLane());
    engine = await ExactEngine.create(weights, OPTIONS, {}, { count: 2, start });
    const heard = new Map<number, number[]>();
    const onTokens = (row: number, ids: number[]): void => void heard.set(row, [...(heard.get(row) ?? []), ...ids]);
    const results = await engine.generate(requests(12, 9), { onTokens });
    expect([...heard].sort(([a], [b]) => a - b)).toEqual(results.map(({ ids }, row) => [row, ids]));
  });

  it('ends the operation when it happens again and again', async () => {
    const { weights } = await readGolden('llama');
    engine = await ExactEngine.create(weights, OPTIONS, {}, { count: 2, start: () => mortalLane(2) });
    await expect(engine.generate(requests(12, 9), { onTokens: () => {} })).rejects.toThrow(/ended again and again/);
  });
});

describe('a run that is stopped', () => {
  it('gives up generation and training with the reason, and goes on to work', async () => {
    const { weights, sequences } = await readGolden('llama');
    engine = await ExactEngine.create(weights, OPTIONS, {}, nodeWorkers(2));
    const wanted = await engine.generate(requests(5, 4));
    const stop = new AbortController();
    const onTokens = (): void => stop.abort(new Error('enough'));
    await expect(engine.generate(requests(64, 30), { signal: stop.signal, onTokens })).rejects.toThrow('enough');
    expect(await engine.generate(requests(5, 4))).toEqual(wanted);

    await engine.createAdapter('a', { rank: 2, alpha: 2, targets: ['q_proj'] }, 1);
    const halt = new AbortController();
    const track = { adapter: 'a', examples: sequences, batches: [[0, 1], [2, 3], [4]] };
    const training = engine.train({
      objective: 'sft',
      tracks: [track],
      optimiser: DEFAULT_OPTIMISER,
      signal: halt.signal,
    });
    await training.next();
    halt.abort(new Error('enough'));
    await expect(training.next()).rejects.toThrow('enough');
    expect((await engine.optimiserState('a'))?.step).toBe(1);
    expect(await engine.generate(requests(5, 4))).toEqual(wanted);
  });
});

function requests(rows: number, maxTokens: number): GenerateRequest[] {
  return Array.from({ length: rows }, (_, agent) => ({
    ids: [3, 4, 5 + (agent % 3)],
    adapter: null,
    sampling: { temperature: 1, topK: 0, topP: 1, maxTokens, stopIds: [] },
    key: { seed: 1, stream: 1, iteration: 0, agent, problem: 0, round: 0 },
  }));
}
