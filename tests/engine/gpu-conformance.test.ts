import { loadModel } from '../../src/engine/loader';
import { folderSource } from '../../src/engine/loader-node';
import { WebGpuEngine } from '../../src/engine/gpu/engine';
import { openNodeGpu } from '../../src/engine/gpu/node';
import { conformance } from './conformance';

conformance('the WebGPU engine', async (dir, options) => {
  const { weights } = await loadModel(folderSource(dir));
  return WebGpuEngine.create(await openNodeGpu(), weights, options);
});
