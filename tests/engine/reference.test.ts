import { loadModel } from '../../src/engine/loader';
import { folderSource } from '../../src/engine/loader-node';
import { ReferenceEngine } from '../../src/engine/reference/engine';
import { conformance } from './conformance';

conformance('the reference engine', async (dir, options) => {
  const { weights } = await loadModel(folderSource(dir));
  return ReferenceEngine.create(weights, options);
});
