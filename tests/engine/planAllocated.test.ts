/** The plan before the work against what the engine then allocates on a GPU, to the byte. */
import { describe, expect, it } from 'vitest';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { TOKEN_TILE } from '../../src/engine/gpu/backward';
import { measureBatch } from '../../src/engine/gpu/batch';
import { planModel } from '../../src/engine/plan';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  WEIGHT_DTYPES,
  type EngineOptions,
  type TrainTrack,
} from '../../src/engine/types';
import { GOLDEN_MODELS, readGolden } from './golden';
import { plain } from './plainPlan';

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
  const { arithmetic = 'f32' } = engine.info;
  const known = { ...options, cache: (await engine.report()).cache, arithmetic };
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
