/** The plan before the work against what the engine then allocates, to the byte. */
import { describe, expect, it } from 'vitest';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { TOKEN_TILE } from '../../src/engine/gpu/backward';
import { measureBatch } from '../../src/engine/gpu/batch';
import { allocatedRank } from '../../src/engine/buffers';
import { keptLayers, planModel, DEFAULT_MEMORY } from '../../src/engine/plan';
import { parameterCount, randomStream, shapeConfig, SHAPE_NAMES } from '../../src/engine/shapes';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  WEIGHT_DTYPES,
  type EngineOptions,
  type MemoryPlan,
  type TrainTrack,
} from '../../src/engine/types';
import { collect } from '../../src/engine/stream';
import { GOLDEN_MODELS, readGolden } from './golden';

const MIB = 2 ** 20;
const OPTIONS = { maxRows: 5, maxAdapters: 3, maxRank: 6, maxLength: 48 };

/** A GPU whose devices note every storage buffer that is made and destroyed. */
async function countingGpu(): Promise<{ gpu: GPU; bytes: () => number; largest: () => number }> {
  const real = await openNodeGpu();
  const living = new Map<GPUBuffer, number>();
  const gpu = Object.create(real) as GPU;
  gpu.requestAdapter = async (options) => {
    const adapter = (await real.requestAdapter(options)) as GPUAdapter;
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      const createBuffer = device.createBuffer.bind(device);
      device.createBuffer = (wanted) => {
        const buffer = createBuffer(wanted);
        if ((wanted.usage & GPUBufferUsage.STORAGE) === 0) return buffer;
        living.set(buffer, wanted.size);
        const destroy = buffer.destroy.bind(buffer);
        buffer.destroy = () => {
          living.delete(buffer);
          return destroy();
        };
        return buffer;
      };
      return device;
    };
    return adapter;
  };
  const sizes = (): number[] => [...living.values()];
  return { gpu, bytes: () => sizes().reduce((a, b) => a + b, 0), largest: () => Math.max(...sizes()) };
}

const plain = ({ weights, kvCache, activations, adapters, optimiser, total }: MemoryPlan): MemoryPlan => ({
  weights,
  kvCache,
  activations,
  adapters,
  optimiser,
  total,
});

describe('the plan is what the engine allocates', () => {
  for (const model of GOLDEN_MODELS) {
    it(`${model} in every format, before and after training`, async () => {
      for (const dtype of WEIGHT_DTYPES) await comparePlan(model, { ...OPTIONS, dtype });
    });
  }

  it('with the kernels for GPUs, too', () => comparePlan('qwen3', { ...OPTIONS, dtype: 'int4', tiles: 'gpu' }));

  it('with keys and values in f16, too', async () => {
    await comparePlan('llama', { ...OPTIONS, cache: 'f16' });
    await comparePlan('qwen2', { ...OPTIONS, dtype: 'int8', tiles: 'gpu', cache: 'f16' });
    const { weights } = await readGolden('llama');
    const [halves, whole] = (['f16', 'f32'] as const).map((cache) => planModel(weights.config, { ...OPTIONS, cache }));
    expect(whole!.kvCache - halves!.kvCache).toBe(halves!.kvCache);
    expect(whole!.total - halves!.total).toBe(halves!.kvCache);
  });
});

async function comparePlan(model: string, options: EngineOptions): Promise<void> {
  const { weights, sequences } = await readGolden(model);
  const { config } = weights;
  const { gpu, bytes, largest } = await countingGpu();
  const engine = await WebGpuEngine.create(gpu, weights, options);
  const known = { ...options, cache: (await engine.report()).cache };
  const before = planModel(config, known);
  expect(bytes()).toBe(before.total);
  expect(largest()).toBe(before.largestBuffer.bytes);
  expect(engine.plan()).toEqual(plain(before));

  const tracks = ['one', 'two'].map((adapter): TrainTrack => ({
    adapter,
    examples: sequences,
    batches: [sequences.map((_, index) => index)],
  }));
  for (const { adapter } of tracks) {
    await engine.createAdapter(adapter, { rank: 6, alpha: 12, targets: [...PROJECTIONS] }, 1);
  }
  for await (const step of engine.train({ objective: 'sft', tracks, optimiser: DEFAULT_OPTIMISER })) void step;
  await engine.generate([
    {
      ids: [1, 2, 3],
      adapter: 'one',
      sampling: { temperature: 1, topK: 0, topP: 1, maxTokens: 4, stopIds: [] },
      key: { seed: 0, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 },
    },
  ]);
  const rows = tracks.map(({ examples }) => ({ rows: examples }));
  const { tokens, targets } = measureBatch(rows, TOKEN_TILE);
  const after = planModel(config, known, { tokens, targets, tracks: tracks.length });
  expect(bytes()).toBe(after.total);
  expect(largest()).toBe(after.largestBuffer.bytes);
  expect(engine.plan()).toEqual(plain(after));
  await engine.dispose();
}

describe('real models', () => {
  it('have the published numbers of parameters', () => {
    const counts = Object.fromEntries(SHAPE_NAMES.map((name) => [name, parameterCount(shapeConfig(name))]));
    expect(counts).toEqual({
      'SmolLM2-135M': 134_515_008,
      'SmolLM2-360M': 361_821_120,
      'Qwen2.5-0.5B': 494_032_768,
      'Qwen3-0.6B': 596_049_920,
      'Llama-3.2-1B': 1_235_814_400,
    });
    expect(() => shapeConfig('Qwen2.5-0.6B')).toThrow(/Qwen2.5-0.5B/);
  });

  it('Qwen2.5-0.5B in int4 trains six adapters on sequences of 512 in less than 2 GiB', () => {
    const config = shapeConfig('Qwen2.5-0.5B');
    const options = { dtype: 'int4', maxRows: 24, maxLength: 512, maxAdapters: 6, maxRank: 8 } as const;
    const plan = planModel(config, options, { tokens: 6 * 512 + 4, targets: 6 * 511, tracks: 6 });
    const shown = Object.entries(plain(plan)).map(([part, bytes]) => `${part} ${(bytes / MIB).toFixed(1)} MiB`);
    const { name, bytes } = plan.largestBuffer;
    console.log(`${shown.join(', ')}; largest: ${name} ${(bytes / MIB).toFixed(1)} MiB`);
    expect(plan.total).toBeLessThan(2 ** 31);
    // No buffer of tokens × vocabulary: that alone would have 1.7 GiB.
    expect(plan.largestBuffer.bytes).toBeLessThan(128 * MIB);
    // The layers are recomputed, not kept.
    expect(keptLayers(config, allocatedRank(8), 6 * 512 + 4, DEFAULT_MEMORY)).toBe(1);
  });

  it('cost in int4 what 4.5 bits a weight cost', () => {
    for (const name of SHAPE_NAMES) {
      const config = shapeConfig(name);
      const { weights } = planModel(config, { dtype: 'int4', maxLength: 512 });
      const bits = (8 * weights) / parameterCount(config);
      expect(bits).toBeGreaterThan(4.5);
      expect(bits).toBeLessThan(4.55);
    }
  });
});

describe('random weights', () => {
  const config = { ...shapeConfig('Qwen2.5-0.5B'), numLayers: 2, vocabSize: 5003, hiddenSize: 1000 };

  it('are the same at every reading, others from another seed, and normal', async () => {
    const first = await collect(randomStream(config, 1));
    const again = await collect(randomStream(config, 1));
    const other = await collect(randomStream(config, 2));
    const name = 'model.embed_tokens.weight';
    const values = first.tensors.get(name)?.data as Float32Array;
    for (const [tensor, { data }] of first.tensors) {
      expect(Buffer.from(again.tensors.get(tensor)?.data.buffer as ArrayBuffer).equals(Buffer.from(data.buffer))).toBe(
        true,
      );
    }
    expect(other.tensors.get(name)?.data.subarray(0, 64)).not.toEqual(values.subarray(0, 64));
    expect(first.tensors.get('model.layers.0.mlp.up_proj.weight')?.data.subarray(0, 64)).not.toEqual(
      first.tensors.get('model.layers.1.mlp.up_proj.weight')?.data.subarray(0, 64),
    );
    expect(new Set(first.tensors.get('model.layers.1.input_layernorm.weight')?.data)).toEqual(new Set([1]));
    let [sum, squares, inside] = [0, 0, 0];
    for (const value of values) {
      sum += value;
      squares += value * value;
      if (Math.abs(value) < 0.02) inside++;
    }
    expect(Math.abs(sum / values.length)).toBeLessThan(1e-4);
    expect(Math.sqrt(squares / values.length)).toBeCloseTo(0.02, 3);
    expect(inside / values.length).toBeCloseTo(0.6827, 2);
  });

  it('come in pieces of at most 16 MiB', async () => {
    const seen = new Map<string, number>();
    await randomStream(config).read(({ name, firstRow, shape, data }) => {
      const width = shape[1] ?? 1;
      expect(firstRow).toBe(seen.get(name) ?? 0);
      expect(data.byteLength).toBeLessThanOrEqual(16 * MIB);
      seen.set(name, firstRow + data.length / width);
    });
    expect(seen.get('model.embed_tokens.weight')).toBe(5003);
  });
});
