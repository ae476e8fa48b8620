/** The part of transformers.js that is used here, and its settings. Whoever loads it is a worker or a thread of its own. */
import type * as Library from '@huggingface/transformers';

export type TransformersLibrary = Pick<
  typeof Library,
  | 'env'
  | 'LogLevel'
  | 'AutoModelForCausalLM'
  | 'Tensor'
  | 'LogitsProcessor'
  | 'LogitsProcessorList'
  | 'StoppingCriteria'
  | 'StoppingCriteriaList'
>;

/** Addresses of ONNX Runtime's own files: its script and its WebAssembly. */
export interface RuntimeFiles {
  mjs: string;
  wasm: string;
}

/** Nobody's site: whatever the library wants to fetch comes from the lab. */
export const MODEL_SITE = 'https://model.invalid/';
const MODEL = 'model';

/** The name under which the library asks for the model's files. */
export const MODEL_NAME = MODEL;

/**
 * Lets the library take every file from here: nothing is fetched from another place, nothing is kept beside the lab's own store, and
 * nothing is run that the site's content policy forbids.
 * @param file bytes of the model's file at a path; null where it has none
 * @param binary of the runtime, as it was checked
 */
export function prepare(
  { env, LogLevel }: TransformersLibrary,
  { mjs, wasm }: RuntimeFiles,
  binary: ArrayBuffer,
  file: (path: string) => Promise<Uint8Array<ArrayBuffer> | null>,
): void {
  env.logLevel = LogLevel.ERROR;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = MODEL_SITE;
  env.useFS = false;
  env.useFSCache = false;
  env.useBrowserCache = false;
  env.useCustomCache = false;
  // It would import the script as a blob, which the policy refuses.
  env.useWasmCache = false;
  env.fetch = async (address: string | URL) => {
    const path = String(address).slice(`${MODEL_SITE}${MODEL}/`.length);
    const bytes = await file(path);
    return bytes ? new Response(bytes, { status: 200 }) : new Response(null, { status: 404 });
  };
  const { wasm: settings } = env.backends.onnx;
  if (!settings) throw new Error('this build of transformers.js has no WebAssembly');
  settings.wasmPaths = { mjs, wasm };
  settings.wasmBinary = binary;
  // Several threads may add in another order.
  settings.numThreads = 1;
  settings.proxy = false;
}
