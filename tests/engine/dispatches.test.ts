/** What is recorded for real models at real sizes, by kernels of both kinds, on a device that only counts: no dispatch may ask for
 * more workgroups than every WebGPU device has, no buffer may have more elements than a u32 counts. */

import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { adapterCopySizes, allocatedRank, decoderSizes } from '../../src/engine/buffers';
import { EMBEDDING_NAME, parseModelConfig } from '../../src/engine/config';
import { OPERATIONS_PER_SUBMISSION } from '../../src/engine/gpu/commands';
import { Tally } from '../../src/engine/gpu/count/countingGpu';
import { countDecodeStep, countedParts, type DecodeShape } from '../../src/engine/gpu/count/decodeStep';
import { Decoder } from '../../src/engine/gpu/decoder';
import type { ForwardParts } from '../../src/engine/gpu/forward';
import { TrainDevice } from '../../src/engine/gpu/trainDevice';
import { shapeConfig } from '../../src/engine/shapes';
import {
  DEFAULT_OPTIMISER,
  PROJECTIONS,
  WEIGHT_DTYPES,
  type ModelConfig,
  type TrainExample,
} from '../../src/engine/types';
import { weightBuffers, weightSizes } from '../../src/engine/weightBuffers';

const MOST_GROUPS = 65535;
const ALL = new Set(PROJECTIONS);

const tally = new Tally();
beforeEach(() => {
  tally.clear();
  tally.largest = 0;
});

function partsOf(isCpu: boolean, shape: string, rank: number): ForwardParts {
  return countedParts(tally, shapeConfig(shape), { dtype: 'int4', rank: allocatedRank(rank), isCpu, adapters: 13 });
}

function check(kernels: string[]): void {
  for (const { kernel, groups } of tally.dispatches) {
    expect(Math.max(...groups), `${kernel} ${groups.join(' × ')}`).toBeLessThanOrEqual(MOST_GROUPS);
  }
  const used = new Set(tally.dispatches.map(({ kernel }) => kernel as string));
  expect(kernels.filter((kernel) => !used.has(kernel))).toEqual([]);
  expect(tally.largest / 4).toBeLessThan(2 ** 32);
}

const SHAPES = ['SmolLM2-135M', 'Qwen2.5-0.5B', 'Qwen3-0.6B', 'Llama-3.2-1B'];

describe.each([true, false])('software driver: %s', (isCpu) => {
  it.each(SHAPES)('%s answers: 128 rows of 4096 tokens', async (shape) => {
    const parts = partsOf(isCpu, shape, 64);
    const sizes = decoderSizes(parts.config, 128, 4096, isCpu ? 'f32' : 'f16');
    const decoder = new Decoder(parts, sizes, 8);
    const rows = Array.from({ length: 128 }, (_, row) => row);
    decoder.copyRows(rows.slice(0, 64).map((row) => ({ row, to: row + 64, length: 4000 })));
    for (let t = 0; t < sizes.tokens; t++) decoder.batch.add(t, t % 128, t, t % 13);
    decoder.run(ALL);
    // Products alone: no part of them may keep the device busy for long.
    const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, numLayers } = parts.config;
    const weights = hiddenSize * (3 * intermediateSize + 2 * (numHeads + numKvHeads) * headDim) * numLayers;
    expect(tally.submissions).toBeGreaterThanOrEqual((2 * weights * sizes.tokens) / OPERATIONS_PER_SUBMISSION);
    await decoder.sample(rows, rows);
    decoder.decode(rows, 8, ALL, 4096);
    await decoder.sampledInSteps(128, 8);
    await decoder.score(rows.slice(0, sizes.logitsRows), rows.slice(0, sizes.logitsRows));
    check(isCpu ? ['sample_tokens', 'linear_forward_packed'] : ['sample_tokens_wide', 'linear_forward_tiled_half']);
  });

  it.each(SHAPES)('%s learns: 6 × 4 sequences of 512 tokens, rank 64', async (shape) => {
    const parts = partsOf(isCpu, shape, 64);
    const trainer = await TrainDevice.create(parts);
    const ids = Array.from({ length: 512 }, (_, i) => i);
    const example: TrainExample = { ids, weights: ids.map(() => 1) };
    const tracks = [0, 1, 2, 3, 4, 5].map((slot) => ({
      slot,
      rows: [example, example, example, example],
      weightSum: 1,
    }));
    await trainer.reserve(trainer.measure(tracks), tracks.length);
    trainer.accumulate(tracks, ALL);
    trainer.update(
      tracks.map(({ slot }) => ({ slot, lr: 1e-4, update: 1 })),
      DEFAULT_OPTIMISER,
    );
    check(['adamw', 'cross_entropy', 'attention_backward_stats', 'rope_backward']);
  });
});

/** The configuration of a model that comes with the lab. */
function embedded(name: string): ModelConfig {
  const file = `static/models/${name}/config.json`;
  return parseModelConfig(JSON.parse(readFileSync(file, 'utf8')), file);
}

/** Bytes of a binding that every WebGPU device has. */
const LEAST_BINDING = 128 << 20;

describe.each([...SHAPES, 'arithmetic-0.4m', 'strategies-0.25m'])('a decode step of %s', (model) => {
  const config = SHAPES.includes(model) ? shapeConfig(model) : embedded(model);

  it.each(WEIGHT_DTYPES)(
    'in %s is few dispatches that read each weight once, and 17 to 32 rows twice',
    async (dtype) => {
      const cache = dtype === 'f32' ? 'f32' : 'f16';
      const keys = Math.min(128, config.maxPositions - 1);
      for (const given of [{}, { bindingLimit: LEAST_BINDING }, { arithmetic: 'f32' }] as const)
        for (const rows of [1, 8, 16, 24, 32, 48])
          for (const adapters of [0, 1, 6]) {
            const shape = { dtype, cache, rows, adapters, rank: 8, keys, isCpu: false, ...given } as const;
            const step = await countDecodeStep(config, shape);
            const named = JSON.stringify(shape);
            // Eight a layer, ten with adapters; embedding and head are one more for each further binding they take.
            const blocks = weightBuffers(config, dtype, given.bindingLimit).filter(({ name }) =>
              name.startsWith(EMBEDDING_NAME),
            );
            const few = (adapters > 0 ? 10 : 8) * config.numLayers + 7 + 2 * (blocks.length - 1);
            expect(step.dispatches, named).toBeLessThanOrEqual(few);
            if (model === 'Qwen2.5-0.5B') expect(step.dispatches, named).toBeLessThanOrEqual(260);
            expect(step.storageBuffers, named).toBeLessThanOrEqual(8);
            const { weights, adapters: ofAdapters, cache: stored } = step.bytes;
            const asked = (weights + ofAdapters + stored) / step.least;
            expect(asked, named).toBeGreaterThan(0.999);
            // Two blocks of tokens ask for the weights side by side. Where adapters are f32 they are much of what a small model reads, and
            // blocks of tokens read them.
            const most = 'arithmetic' in given ? 1.2 : 1.1;
            expect(asked, named).toBeLessThan(rows > 16 && rows <= 32 ? 2.1 : most);
          }
    },
  );
});

describe('a decode step of Qwen2.5-0.5B in int4', () => {
  const config = shapeConfig('Qwen2.5-0.5B');
  const count = (rows: number, adapters: number, given: Partial<DecodeShape> = {}) =>
    countDecodeStep(config, {
      dtype: 'int4',
      cache: 'f16',
      rows,
      adapters,
      rank: 8,
      keys: 128,
      isCpu: false,
      ...given,
    });

  it.each([
    [0, 199],
    [6, 247],
  ])('with %s adapters is few dispatches', async (adapters, most) => {
    expect((await count(8, adapters)).dispatches).toBeLessThanOrEqual(most);
    expect((await count(24, adapters)).dispatches).toBeLessThanOrEqual(most);
  });

  it('splits its keys from 256 on, in one dispatch more a layer', async () => {
    const [few, many] = [await count(1, 0, { keys: 256 }), await count(1, 0, { keys: 2000 })];
    expect(few.kernels.attention_merge).toBeUndefined();
    expect(many.kernels.attention_merge).toBe(config.numLayers);
    expect(many.dispatches - few.dispatches).toBe(config.numLayers);
    // Each key is still read once.
    expect(many.bytes.cache / few.bytes.cache).toBeCloseTo(2001 / 257, 6);
  });

  it('is a submission, and one in eight to read', async () => {
    expect(await count(1, 0)).toMatchObject({ submissions: 9, steps: 8 });
    expect(await count(1, 0, { isCpu: true })).toMatchObject({ submissions: 2, steps: 8 });
  });

  it.each([1, 8, 16])('reads every weight once for %s rows', async (rows) => {
    const matrices = Object.values(weightSizes(config, 'int4')).reduce((sum, bytes) => sum + bytes, 0);
    const { weights } = (await count(rows, 0)).bytes;
    expect(Math.abs(weights / matrices - 1)).toBeLessThan(0.001);
  });

  it.each([
    [1, 0],
    [1, 1],
    [4, 1],
    [8, 1],
    [8, 6],
    [16, 1],
    [16, 6],
  ])(
    'of %s rows with %s adapters moves at most a tenth more than weights, adapters, keys and values',
    async (rows, adapters) => {
      const { weights, cache, adapters: ofAdapters } = (await count(rows, adapters)).bytes;
      const matrices = Object.values(weightSizes(config, 'int4')).reduce((sum, bytes) => sum + bytes, 0);
      const stored = 2 * config.numLayers * rows * config.numKvHeads * config.headDim * 2 * 129;
      const least = matrices + adapters * adapterCopySizes(config, 1, 8).copies + stored;
      expect((weights + ofAdapters + cache) / least).toBeGreaterThanOrEqual(0.999);
      expect((weights + ofAdapters + cache) / least).toBeLessThan(1.1);
    },
  );

  it('reads adapters in half the bytes where products are f16', async () => {
    const halves = (await count(6, 6)).bytes.adapters;
    const whole = (await count(6, 6, { dtype: 'f32' })).bytes.adapters;
    expect(halves).toBe(whole / 2);
    expect(Math.abs(halves / (6 * adapterCopySizes(config, 1, 8).copies) - 1)).toBeLessThan(0.1);
  });

  it('counts keys, values and operations by hand', async () => {
    const { numLayers, numKvHeads, headDim, numHeads, hiddenSize: D, vocabSize } = config;
    const step = await count(2, 2);
    // Read once by all the heads that share them; a token's own are stored.
    expect(step.bytes.cache).toBe(2 * numLayers * 2 * numKvHeads * headDim * 2 * (128 + 1));
    const projections = 24 * (2 * D * D + 2 * D * 128 + 3 * D * 4864);
    const adapters = 24 * 8 * (2 * (D + D) + 2 * (D + 128) + 3 * (D + 4864));
    const products = 4 * (projections + D * vocabSize + adapters) + 2 * numLayers * 4 * 128 * numHeads * headDim;
    expect(step.operations / products).toBeGreaterThan(1);
    expect(step.operations / products).toBeLessThan(1.002);
  });

  it('knows every kernel for software drivers too, and every shape', async () => {
    for (const shape of SHAPES)
      for (const isCpu of [false, true])
        for (const dtype of ['f32', 'int8'] as const) {
          const given = { dtype, cache: 'f32', rows: 4, adapters: 2, rank: 8, keys: 16, isCpu } as const;
          expect((await countDecodeStep(shapeConfig(shape), given)).bytes.total).toBeGreaterThan(0);
        }
  });
});
