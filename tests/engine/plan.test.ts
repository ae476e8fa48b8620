/** What models need, and random weights in their shapes. */
import { describe, expect, it } from 'vitest';
import { adapterSizes, allocatedRank } from '../../src/engine/buffers';
import { keptLayers, planModel, DEFAULT_MEMORY } from '../../src/engine/plan';
import { parameterCount, randomStream, shapeConfig, SHAPE_NAMES } from '../../src/engine/shapes';
import { collect } from '../../src/engine/stream';
import type { EngineOptions } from '../../src/engine/types';
import { plain } from './plainPlan';

const MIB = 2 ** 20;

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

  it('count the copy of adapters in f16 where the device may read one', () => {
    const config = shapeConfig('Qwen2.5-0.5B');
    const options = { dtype: 'int4', maxLength: 512, maxAdapters: 6, maxRank: 8 } as const;
    const adapters = (given: EngineOptions): number => planModel(config, { ...options, ...given }).adapters;
    const { pool, scales } = adapterSizes(config, 6, 8);
    expect(adapters({ arithmetic: 'f32' })).toBe(pool + scales);
    expect(adapters({ dtype: 'f32' })).toBe(pool + scales);
    expect(adapters({ arithmetic: 'f16' })).toBe(1.5 * pool + 2 * scales + 4);
    expect(adapters({})).toBe(adapters({ arithmetic: 'f16' }));
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
