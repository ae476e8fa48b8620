/**
 * What seldom happens together on GPUs' kernels: odd numbers of rows, ranks that are no multiple of four, adapters that change between answers, a
 * head in several buffers. Nothing of it may change a bit of what a row gets.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { mergeAdapters } from '../../src/engine/merge/rules';
import { initAdapter } from '../../src/engine/peft';
import { ResilientEngine } from '../../src/engine/resilient';
import { randomStream } from '../../src/engine/shapes';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  type AdapterWeights,
  type Engine,
  type EngineOptions,
  type GenerateRequest,
  type ModelConfig,
  type Projection,
} from '../../src/engine/types';
import { TINY } from './tinyConfig';
import { TroubledGpu } from './troubledGpu';

const open: Engine[] = [];
// Dawn keeps Node alive while a device is open.
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.dispose();
});

async function opened(config: ModelConfig, options: EngineOptions, gpu?: GPU): Promise<WebGpuEngine> {
  const engine = await WebGpuEngine.create(gpu ?? (await openNodeGpu()), randomStream(config, 5), {
    tiles: 'gpu',
    selfCheck: false,
    ...options,
  });
  open.push(engine);
  return engine;
}

/** Widths that are multiples of 4 and of nothing larger. */
const ODD: ModelConfig = {
  ...TINY,
  hiddenSize: 36,
  intermediateSize: 44,
  numHeads: 3,
  headDim: 12,
  vocabSize: 101,
  qkvBias: true,
  eosTokenIds: [],
};
/** Widths that no vector of four fits. */
const ODDER: ModelConfig = { ...ODD, hiddenSize: 22, intermediateSize: 27, headDim: 6, numHeads: 5 };

/** An adapter whose B is not zero. */
function adapter(config: ModelConfig, rank: number, targets: Projection[], seed: number): AdapterWeights {
  const made = initAdapter(config, { rank, alpha: 2 * rank, targets }, seed);
  for (const [name, { data }] of made.tensors)
    if (name.includes('lora_B')) data.forEach((_, i) => (data[i] = ((((i + seed) * 37) % 101) - 50) / (60 * rank)));
  return made;
}

const RANKS: Record<string, [rank: number, targets: Projection[]]> = {
  one: [1, ['q_proj', 'down_proj']],
  three: [3, [...PROJECTIONS]],
  seventeen: [17, ['k_proj', 'v_proj', 'up_proj']],
  sixtyFour: [64, [...PROJECTIONS]],
};
const ADAPTERS = [null, ...Object.keys(RANKS)];
const MOST = 47;

async function withAdapters(config: ModelConfig, options: EngineOptions): Promise<WebGpuEngine> {
  const engine = await opened(config, { maxRows: MOST, maxAdapters: 4, maxRank: 64, maxLength: 64, ...options });
  for (const [name, [rank, targets]] of Object.entries(RANKS))
    await engine.importAdapter(name, adapter(config, rank, targets, rank));
  return engine;
}

function request(config: ModelConfig, row: number, ids?: number[]): GenerateRequest {
  const length = 3 + ((5 * row) % 22);
  return {
    ids: ids ?? Array.from({ length }, (_, t) => (7 * (row % 3) + 5 * t * t + t) % config.vocabSize),
    adapter: ADAPTERS[(7 * row) % ADAPTERS.length] as string | null,
    sampling: { temperature: 1, topK: 0, topP: row % 2 === 0 ? 1 : 0.9, maxTokens: 3 + (row % 6), stopIds: [] },
    key: { seed: 3, stream: 1, iteration: 0, agent: row, problem: row, round: 0 },
  };
}

describe.each<[string, ModelConfig, EngineOptions]>([
  ['int4, f16 where the device has it', ODD, { dtype: 'int4' }],
  ['f32, widths that no vector fits', ODDER, { dtype: 'f32' }],
])('rows of four ranks in %s', { timeout: 600_000 }, (_name, config, options) => {
  it('get the same bits among any odd number of others', async () => {
    const engine = await withAdapters(config, { ...options, prefixCache: false });
    const asked = Array.from({ length: MOST }, (_, row) => request(config, row));
    const all = await engine.generate(asked);
    for (const rows of [1, 2, 7, 9, 15, 17, 31, 33])
      expect(await engine.generate(asked.slice(0, rows)), `${rows} rows`).toEqual(all.slice(0, rows));
    expect(await engine.generate(asked.slice(-9))).toEqual(all.slice(-9));
    expect(new Set(all.map(({ ids }) => ids.join())).size).toBeGreaterThan(MOST / 2);
  });

  it('get the same bits where beginnings are taken over, in as many rows as there are', async () => {
    const fresh = await withAdapters(config, { ...options, prefixCache: false });
    const asked = Array.from({ length: 33 }, (_, row) => request(config, row));
    const first = await fresh.generate(asked);
    const longer = asked.map((one, row) =>
      request(config, row, [...Array.from(one.ids), ...(first[row]?.ids ?? []), row % 5, 1, 2 + (row % 3)]),
    );
    const second = await fresh.generate(longer);
    for (const maxRows of [7, 33]) {
      const engine = await withAdapters(config, { ...options, maxRows });
      expect(await engine.generate(asked)).toEqual(first);
      expect(await engine.generate(longer)).toEqual(second);
      expect(engine.counters.reused).toBeGreaterThan(0);
      await engine.dispose();
      open.splice(open.indexOf(engine), 1);
    }
  });
});

describe('adapters that change', { timeout: 600_000 }, () => {
  const options: EngineOptions = { dtype: 'int4', maxRows: 3, maxAdapters: 3, maxRank: 7, maxLength: 40 };
  const examples = [3, 11, 20].map((start) => ({
    ids: Array.from({ length: 12 }, (_, t) => (start + 3 * t) % ODD.vocabSize),
    weights: Array.from({ length: 12 }, (_, t) => (t > 4 ? 1 : 0)),
  }));
  const ask = (name: string): GenerateRequest => ({ ...request(ODD, 2), adapter: name });

  async function learn(engine: Engine, name: string): Promise<void> {
    const tracks = [{ adapter: name, examples, batches: [[0, 1, 2]] }];
    const optimiser = { ...DEFAULT_OPTIMISER, lr: 0.02 };
    for await (const step of engine.train({ objective: 'sft', tracks, optimiser })) void step;
  }

  /** Answers of an engine that has never had other weights. */
  async function afresh(weights: AdapterWeights) {
    const engine = await opened(ODD, options);
    await engine.importAdapter('x', weights);
    const answers = await engine.generate([ask('x')]);
    const scores = await engine.score([{ ids: examples[0]!.ids, adapter: 'x' }]);
    await engine.dispose();
    open.splice(open.indexOf(engine), 1);
    return { answers, scores };
  }

  async function holds(engine: Engine, name: string): Promise<unknown> {
    const wanted = await afresh(await engine.exportAdapter(name));
    expect(await engine.generate([ask(name)])).toEqual(wanted.answers);
    expect(await engine.score([{ ids: examples[0]!.ids, adapter: name }])).toEqual(wanted.scores);
    return wanted.answers[0]?.logprobs;
  }

  it('are read as they are after every job, merge and loss of the device', async () => {
    const troubled = await TroubledGpu.open();
    const engine = await ResilientEngine.open(
      (wanted) =>
        WebGpuEngine.create(troubled.gpu, randomStream(ODD, 5), { ...wanted, tiles: 'gpu', selfCheck: false }),
      options,
      { pauses: [0, 0, 0, 0] },
    );
    open.push(engine);
    await engine.importAdapter('a', adapter(ODD, 3, [...PROJECTIONS], 1));
    await engine.importAdapter('b', adapter(ODD, 4, ['q_proj', 'up_proj'], 2));
    const seen = [await holds(engine, 'a')];
    for (let job = 0; job < 3; job++) {
      await learn(engine, 'a');
      seen.push(await holds(engine, 'a'));
    }
    troubled.destroy();
    expect(await holds(engine, 'a')).toEqual(seen.at(-1));
    await learn(engine, 'b');
    troubled.destroy();
    await learn(engine, 'a');
    seen.push(await holds(engine, 'a'), await holds(engine, 'b'));
    const parts = [await engine.exportAdapter('a'), await engine.exportAdapter('b')];
    const { adapter: merged } = await mergeAdapters(parts, { kind: 'task-arithmetic', scale: 0.5 });
    await engine.importAdapter('merged', merged);
    seen.push(await holds(engine, 'merged'));
    // Under a name that was another's, in its place.
    await engine.deleteAdapter('a');
    await engine.importAdapter('a', merged);
    expect(await holds(engine, 'a')).toEqual(seen.at(-1));
    await learn(engine, 'a');
    seen.push(await holds(engine, 'a'));
    expect(await holds(engine, 'merged')).toEqual(seen.at(-2));
    expect(new Set(seen.map((logprobs) => JSON.stringify(logprobs))).size).toBe(seen.length);
  });
});

/** A device whose bindings hold so many bytes. */
async function narrowGpu(bytes: number): Promise<GPU> {
  const real = await openNodeGpu();
  const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> => {
    const found = await real.requestAdapter(options);
    if (found === null) return null;
    const requestDevice = found.requestDevice.bind(found);
    found.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      const { limits } = device;
      const most = { maxStorageBufferBindingSize: bytes, maxBufferSize: bytes };
      const narrow = new Proxy(limits, {
        get: (_, name) => (name in most ? most[name as keyof typeof most] : Reflect.get(limits, name, limits)),
      });
      Object.defineProperty(device, 'limits', { value: narrow });
      return device;
    };
    return found;
  };
  return { requestAdapter, wgslLanguageFeatures: real.wgslLanguageFeatures } as unknown as GPU;
}

describe.each([true, false])('a head in several buffers, tied: %s', { timeout: 600_000 }, (tieWordEmbeddings) => {
  const config: ModelConfig = {
    ...ODD,
    hiddenSize: 1100,
    vocabSize: 611,
    numLayers: 1,
    numHeads: 4,
    headDim: 16,
    tieWordEmbeddings,
  };
  it.each(['cpu', 'gpu'] as const)('answers and learns as one buffer does, %s kernels', async (tiles) => {
    const options: EngineOptions = { tiles, maxRows: 9, maxAdapters: 1, maxRank: 3, maxLength: 40 };
    const asked = Array.from({ length: 9 }, (_, row) => ({ ...request(config, row), adapter: row % 2 ? 'a' : null }));
    const ids = Array.from({ length: 20 }, (_, t) => (31 * t + 5) % config.vocabSize);
    const found = [];
    for (const gpu of [await narrowGpu(2_300_000), await openNodeGpu()]) {
      const engine = await opened(config, options, gpu);
      await engine.importAdapter('a', adapter(config, 3, ['o_proj', 'gate_proj'], 4));
      const answers = await engine.generate(asked);
      const scores = await engine.score([{ ids, adapter: 'a' }]);
      const losses: number[] = [];
      const tracks = [{ adapter: 'a', examples: [{ ids, weights: ids.map(() => 1) }], batches: [[0], [0], [0]] }];
      for await (const { tracks: steps } of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER }))
        losses.push(steps[0]!.loss);
      found.push({ answers, scores, losses });
    }
    const [narrow, wide] = found;
    expect(narrow!.answers).toEqual(wide!.answers);
    expect(narrow!.scores).toEqual(wide!.scores);
    // The gradient is added up block by block there.
    narrow!.losses.forEach((loss, i) => expect(loss).toBeCloseTo(wide!.losses[i]!, 4));
  });
});
