import { folderSource } from '../../src/engine/loader-node';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { conformance, PARTS } from './conformance';
import { loadModel } from './loadModel';

/** Software drivers and GPUs are given other kernels; either kind must do, on whatever device. */
for (const tiles of ['cpu', 'gpu'] as const) {
  conformance(`the WebGPU engine with ${tiles} kernels`, async (dir, options) => {
    const { weights } = await loadModel(folderSource(dir));
    return WebGpuEngine.create(await openNodeGpu(), weights, { ...options, tiles });
  });
  // Training has PyTorch's numbers all the same: only what is generated and scored reads the cache.
  conformance(
    `the WebGPU engine with ${tiles} kernels and keys and values in f16`,
    async (dir, options) => {
      const { weights } = await loadModel(folderSource(dir));
      return WebGpuEngine.create(await openNodeGpu(), weights, { ...options, tiles, cache: 'f16' });
    },
    [tiles === 'cpu' ? 'qwen3' : 'qwen2'],
    [PARTS.training, PARTS.generation],
  );
}
