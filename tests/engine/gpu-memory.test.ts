/** Device memory over a long run: nothing is allocated per token, per step or per call once every size has been seen. */

import { describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { uploadTurns } from '../../src/engine/gpu/forward';
import { AdapterLayout } from '../../src/engine/gpu/layout';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { Program, ProgramCache } from '../../src/engine/gpu/program';
import { Trainer } from '../../src/engine/gpu/train';
import { initAdapter } from '../../src/engine/peft';
import type { TrainMemory } from '../../src/engine/plan';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  type GenerateRequest,
  type HostTensor,
  type ModelWeights,
  type TrainJob,
  type TrainStepEvent,
} from '../../src/engine/types';
import { drawUniform } from '../../src/random';
import { readGolden } from './golden';
import { openTestGpu, loadWeights } from './gpu';

let drawn = 0;
const below = (n: number): number => Math.floor(drawUniform({ seed: 13, stream: 0 }, drawn++) * n);

/** An engine of one layer (a step takes less time, and allocates what it allocates all the same) with two adapters. */
async function openEngine() {
  const golden = await readGolden('llama');
  const options = { maxRows: 20, maxAdapters: 4, maxRank: 8, maxLength: 64, selfCheck: false };
  const engine = await WebGpuEngine.create(await openNodeGpu(), withLayers(golden.weights, 1), options);
  await engine.createAdapter('a', { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'] }, 1);
  await engine.createAdapter('b', { rank: 6, alpha: 8, targets: ['q_proj', 'down_proj'] }, 2);
  const ids = (length: number): number[] => Array.from({ length }, () => below(golden.weights.config.vocabSize));
  return { golden, engine, ids };
}

/** Counts that must stand still. */
function allocated({ counters }: WebGpuEngine) {
  const { buffersCreated, deviceBytes, programs } = counters;
  return { buffersCreated, deviceBytes, programs };
}

describe('the memory of an engine', () => {
  it('is the same before and after 1,000 generations', async () => {
    const { engine, ids } = await openEngine();
    const request = (prompt: number[], adapter: string | null, maxTokens: number): GenerateRequest => ({
      ids: prompt,
      adapter,
      sampling: { temperature: 1, topK: 0, topP: 1, maxTokens, stopIds: [] },
      key: { seed: below(1e9), stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 },
    });
    // Calls of 1 to 39 requests, more than there are rows: new texts each time, beginnings shared and not.
    const cycle = async (): Promise<number> => {
      let generated = 0;
      for (const [n, length, maxTokens] of [
        [1, 3, 2],
        [7, 12, 3],
        [20, 9, 1],
        [39, 5, 4],
        [12, 44, 5],
        [24, 30, 2],
      ] as const) {
        const stem = ids(20);
        const requests = Array.from({ length: n }, (_, i) => {
          const prompt = i % 4 < 2 ? [...stem, ...ids(length % 30)] : ids(length);
          return request(prompt, [null, 'a', 'b'][i % 3] ?? null, 1 + (i % maxTokens));
        });
        generated += (await engine.generate(requests)).length;
      }
      await engine.score(Array.from({ length: 5 }, (_, i) => ({ ids: ids(10 + 9 * i), adapter: 'a' })));
      // As a run does: adapters leave and come back.
      await engine.importAdapter('b', await engine.exportAdapter('b'));
      await engine.copyAdapter('a', 'c');
      await engine.deleteAdapter('c');
      return generated;
    };
    // Which rows take over from which depends on the draws: two copies at once come first in the seventh cycle.
    for (let i = 0; i < 8; i++) await cycle();
    const before = allocated(engine);
    let generated = 0;
    while (generated < 1000) generated += await cycle();
    expect(allocated(engine)).toEqual(before);
    await engine.dispose();
  });

  it('is the same before and after 1,000 steps of training, in jobs of different sizes', async () => {
    const { engine, golden } = await openEngine();
    // Short ones: what is allocated does not depend on it, the time does.
    const examples = [0, 3, 1, 0, 3].map((i) => golden.sequences[i]!);
    const job = (steps: number, largest: number, both: boolean): TrainJob => {
      const batches = Array.from({ length: steps }, (_, s) => [0, 1, 2, 3, 4].slice(0, 1 + (s % largest)));
      const tracks = ['a', 'b'].slice(0, both ? 2 : 1).map((adapter) => ({ adapter, examples, batches }));
      return { objective: 'sft', tracks, optimiser: { ...DEFAULT_OPTIMISER, lr: 1e-4 } };
    };
    const train = async (steps: number, largest: number, both: boolean): Promise<number> => {
      let trained = 0;
      for await (const event of engine.train(job(steps, largest, both))) trained += event.tracks.length > 0 ? 1 : 0;
      await engine.optimiserState('a');
      return trained;
    };
    for (const largest of [2, 5, 3]) for (const both of [true, false]) await train(5, largest, both);
    const before = allocated(engine);
    let trained = 0;
    while (trained < 1000) {
      for (const largest of [2, 5, 3]) trained += await train(56, largest, trained % 3 === 0);
    }
    expect(allocated(engine)).toEqual(before);
    await engine.dispose();
  });
});

describe('a device', () => {
  it('reads more than it stages at once, and keeps what it reads through', async () => {
    const gpu = await openTestGpu();
    const words = Uint32Array.from({ length: 5 << 20 }, (_, i) => Math.imul(i, 0x9e3779b1));
    const buffer = gpu.upload('large', words);
    expect(Buffer.compare(Buffer.from(await gpu.read(buffer)), Buffer.from(words.buffer))).toBe(0);
    const { buffersCreated, bytesBeside } = gpu;
    for (let i = 0; i < 5; i++) {
      expect([...new Uint32Array(await gpu.read(buffer, 4 * i, 8))]).toEqual([...words.subarray(i, i + 2)]);
      expect((await gpu.read(buffer, 4, 9 << 20)).byteLength).toBe(9 << 20);
    }
    expect([gpu.buffersCreated, gpu.bytesBeside]).toEqual([buffersCreated, bytesBeside]);
  });

  it('keeps a bounded number of programs, the last used', async () => {
    const gpu = await openTestGpu();
    const [from, to] = [gpu.upload('rows', Float32Array.of(1, 2, 3)), gpu.buffer('to', 12)];
    const at = gpu.upload('at', Uint32Array.of(2, 0, 1));
    const cache = new ProgramCache(gpu, 4);
    const recorded: string[] = [];
    const gather = async (count: number): Promise<number[]> => {
      gpu.zero(to);
      const record = (program: Program): void => {
        recorded.push(program.label);
        program.add('gather_rows', { WIDTH: 1 }, [at, from, to], [count], [1, count]);
      };
      cache.get(`gather ${count}`, record).submit();
      return [...new Float32Array(await gpu.read(to))];
    };
    const copy = (n: number): void => cache.get(`copy ${n}`, (program) => program.copy(at, 0, to, 0, 4)).submit();
    expect(await gather(3)).toEqual([3, 1, 2]);
    const bytes = gpu.bytesBeside;
    for (let n = 0; n < 100; n++) {
      copy(n);
      // Used again and again, it stays.
      if (n % 3 === 0) expect(await gather(3)).toEqual([3, 1, 2]);
    }
    expect(recorded).toEqual(['gather 3']);
    expect(cache.size).toBe(4);
    expect(gpu.bytesBeside - bytes).toBe(3 * 256);
    for (let n = 0; n < 4; n++) copy(n);
    expect(await gather(3)).toEqual([3, 1, 2]);
    expect(recorded).toEqual(['gather 3', 'gather 3']);
    cache.clear();
    expect(gpu.bytesBeside).toBe(bytes - 256);
  });
});

describe('training a model of many layers', () => {
  it('keeps all layers or computes each twice, to the same bits', async () => {
    const gpu = await openTestGpu();
    const golden = await readGolden('qwen3');
    const weights = withLayers(golden.weights, 11);
    const { config } = weights;
    const adapter = initAdapter(config, { rank: 6, alpha: 9, targets: ['q_proj', 'v_proj', 'o_proj', 'down_proj'] }, 5);
    // B is zero at first: nothing would come through it.
    for (const [name, { data }] of adapter.tensors) {
      if (name.includes('lora_B'))
        data.forEach((_, i) => (data[i] = 0.2 * (drawUniform({ seed: 1, stream: 2 }, i) - 0.5)));
    }
    const layout = new AdapterLayout(config, 6);
    const device = await loadWeights(gpu, weights);
    const train = async (memory: TrainMemory) => {
      const pool = gpu.upload('pool', layout.pack(adapter.config, adapter.tensors));
      const trainer = new Trainer({
        forward: {
          gpu,
          config,
          weights: device,
          adapters: { layout, dtype: 'f32', weights: pool, scale: gpu.upload('scale', Float32Array.of(1.5)) },
          turns: uploadTurns(gpu, config, config.maxPositions),
          saturated: gpu.buffer('saturated', 4),
        },
        limits: { vocabSize: config.vocabSize, maxLength: config.maxPositions, adapters: new Set(['a']) },
        adapterOf: () => ({ slot: 0, config: adapter.config }),
        score: () => Promise.reject(new Error('plain finetuning scores nothing')),
        reward: () => Promise.reject(new Error('plain finetuning reads no rewards')),
        enqueue: (operation) => operation(),
        memory,
      });
      const track = { adapter: 'a', examples: golden.sequences, batches: [[0, 1, 2, 3, 4], [2], [4, 1]] };
      const gradients = await trainer.gradients(track);
      const events: TrainStepEvent[] = [];
      const optimiser = { ...DEFAULT_OPTIMISER, lr: 1e-2, clip: 1 };
      for await (const event of trainer.train({ objective: 'sft', tracks: [track], optimiser })) events.push(event);
      const { activations } = trainer.bytes;
      trainer.dispose();
      return { activations, results: { gradients, events, pool: new Float32Array(await gpu.read(pool)) } };
    };
    const roomy = await train({ activationBytes: 256 << 20, logitsBytes: 64 << 20 });
    const frugal = await train({ activationBytes: 0, logitsBytes: 0 });
    expect(frugal.results).toEqual(roomy.results);
    for (const { data } of roomy.results.gradients.tensors.values()) expect(data.some((x) => x !== 0)).toBe(true);
    // Ten layers' activations less; the inputs of all layers are kept either way.
    expect(frugal.activations).toBeLessThan(0.4 * roomy.activations);
  });
});

/** A model with fewer or more layers: the given ones over and over, each time scaled a little differently. */
function withLayers({ config, tensors }: ModelWeights, numLayers: number): ModelWeights {
  const layers = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of tensors) {
    const [, layer, rest] = /^model\.layers\.(\d+)\.(.*)$/.exec(name) ?? [];
    if (layer === undefined) layers.set(name, { shape, data });
    for (let l = Number(layer); l < numLayers; l += config.numLayers) {
      const scale = PROJECTIONS.some((projection) => name.includes(projection)) ? 0.5 + l / (2 * numLayers) : 1;
      layers.set(`model.layers.${l}.${rest}`, { shape, data: data.map((x) => x * scale) });
    }
  }
  return { config: { ...config, numLayers }, tensors: layers };
}
