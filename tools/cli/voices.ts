/** Runtimes beside the engine, on the command line. */
import { Worker } from 'node:worker_threads';
import { openOnnxVoice, type OnnxParts } from '../../src/lab/setup/onnxVoice';
import type { VoiceOpeners } from '../../src/lab/setup/voices';
import { threadBody, type Body } from '../../src/supervision';
import { MODELS_VARIABLE, modelsFolder, modelStore, openSeatModel } from './modelStore';
import type { Output } from './output';
import { modelFolder } from './settings';
import { tokenizerIn } from './tokenizer';

/** Variable of the environment that holds the key of an endpoint. */
export const KEY_VARIABLE = 'POLYLOGUE_ENDPOINT_KEY';

/** @param output is told which sites are asked, and how far a download is */
export function nodeVoices(output: Pick<Output, 'note' | 'progress'>): VoiceOpeners {
  return {
    keyOf(origin, gets) {
      if (gets === 'nothing') {
        output.note(
          `The model of some agents comes from ${origin}; it is kept in ${modelsFolder()} (${MODELS_VARIABLE} names another folder).`,
        );
        return null;
      }
      const key = process.env[KEY_VARIABLE] ?? null;
      output.note(
        `Some agents are played by ${origin}${key === null ? ` without a key (${KEY_VARIABLE} may hold one)` : `, with the key in ${KEY_VARIABLE}`}.`,
      );
      return key;
    },
    transformers: (request) =>
      openOnnxVoice(ONNX_PARTS, {
        ...request,
        onDownload: (_, { doneBytes, totalBytes }) =>
          output.progress(`downloading ${request.spec.address}: ${doneBytes} of ${totalBytes} bytes`),
      }),
  };
}

function transformersThread(): Body {
  const worker = new Worker(new URL('./transformersThread.mjs', import.meta.url));
  return threadBody(worker as unknown as Parameters<typeof threadBody>[0]);
}

/** The files of ONNX Runtime for WebAssembly, as they lie in its package. */
const DIST = new URL('../../node_modules/onnxruntime-web/dist/', import.meta.url);

export const ONNX_PARTS: OnnxParts = {
  start: transformersThread,
  address: modelFolder,
  openModel: openSeatModel,
  openStore: async () => modelStore(),
  loadTokenizer: tokenizerIn,
  runtime: () => ({
    mjs: new URL('ort-wasm-simd-threaded.mjs', DIST).href,
    wasm: new URL('ort-wasm-simd-threaded.wasm', DIST).href,
  }),
};
