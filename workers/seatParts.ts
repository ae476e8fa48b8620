/** What workers that open models for seats share: tokenizers and transformers.js, each in a worker of their own. */
import { tokenizersIn } from '../src/backends/tokenizerRemote';
import { onnxFiles, type OnnxParts } from '../src/lab/setup/onnxVoice';
import { modelAddress } from '../src/models/address';
import { openOpfsStore } from '../src/models/opfs';
import { openModel } from '../src/models/source';
import { browserBody } from '../src/supervision';
import { workerAddress } from '../src/supervision/trusted';
import tokenizerAddress from './tokenizer.ts?worker&url';
import transformersAddress from './transformers.ts?worker&url';

const started = (address: string, name: string): Worker => new Worker(workerAddress(address), { type: 'module', name });

export const loadTokenizer = tokenizersIn(() => browserBody(started(tokenizerAddress, 'tokenizer')));

/** @param base the page's address */
export function onnxParts(base: string): OnnxParts {
  return {
    start: () => browserBody(started(transformersAddress, 'transformers')),
    address: (model) => modelAddress(model, base),
    openModel,
    loadTokenizer,
    runtime: (device) => onnxFiles(base, device),
    openStore: openOpfsStore,
  };
}
