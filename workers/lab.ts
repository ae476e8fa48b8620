/** The lab worker: runs the recipes and keeps their logs in IndexedDB. */
import { Lab } from '../src/lab/lab';
import { LAB_CHANNEL } from '../src/lab/run/neighbours';
import { openModel } from '../src/models/source';
import { IndexedRunStore } from '../src/store/indexed';
import { browserBody, Heart, serve } from '../src/supervision';
import { workerAddress } from '../src/supervision/trusted';
import { openOnnxVoice } from '../src/lab/setup/onnxVoice';
import { openWebLlmVoice } from '../src/lab/setup/webLlmVoice';
import { openOpfsStore } from '../src/models/opfs';
import { loadTokenizer, onnxParts } from './seatParts';
import webLlmAddress from './webllm.ts?worker&url';

/** Runtimes beside the engine, each in a worker of this worker's own, which is started by the run that names it. */
const webLlmParts = {
  start: () => browserBody(new Worker(workerAddress(webLlmAddress), { type: 'module', name: 'web-llm' })),
  openStore: openOpfsStore,
};

const heart = new Heart();

serve(
  new Lab({
    openStore: () => IndexedRunStore.open(),
    openModel,
    loadTokenizer,
    openChunks: openOpfsStore,
    locks: navigator.locks ?? null,
    channel: 'BroadcastChannel' in self ? new BroadcastChannel(LAB_CHANNEL) : null,
    pulse: heart,
    voices: (base) => ({
      transformers: (request) => openOnnxVoice(onnxParts(base), request),
      'web-llm': (request) => openWebLlmVoice(webLlmParts, request),
    }),
  }),
  heart,
  self,
);
