import { describe, expect, it } from 'vitest';
import { ExactEngine } from '../../src/engine/exact/engine';
import { PROJECTIONS } from '../../src/engine/types';
import { folderSource } from '../../src/engine/loader-node';
import { compileKernels, kernelModule, readKernelModule } from '../../tools/build/kernels';
import { conformance } from './conformance';
import { loadModel } from './loadModel';

conformance('the exact engine', async (dir, options) => {
  const { weights } = await loadModel(folderSource(dir));
  return ExactEngine.create(weights, options);
});

describe('the kernels', () => {
  it('that are committed are what their source gives', async () => {
    expect(await readKernelModule()).toBe(kernelModule(await compileKernels()));
  });
});

describe('the planned memory', () => {
  it('has room for all rows, however many adapters came before the first of them', async () => {
    const { weights } = await loadModel(folderSource('static/models/arithmetic-0.4m'));
    const sampling = { temperature: 0, topK: 0, topP: 1, maxTokens: 1, stopIds: [] };
    const key = { seed: 0, stream: 1, iteration: 0, agent: 0, problem: 0, round: 0 };
    const requests = Array.from({ length: 64 }, () => ({ ids: [1, 5, 6], adapter: null, sampling, key }));
    for (const adapters of [1, 2, 3, 4, 6, 8]) {
      const engine = await ExactEngine.create(weights, { maxRows: 64, maxAdapters: 8, maxRank: 32 });
      for (let n = 0; n < adapters; n++)
        await engine.createAdapter(`a${n}`, { rank: 32, alpha: 32, targets: [...PROJECTIONS] }, n);
      expect((await engine.generate(requests)).length).toBe(64);
      await engine.dispose();
    }
  });
});
