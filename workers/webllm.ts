/** The worker of web-llm: one model that plays agents beside the engine. Started by a run that names one; the package loads when it is asked. */
import * as library from '@mlc-ai/web-llm';
import manifest from '@mlc-ai/web-llm/package.json';
import { openModel } from '../src/models/source';
import { createWebLlmWork } from '../src/runtimes/webllm/work';
import { Heart, serve } from '../src/supervision';

const heart = new Heart();
const work = createWebLlmWork({
  library: async () => library,
  version: manifest.version,
  gpu: navigator.gpu ?? null,
  openModel,
  setCaches: (caches) => Object.defineProperty(self, 'caches', { configurable: true, value: caches }),
  pulse: heart,
});
serve(work, heart, self);
