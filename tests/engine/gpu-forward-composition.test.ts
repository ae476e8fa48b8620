/** What a row computes must not depend on its company: bit for bit the same alone, among others, in any chunks. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { initAdapter } from '../../src/engine/peft';
import { tensorShapes } from '../../src/engine/config';
import {
  PROJECTIONS,
  type AdapterWeights,
  type GenerateRequest,
  type HostTensor,
  type ModelConfig,
  type ModelWeights,
} from '../../src/engine/types';
import { drawUniform } from '../../src/random';

const CONFIG: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 32,
  intermediateSize: 48,
  numLayers: 2,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 8,
  vocabSize: 29,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  qkvBias: false,
  qkNorm: false,
  tieWordEmbeddings: true,
  maxPositions: 768,
  bosTokenId: null,
  eosTokenIds: [],
};

let stream = 0;
function random(shape: number[], scale: number): HostTensor {
  const name = { seed: 8, stream: ++stream };
  const length = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length }, (_, i) => scale * (2 * drawUniform(name, i) - 1));
  return { shape, data };
}

function randomModel(): ModelWeights {
  const tensors = new Map<string, HostTensor>();
  for (const [name, shape] of tensorShapes(CONFIG)) tensors.set(name, random(shape, shape.length === 1 ? 1 : 0.4));
  return { config: CONFIG, tensors };
}

function randomAdapter(rank: number): AdapterWeights {
  const adapter = initAdapter(CONFIG, { rank, alpha: 2 * rank, targets: [...PROJECTIONS] }, rank);
  for (const [name, { shape }] of adapter.tensors) adapter.tensors.set(name, random(shape, 0.2));
  return adapter;
}

/** Prompts of 1 to 90 ids, every twentieth longer than a prefill batch; greedy, full, top-k and top-p sampling. */
function request(i: number): GenerateRequest {
  const length = i % 20 === 7 ? 600 : 1 + ((i * 37) % 90);
  const sampling = [
    { temperature: 1, topK: 0, topP: 1 },
    { temperature: 0, topK: 0, topP: 1 },
    { temperature: 1.3, topK: 5, topP: 1 },
    { temperature: 0.8, topK: 0, topP: 0.9 },
  ][i % 4]!;
  return {
    ids: Array.from({ length }, (_, t) => (t * t + 3 * t + i) % CONFIG.vocabSize),
    adapter: [null, 'rank 3', 'rank 6'][i % 3]!,
    sampling: { ...sampling, maxTokens: 2 + ((i * 11) % 17), stopIds: i % 5 === 0 ? [3, 4] : [] },
    key: { seed: 11, stream: 1, iteration: 0, agent: i % 3, problem: i, round: 0 },
  };
}

describe.each([
  ['cpu', 'f32'],
  ['gpu', 'f32'],
  ['cpu', 'f16'],
  ['gpu', 'f16'],
] as const)('a row of the batch, %s kernels, keys and values in %s', (tiles, cache) => {
  let engine: WebGpuEngine;
  /** Two rows at a time: another chunking of the same work. */
  let narrow: WebGpuEngine;
  beforeAll(async () => {
    const model = randomModel();
    const gpu = await openNodeGpu();
    const options = { maxAdapters: 2, maxRank: 6, maxLength: 700, tiles, cache };
    engine = await WebGpuEngine.create(gpu, model, { ...options, maxRows: 24 });
    narrow = await WebGpuEngine.create(gpu, model, { ...options, maxRows: 2 });
    for (const rank of [3, 6]) {
      const adapter = randomAdapter(rank);
      await engine.importAdapter(`rank ${rank}`, adapter);
      await narrow.importAdapter(`rank ${rank}`, adapter);
    }
  });
  afterAll(() => Promise.all([engine?.dispose(), narrow?.dispose()]));

  it('generates the same ids, log-probabilities and margins alone and among fifty others', async () => {
    const requests = Array.from({ length: 51 }, (_, i) => request(i));
    const together = await engine.generate(requests);
    expect(await engine.generate(requests.slice().reverse())).toEqual(together.slice().reverse());
    for (const i of [0, 7, 9, 22, 35, 50]) {
      expect(await engine.generate([requests[i]!]), `request ${i}`).toEqual([together[i]]);
    }
    const some = [4, 7, 8, 27, 30];
    expect(await narrow.generate(some.map((i) => requests[i]!))).toEqual(some.map((i) => together[i]));
  });

  it('scores the same alone and among others, longer than a batch or not', async () => {
    const requests = Array.from({ length: 12 }, (_, i) => ({ ...request(i), ids: request(i + 1).ids })).filter(
      ({ ids }) => ids.length > 1,
    );
    const together = await engine.score(requests);
    expect(await narrow.score(requests)).toEqual(together);
    for (const i of [0, 5, 9]) expect(await engine.score([requests[i]!])).toEqual([together[i]]);
  });

  it('has the log-probabilities of its logits', async () => {
    const { ids, adapter } = request(7);
    const V = CONFIG.vocabSize;
    const logits = await engine.logits({ ids, adapter });
    expect(logits).toHaveLength(ids.length * V);
    const [score] = await engine.score([{ ids, adapter }]);
    for (const t of [0, 100, 511, 512, 598]) {
      const row = Array.from(logits.slice(t * V, (t + 1) * V));
      const total = row.reduce((sum, z) => sum + Math.exp(z), 0);
      expect(score![t]).toBeCloseTo(row[ids[t + 1]!]! - Math.log(total), 4);
    }
  });

  it('plans what it allocates', () => {
    const { total, ...parts } = engine.plan();
    expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(total);
    expect(parts.kvCache).toBe(2 * 2 * 25 * 700 * 16 * (cache === 'f16' ? 2 : 4));
  });
});
