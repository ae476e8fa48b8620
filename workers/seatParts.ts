/** What workers that open models for seats share: tokenizers and the runtimes beside the engine, each in a worker of its own. */
import { tokenizersIn } from '../src/backends/tokenizerRemote';
import { onnxFiles, openOnnxVoice, type OnnxParts } from '../src/lab/setup/onnxVoice';
import type { VoiceOpeners } from '../src/lab/setup/voices';
import { openWebLlmVoice } from '../src/lab/setup/webLlmVoice';
import { modelAddress } from '../src/models/address';
import { openOpfsStore } from '../src/models/opfs';
import { openModel } from '../src/models/source';
import { browserBody } from '../src/supervision';
import { workerAddress } from '../src/supervision/trusted';
import tokenizerAddress from './tokenizer.ts?worker&url';
import transformersAddress from './transformers.ts?worker&url';
import webLlmAddress from './webllm.ts?worker&url';

const started = (address: string, name: string): Worker => new Worker(workerAddress(address), { type: 'module', name });

export const loadTokenizer = tokenizersIn(() => browserBody(started(tokenizerAddress, 'tokenizer')));

/** @param base the page's address */
function onnxParts(base: string): OnnxParts {
  return {
    start: () => browserBody(started(transformersAddress, 'transformers')),
    address: (model) => modelAddress(model, base),
    openModel,
    loadTokenizer,
    runtime: (device) => onnxFiles(base, device),
    openStore: openOpfsStore,
  };
}

const webLlmParts = {
  start: () => browserBody(started(webLlmAddress, 'web-llm')),
  openStore: openOpfsStore,
};

/** Runtimes beside the engine, each started by whoever names it. @param base the page's address */
export function voiceOpeners(base: string): Omit<VoiceOpeners, 'keyOf'> {
  return {
    transformers: (request) => openOnnxVoice(onnxParts(base), request),
    'web-llm': (request) => openWebLlmVoice(webLlmParts, request),
  };
}
