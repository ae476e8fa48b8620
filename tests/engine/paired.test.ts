/** Two base models behind one engine: each call gives what the engine of its adapter gives alone. */
import { beforeAll, describe, expect, it } from 'vitest';
import { PairedEngine } from '../../src/engine/paired';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { randomStream } from '../../src/engine/shapes';
import { collect } from '../../src/engine/stream';
import {
  DEFAULT_OPTIMISER,
  type AdapterConfig,
  type Engine,
  type GenerateRequest,
  type ModelConfig,
  type TrainStepEvent,
} from '../../src/engine/types';
import { TINY } from './tinyConfig';

const SMALL: ModelConfig = {
  ...TINY,
  hiddenSize: 12,
  intermediateSize: 20,
  numLayers: 1,
  headDim: 4,
  vocabSize: 17,
  maxPositions: 32,
};
const LARGE: ModelConfig = { ...SMALL, hiddenSize: 16, headDim: 8, numHeads: 2, numLayers: 2 };
const CONFIG: AdapterConfig = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'] };
const HEAD: AdapterConfig = { ...CONFIG, head: true };

async function opened(config: ModelConfig, names: readonly string[]): Promise<Engine> {
  const engine = await ReferenceEngine.create(await collect(randomStream(config, 7)));
  for (const [at, name] of names.entries())
    await engine.createAdapter(name, name.startsWith('judge') ? HEAD : CONFIG, at);
  return engine;
}

/** The same engines alone, and together. */
let small: Engine;
let large: Engine;
let pair: PairedEngine;
beforeAll(async () => {
  [small, large] = await Promise.all([opened(SMALL, ['a', 'judge']), opened(LARGE, ['b', 'judge-b'])]);
  const [first, second] = await Promise.all([opened(SMALL, []), opened(LARGE, [])]);
  pair = new PairedEngine(first, second, new Set(['b', 'judge-b', 'c']));
  await pair.createAdapter('a', CONFIG, 0);
  await pair.createAdapter('b', CONFIG, 0);
  await pair.createAdapter('judge', HEAD, 1);
  await pair.createAdapter('judge-b', HEAD, 1);
});

const ids = (seed: number): number[] => Array.from({ length: 4 + (seed % 3) }, (_, i) => 3 + ((seed * 5 + i * 7) % 13));
const asked = (adapter: string | null, seed: number): GenerateRequest => ({
  ids: ids(seed),
  adapter,
  sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 6, stopIds: [2] },
  key: { seed: 1, stream: 2, iteration: 0, agent: 0, problem: seed, round: 1 },
});

describe('a pair of engines', () => {
  it('answers each request with the engine of its adapter, in the order of the requests', async () => {
    const requests = [asked('b', 1), asked(null, 2), asked('a', 3), asked('b', 4), asked(null, 5)];
    const [own, other] = [
      [1, 2, 4],
      [0, 3],
    ].map((places) => places.map((at) => requests[at] as GenerateRequest));
    const [of, others] = [await small.generate(own!), await large.generate(other!)];
    const heard = new Map<number, number[]>();
    const ended: number[] = [];
    const found = await pair.generate(requests, {
      onTokens: (row, tokens) => void heard.set(row, [...(heard.get(row) ?? []), ...tokens]),
      onRow: (row) => void ended.push(row),
    });
    expect(found).toEqual([others[0], of[0], of[1], others[1], of[2]]);
    expect(found.map((_, row) => heard.get(row))).toEqual(found.map((result) => result.ids));
    expect(ended.sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it('scores, embeds and rewards texts of both', async () => {
    const texts = [null, 'b', 'a', 'b'].map((adapter, at) => ({ ids: ids(at), adapter }));
    for (const name of ['score', 'embed'] as const) {
      const wanted = [];
      for (const text of texts) wanted.push(...(await (text.adapter === 'b' ? large : small)[name]([text])));
      expect(await pair[name](texts), name).toEqual(wanted);
    }
    const judged = ['judge-b', 'judge', 'judge-b'].map((adapter, at) => ({ ids: ids(at), adapter }));
    const wanted = [];
    for (const text of judged) wanted.push(...(await (text.adapter === 'judge' ? small : large).reward([text])));
    expect([...(await pair.reward(judged))]).toEqual(wanted);
  });

  it('sums what the layers of one model read', async () => {
    const texts = (adapter: string | null) => [1, 2].map((seed) => ({ ids: ids(seed), adapter }));
    expect(await pair.grams(texts('a'), ['q_proj'])).toEqual(await small.grams(texts('a'), ['q_proj']));
    expect(await pair.grams(texts('b'), ['q_proj'])).toEqual(await large.grams(texts('b'), ['q_proj']));
    await expect(pair.grams([...texts('a'), ...texts('b')], ['q_proj'])).rejects.toThrow(/a and b are of two models/);
  });

  it('trains, copies and hands out adapters of either model', async () => {
    const job = (adapter: string) => ({
      objective: 'sft' as const,
      tracks: [{ adapter, examples: [{ ids: ids(1), weights: [0, 1, 1, 1, 1] }], batches: [[0], [0]] }],
      optimiser: { ...DEFAULT_OPTIMISER, lr: 0.01 },
    });
    const steps = async (engine: Engine, adapter: string): Promise<TrainStepEvent[]> => {
      const all: TrainStepEvent[] = [];
      for await (const step of engine.train(job(adapter))) all.push(step);
      return all;
    };
    for (const [adapter, alone] of [
      ['a', small],
      ['b', large],
    ] as const) {
      expect(await steps(pair, adapter)).toEqual(await steps(alone, adapter));
      expect(await pair.exportAdapter(adapter)).toEqual(await alone.exportAdapter(adapter));
    }
    await pair.copyAdapter('b', 'c');
    expect(await pair.exportAdapter('c')).toEqual(await pair.exportAdapter('b'));
    expect(pair.adapters().sort()).toEqual(['a', 'b', 'c', 'judge', 'judge-b']);
    await pair.deleteAdapter('c');
    expect(pair.adapters()).not.toContain('c');
  });

  it('refuses what would need both models at once', async () => {
    const mixture = [
      { adapter: 'a', weight: 1 },
      { adapter: 'b', weight: 1 },
    ];
    const both = /a and b are of two models/;
    await expect(pair.generate([{ ...asked(null, 1), mixture }])).rejects.toThrow(both);
    await expect(pair.copyAdapter('a', 'b')).rejects.toThrow(both);
    const tracks = ['a', 'b'].map((adapter) => ({ adapter, examples: [], batches: [] }));
    const job = { objective: 'sft' as const, tracks, optimiser: DEFAULT_OPTIMISER };
    await expect(pair.train(job).next()).rejects.toThrow(both);
    // The untouched second model has no name, so the untouched first one goes with adapters of the first alone.
    const base = [{ adapter: null, weight: 1 }, mixture[1]!];
    await expect(pair.generate([{ ...asked(null, 1), mixture: base }])).rejects.toThrow(/the base and b are of two/);
    await expect(pair.importAdapter('b', await pair.exportAdapter('a'))).rejects.toThrow(/has shape/);
  });

  it('plans the bytes of both', () => {
    const plan = pair.plan();
    expect(plan.total).toBe(small.plan().total + large.plan().total);
    expect(plan.weights).toBe(small.plan().weights + large.plan().weights);
  });
});
