import { describe, expect, it } from 'vitest';
import { ExactEngine } from '../../src/engine/exact/engine';
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
