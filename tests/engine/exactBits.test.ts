import { describe, expect, it } from 'vitest';
import { ExactEngine } from '../../src/engine/exact/engine';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { randomStream } from '../../src/engine/shapes';
import type { Engine, EngineOptions, ModelConfig, ModelWeights } from '../../src/engine/types';
import { collect } from '../../src/engine/stream';
import { nodeWorkers } from '../../tools/cli/exactLanes';
import { GOLDEN_MODELS, readGolden } from './golden';
import { operationDigests } from './operationDigests';
import { TINY } from './tinyConfig';

/** Widths that no tile divides, grouped heads, every kind of extra. */
const ODD: Record<string, ModelConfig> = {
  'llama, odd widths': { ...TINY, hiddenSize: 37, intermediateSize: 53, headDim: 14, vocabSize: 41 },
  'qwen2, odd heads': {
    ...TINY,
    modelType: 'qwen2',
    qkvBias: true,
    numHeads: 6,
    numKvHeads: 2,
    headDim: 10,
    vocabSize: 17,
  },
  'qwen3, untied head': {
    ...TINY,
    modelType: 'qwen3',
    qkNorm: true,
    numHeads: 4,
    numKvHeads: 4,
    headDim: 26,
    hiddenSize: 50,
    tieWordEmbeddings: false,
  },
  'one of everything': {
    ...TINY,
    numLayers: 1,
    hiddenSize: 4,
    intermediateSize: 1,
    numHeads: 1,
    headDim: 2,
    vocabSize: 3,
  },
};

async function expectSameBits(weights: ModelWeights, options: EngineOptions, workers = [1]): Promise<void> {
  const digests = async (engine: Engine): Promise<Record<string, string>> => {
    const found = await operationDigests(engine, options.maxLength ?? 64);
    await engine.dispose();
    return found;
  };
  const oracle = await digests(await ReferenceEngine.create(weights, options));
  for (const count of workers) {
    const engine = await ExactEngine.create(weights, options, {}, nodeWorkers(count));
    expect(await digests(engine), `${count} workers`).toEqual(oracle);
  }
}

const OPTIONS = { maxRows: 5, maxLength: 40 } satisfies EngineOptions;

describe('the exact engine has the bits of the reference engine', () => {
  it.each(GOLDEN_MODELS)('on %s in every format', async (model) => {
    const { weights } = await readGolden(model);
    for (const dtype of ['f32', 'f16', 'int8', 'int4'] as const) await expectSameBits(weights, { ...OPTIONS, dtype });
  });

  it.each(GOLDEN_MODELS)('on %s with keys and values in f16', async (model) => {
    const { weights } = await readGolden(model);
    await expectSameBits(weights, { ...OPTIONS, cache: 'f16' });
  });

  it('whatever the number of workers', async () => {
    const { weights } = await readGolden('qwen3');
    await expectSameBits(weights, OPTIONS, [1, 2, 3]);
  });

  it.each(Object.entries(ODD))('on sizes that no tile divides: %s', async (_, config) => {
    await expectSameBits(await collect(randomStream(config)), OPTIONS);
  });
});
